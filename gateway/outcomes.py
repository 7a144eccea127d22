"""What came of a call that may change something, for its repetition: it runs once, and both get the same answer."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.core.faults import DeadlineExceeded, TooLarge
from gateway.core.verdict import HttpHead

log = logging.getLogger("labgate.outcomes")

KEPT: Final = 60.0
"""Seconds that an outcome is kept after the call has ended."""
MOST: Final = 1024
"""Outcomes that are kept at once."""
LARGEST: Final = 1 << 20
"""Bytes of an answer that is kept."""
MOST_BYTES: Final = 16 << 20
"""Bytes of all answers that are kept."""
_LOOK: Final = 0.05
"""Seconds from one look for what another worker does to the next."""
_STALE: Final = 3600.0


class Outcome:
    """One call, under way or ended: `answer` is its HTTP answer, None where it is not known."""

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.ended = asyncio.Event()
        self.answer: tuple[HttpHead, bytes] | None = None
        self.until = float("inf")

    @property
    def size(self) -> int:
        """The bytes of the answer."""
        return 0 if self.answer is None else len(self.answer[1])


class Outcomes:
    """The calls under way that may be repeated, and what came of those that ended a moment ago.

    With a folder, other processes of this host that are given the same one know of them too. What cannot be written there is
    known here alone.
    """

    def __init__(
        self, monotonic: Callable[[], float], wall: Callable[[], float], folder: Path | None = None
    ) -> None:
        self.joined = 0
        """Repetitions so far that were answered with what came of the first call."""
        self._monotonic = monotonic
        self._wall = wall
        self._folder = folder
        self._known: OrderedDict[bytes, Outcome] = OrderedDict()
        self._size = 0
        if folder is not None:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._sweep(folder)
            except OSError as error:
                log.warning("repeated calls are known to one worker only: %s", error.strerror)
                self._folder = None

    def begin(self, key: bytes) -> Outcome | None:
        """A call sets out; None if it repeats one that is known: see `join`."""
        self._forget()
        if key in self._known or not self._claim(key):
            return None
        outcome = self._known[key] = Outcome(key)
        return outcome

    async def join(self, key: bytes, deadline: float) -> tuple[HttpHead, bytes]:
        """The answer of the first call, when it has come; `deadline` is on the event loop's clock.

        Raises `DeadlineExceeded`, and `TooLarge` where the answer was not kept.
        """
        self.joined += 1
        outcome = self._known.get(key)
        if outcome is None:
            return await self._from_others(key, deadline)
        try:
            async with asyncio.timeout_at(deadline):
                await outcome.ended.wait()
        except TimeoutError:
            raise _over() from None
        if outcome.answer is None:
            raise _unknown()
        return outcome.answer

    def end(self, outcome: Outcome, head: HttpHead, body: bytes | None) -> None:
        """The call has ended so; None for a body that is too large to be kept."""
        outcome.answer = None if body is None or len(body) > LARGEST else (head, body)
        outcome.until = self._monotonic() + KEPT
        self._size += outcome.size
        self._known.move_to_end(outcome.key)
        outcome.ended.set()
        self._tell(outcome)
        self._forget()

    def never_ran(self, outcome: Outcome) -> None:
        """The call did not reach the service: whoever repeats it begins anew."""
        self._known.pop(outcome.key, None)
        if self._folder is not None:
            self._file(outcome.key).unlink(missing_ok=True)
        outcome.until = 0.0
        outcome.ended.set()

    def _forget(self) -> None:
        now = self._monotonic()
        while True:
            # In the order in which they ended: those under way stand between, and stay.
            oldest = next((one for one in self._known.values() if one.until < float("inf")), None)
            if oldest is None:
                return
            if now < oldest.until and len(self._known) <= MOST and self._size <= MOST_BYTES:
                return
            del self._known[oldest.key]
            self._size -= oldest.size
            if self._folder is not None:
                self._file(oldest.key).unlink(missing_ok=True)

    # --- between processes

    def _file(self, key: bytes) -> Path:
        assert self._folder is not None  # noqa: S101 - asked only where there is one
        return self._folder / key.hex()

    def _claim(self, key: bytes) -> bool:
        """Whether no other process has begun the same call."""
        if self._folder is None:
            return True
        try:
            os.close(os.open(self._file(key), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        except OSError as error:
            log.warning("a repeated call would be known to one worker only: %s", error.strerror)
        return True

    def _tell(self, outcome: Outcome) -> None:
        if self._folder is None:
            return
        file = self._file(outcome.key)
        beside = file.with_suffix(".new")
        try:
            beside.write_bytes(_written(outcome.answer))
            beside.replace(file)
        except OSError as error:
            log.warning("another worker will not know what came of a call: %s", error.strerror)

    async def _from_others(self, key: bytes, deadline: float) -> tuple[HttpHead, bytes]:
        loop = asyncio.get_running_loop()
        while True:
            try:
                text = self._file(key).read_bytes()
            except OSError:
                raise _unknown() from None
            if text:
                found = _read(text)
                if found is None:
                    raise _unknown()
                return found
            if loop.time() + _LOOK > deadline:
                raise _over()
            await asyncio.sleep(_LOOK)

    def _sweep(self, folder: Path) -> None:
        """Forget what processes that have ended left behind."""
        for file in folder.iterdir():
            if self._wall() - file.stat().st_mtime > _STALE:
                file.unlink(missing_ok=True)


def _over() -> DeadlineExceeded:
    return DeadlineExceeded(
        "The same call is under way, and did not end within the time.", maybe_executed=True
    )


def _unknown() -> TooLarge:
    return TooLarge(
        "The same call was made a moment ago, and its answer was not kept: look whether it had its effect, and call with a new "
        "id if not.",
        maybe_executed=True,
    )


def _written(answer: tuple[HttpHead, bytes] | None) -> bytes:
    if answer is None:
        return b"null\n"
    head, body = answer
    fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in head.fields]
    said = [head.status, head.reason.decode("latin-1"), fields]
    return json.dumps(said).encode() + b"\n" + body


def _read(text: bytes) -> tuple[HttpHead, bytes] | None:
    line, _, body = text.partition(b"\n")
    said = json.loads(line)
    if said is None:
        return None
    status, reason, fields = said
    made = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields)
    return HttpHead(status, reason.encode("latin-1"), made), body
