"""How do the replies to many calls come into a gate's cache before they are wanted?"""

import argparse
import math
import queue
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gateway.commands.operating import NoAnswerError
from gateway.commands.warm_calls import Caller, Outcome, StoppedError, callers
from gateway.commands.warm_file import Progress, Wanted, problems_of, wanted

_SAVE_EVERY = 200
"""How many calls are made from one writing of the progress file to the next."""
_LEAVE_SECONDS = 2.0
"""How long calls under way may take when the command is interrupted."""
_MOST_TOLD = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`labgated cache warm FILE`."""
    text = 'a call or a request a line: {"method": "jobs.get_job", "params": ["J1"]} or {"get": "/files/images/I1"}'
    parser.add_argument("file", metavar="FILE", type=Path, help=text)
    parser.add_argument(
        "--rate", metavar="N", type=_positive, default=50.0, help="calls a second at most (default: 50)"
    )
    text = "calls under way at most (default: 4, at most 64)"
    parser.add_argument("--concurrency", metavar="N", type=_few, default=4, help=text)
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=_positive, default=300.0, help="for a call (default: 300)"
    )
    text = "go on where the last run ended, by FILE.progress; what failed is asked for again"
    parser.add_argument("--resume", action="store_true", help=text)
    text = "the callers' address, for `get` lines (default: `listen` of the settings file)"
    parser.add_argument("--gate", metavar="URL", help=text)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def _few(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text[:3]) <= 64):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 to 64")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """0 when every reply is there, 1 when some are not, 2 for a file that cannot be used, 130 when interrupted."""
    try:
        problems, has_gets = problems_of(args.file)
        if problems:
            return _misused(*problems)
        progress = Progress.of(args.file, resume=args.resume)
        made = callers(args, args.concurrency, with_gate=has_gets)
    except (ValueError, OSError) as error:
        return _misused(
            f"{args.file} cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
        )
    except NoAnswerError as error:
        print(f"labgated cache: {error}", file=sys.stderr)
        return 1
    if made is None:
        return 1
    return _Run(args, progress, made).whole()


def _misused(*problems: str) -> int:
    for problem in problems:
        print(f"labgated cache: {problem}", file=sys.stderr)
    return 2


class Pace:
    """How long to wait before the next call, so that there are at most `rate` of them in any second."""

    def __init__(self, rate: float) -> None:
        self._gap = 1 / rate
        self._next = -math.inf

    def wait(self, now: float) -> float:
        """The seconds to wait at `now`, on a monotonic clock, before one more call."""
        at = max(self._next, now)
        self._next = at + self._gap
        return at - now


class _Run:
    """One run: threads that call, a main thread that hands out lines at the rate that is asked for."""

    def __init__(self, args: argparse.Namespace, progress: Progress, made: list[Caller]) -> None:
        self._file: Path = args.file
        self._pace = Pace(args.rate)
        self._progress = progress
        self._callers = made
        self._lines: queue.Queue[Wanted | None] = queue.Queue(maxsize=1)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._why: str | None = None
        self._ends: Counter[str] = Counter()
        self._reasons: dict[str, Counter[str]] = {"not kept": Counter(), "failed": Counter()}
        self._first: dict[str, int] = {}

    def whole(self) -> int:
        """Do it, and say what came of it; the exit status."""
        threads = [threading.Thread(target=self._work, args=(one,), daemon=True) for one in self._callers]
        for thread in threads:
            thread.start()
        interrupted = False
        try:
            self._hand_out(threads)
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            interrupted = True
            self._leave(threads)
        with self._lock:
            unfinished = interrupted or self._why is not None or self._ends["failed"] > 0
            self._progress.end(keep=unfinished)
            print("\n".join(self._summary(interrupted=interrupted)))
        if self._why is not None:
            print(f"labgated cache: {self._why}", file=sys.stderr)
        return 130 if interrupted else 1 if unfinished else 0

    def _hand_out(self, threads: list[threading.Thread]) -> None:
        for line in wanted(self._file, self._progress):
            # Waiting for a stop ends at once when there is one.
            if self._stop.wait(self._pace.wait(time.monotonic())) or not self._put(line):
                break
        for _ in threads:
            if not self._put(None):
                break

    def _put(self, line: Wanted | None) -> bool:
        """Hand a line to whichever thread is free; False where there is nothing to be done any more."""
        while not self._stop.is_set():
            try:
                self._lines.put(line, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def _leave(self, threads: list[threading.Thread]) -> None:
        """End soon: calls under way have a moment, then their connections are closed."""
        self._stop.set()
        for hurry in (False, True):
            if hurry:
                for caller in self._callers:
                    caller.cut()
            end = time.monotonic() + _LEAVE_SECONDS
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))

    def _work(self, caller: Caller) -> None:
        try:
            self._call_all(caller)
        except Exception:
            # Nobody would take the lines any more that are handed out.
            self._why = "it ended by a mistake of its own"
            self._stop.set()
            raise
        finally:
            caller.close()

    def _call_all(self, caller: Caller) -> None:
        while not self._stop.is_set():
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                continue
            if line is None:
                return
            try:
                outcome = caller.call(line)
            except StoppedError as error:
                # What was interrupted by ourselves is asked for by the next run.
                if not self._stop.is_set():
                    self._why = str(error)
                self._stop.set()
                return
            with self._lock:
                self._note(line, outcome)

    def _note(self, line: Wanted, outcome: Outcome) -> None:
        self._ends[outcome.end] += 1
        if outcome.end in self._reasons:
            self._reasons[outcome.end][outcome.why] += 1
            self._first.setdefault(outcome.why, line.number)
        self._progress.done(line.number, failed=outcome.end == "failed")
        if sum(self._ends.values()) % _SAVE_EVERY == 0:
            self._progress.save()

    def _summary(self, *, interrupted: bool) -> Iterator[str]:
        ends = self._ends
        yield (
            f"{sum(ends.values())} asked for: {ends['stored']} stored, {ends['hit']} were there, "
            f"{ends['not kept']} not kept, {ends['failed']} failed"
        )
        for end, reasons in self._reasons.items():
            for why, count in reasons.most_common(_MOST_TOLD):
                yield f"{end}: {count} x {why} (line {self._first[why]})"
            if len(reasons) > _MOST_TOLD:
                yield f"{end}: {len(reasons) - _MOST_TOLD} more reasons"
        if interrupted or self._why is not None:
            yield "it was not ended: --resume goes on from here"
        elif ends["failed"]:
            yield "--resume asks again for what failed"
