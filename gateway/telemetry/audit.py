"""How is the audit log written? By a thread, a line at a time, to a file that may be moved away at any moment."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final

import orjson

from gateway.core.audit import Record
from gateway.core.faults import Unavailable

log = logging.getLogger("labgate.audit")

MOST_WAITING: Final = 10_000
"""Records that may wait to be written; more are lost, and counted."""
_LOOK: Final = 1.0
"""Seconds from one look whether the file is still where it was to the next."""
_STDERR: Final = 2


class AuditLog:
    """Lines of JSON; several processes may append to one file."""

    def __init__(
        self,
        file: Path | None,
        *,
        required: bool = False,
        names_params: bool = False,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        most: int = MOST_WAITING,
        again: float = 1.0,
    ) -> None:
        """`file` None is stderr. With `required` no write is let through that could not be written down.

        `wall` tells seconds since 1970, `monotonic` those of any clock that is never set. What could not be written is tried
        `again` after so many seconds.
        """
        self._again = again
        self.names_params = names_params
        self.written = self.lost = 0
        """Records so far; those that were lost because nobody could write them in time."""
        self.trouble = ""
        """Why nothing can be written at present."""
        self._file = file
        self._required = required
        self._wall = wall
        self._monotonic = monotonic
        self._most = most
        self._queue: SimpleQueue[tuple[Record, float] | None] = SimpleQueue()
        self._ending = Event()
        self._handle = _STDERR if file is None else -1
        self._looked_at = -inf
        self._torn = False
        self._told_lost = 0
        self._thread = Thread(target=self._run, name="audit", daemon=True)

    def start(self) -> None:
        """Open the file, and write from now on."""
        try:
            self._open()
        except OSError as error:
            self._cannot(error)
        self._thread.start()

    # --- what is asked from the event loop

    def write(self, record: Record) -> None:
        """Have it written, without waiting."""
        if self._queue.qsize() >= self._most:
            self.lost += 1
        else:
            self._queue.put((record, self._wall()))

    def check(self) -> None:
        """Refuse a write that could not be written down, where that is not to be. Raises `Unavailable`."""
        if self._required and (self.trouble or self._queue.qsize() > self._most // 2):
            raise Unavailable(
                f"What may change something is refused: the audit log cannot be written "
                f"({self.trouble or 'too much waits for the disk'}). Whoever runs the gate has to make room for it.",
                retry_after=5,
            )

    @property
    def waiting(self) -> int:
        """Records that are not written yet."""
        return self._queue.qsize()

    def events(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """The counts, for metrics."""
        yield ("written",), float(self.written)
        yield ("lost",), float(self.lost)

    def close(self, patience: float = 5.0) -> None:
        """Write what waits, for at most so many seconds."""
        self._ending.set()
        self._queue.put(None)
        self._thread.join(patience)
        if self._queue.qsize():
            log.error("%d audit records were not written", self._queue.qsize())
        if self._handle > _STDERR and not self._thread.is_alive():
            os.close(self._handle)
            self._handle = -1

    # --- the thread

    def _run(self) -> None:
        while (found := self._next()) is not None:
            line = _line(*found)
            while not self._put(line):
                if self._ending.wait(self._again):
                    self.lost += 1  # whoever runs the gate has been told why
                    break
            else:
                self.written += 1
                self._tell_lost()

    def _next(self) -> tuple[Record, float] | None:
        """The next record; until it comes, see whether a log that could not be opened can be."""
        while True:
            try:
                return self._queue.get(timeout=self._again if self.trouble else None)
            except Empty:
                try:
                    self._look()
                except OSError as error:
                    self._cannot(error)
                else:
                    self._can()

    def _tell_lost(self) -> None:
        """Say in the log itself how much of it is missing."""
        lost = self.lost
        if lost > self._told_lost:
            said = {"time": _moment(self._wall()), "kind": "lost", "records": lost - self._told_lost}
            if self._put(orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)):
                self._told_lost = lost

    def _put(self, line: bytes) -> bool:
        """Whether the line was written. What a full disk has torn is ended before the next."""
        try:
            self._look()
            data = b"\n" + line if self._torn else line
            done = os.write(self._handle, data)
            self._torn = done < len(data)
            if self._torn:
                return False
        except OSError as error:
            self._cannot(error)
            return False
        self._can()
        return True

    def _look(self) -> None:
        """Go on in a new file where the old one was moved away. Raises OSError."""
        if self._file is None:
            return
        now = self._monotonic()
        if self._handle >= 0 and now - self._looked_at < _LOOK:
            return
        self._looked_at = now
        if self._handle >= 0:
            here = os.fstat(self._handle)
            try:
                there = self._path.stat()
            except FileNotFoundError:
                there = None
            if there is not None and (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                return
            os.close(self._handle)
            self._handle = -1
            self._torn = False
        self._open()

    @property
    def _path(self) -> Path:
        assert self._file is not None  # noqa: S101 - asked only where there is one
        return self._file

    def _open(self) -> None:
        if self._file is not None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._handle = os.open(self._path, flags, 0o600)

    def _can(self) -> None:
        if self.trouble:
            log.warning("the audit log can be written again")
            self.trouble = ""

    def _cannot(self, error: OSError) -> None:
        self._looked_at = -inf
        if not self.trouble:
            consequence = (
                "writes are refused until it can" if self._required else "records wait, then are lost"
            )
            log.error(
                "the audit log %s cannot be written: %s; %s",
                self._file or "stderr",
                error.strerror,
                consequence,
            )
        self.trouble = error.strerror or type(error).__name__


def _line(record: Record, now: float) -> bytes:
    principal = record.principal
    fields: dict[str, object] = {
        "time": _moment(now),
        "kind": record.kind,
        "request_id": record.id,
        "subject": None if principal is None else principal.subject,
        "issuer": None if principal is None else principal.issuer,
        "client": record.client,
        "outcome": record.outcome,
    }
    optional: dict[str, object] = {
        "groups": list(principal.groups) if principal is not None else None,
        "token_id": principal.token_id if principal is not None else None,
        "method": record.method,
        "request": record.request,
        "service": record.service,
        "status": record.status,
        "code": record.code,
        "params": list(record.params),
    }
    fields |= {name: value for name, value in optional.items() if value not in (None, [])}
    if record.kind == "write":
        fields |= {"ms": round(record.seconds * 1000, 2), "bytes": record.size}
        if not record.heard:
            fields["caller_gone"] = True
    try:
        return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a lone surrogate in a name that the caller sent
        sayable = {name: _sayable(value) for name, value in fields.items()}
        return orjson.dumps(sayable, option=orjson.OPT_APPEND_NEWLINE)


def _sayable(value: object) -> object:
    if isinstance(value, list):
        return [_sayable(one) for one in value]
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _moment(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
