"""How does the gate write its log?"""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from select import PIPE_BUF
from typing import BinaryIO, Literal

import orjson

from gateway.core.audit import REFUSED
from gateway.core.ports import Visit

slow = logging.getLogger("labgate.slow")

Style = Literal["json", "text", "off"]

_HALF = 0.0005
"""Of a microsecond, in milliseconds: 1.001 s is a little less, times 1000."""
_MOST_ALIKE, _LONGEST_ALIKE = 1024, 1024
_MOMENT = 0.05
_MOST_WAITING = 128


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; an exception's story goes into `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if request_id := getattr(record, "request_id", None):
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure(style: Style, level: int = logging.INFO) -> None:
    """Send the gate's log to stderr; stdout is for what a command was asked for."""
    handler = logging.StreamHandler(sys.stderr)
    if style == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def access_log(style: Style, stream: BinaryIO) -> AccessLog | None:
    """Who writes a line for each request; None for nobody."""
    return None if style == "off" else AccessLog(style, stream)


class AccessLog:
    """A line for each request: those of a moment are written together, which is all that a process that is killed loses."""

    def __init__(self, style: Literal["json", "text"], stream: BinaryIO) -> None:
        self._line = self._as_json if style == "json" else self._as_text
        self._stream = stream
        self._waiting: list[tuple[Visit, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._second = -1
        self._date = ""
        self._alike: dict[object, str] = {}

    def __call__(self, visit: Visit, now: float) -> None:
        """Write down a request that ended at `now`, in seconds since 1970; nobody changes the visit any more."""
        waiting = self._waiting
        waiting.append((visit, now))
        if len(waiting) == 1:
            self._timer = asyncio.get_running_loop().call_later(_MOMENT, self.flush)
        elif len(waiting) >= _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what is there: whole lines, so many at once that a pipe does not mix them with other workers'."""
        if self._timer is not None:
            self._timer.cancel()
        waiting, self._waiting = self._waiting, []
        pieces: list[bytes] = []
        size = 0
        with suppress(OSError):  # whoever reads it has gone: there is nowhere to say so
            for visit, now in waiting:
                line = self._line(visit, now)
                size += len(line)
                if size > PIPE_BUF and pieces:
                    self._put(pieces)
                    pieces, size = [], len(line)
                pieces.append(line)
            self._put(pieces)

    def _put(self, lines: list[bytes]) -> None:
        self._stream.write(b"".join(lines))
        self._stream.flush()

    def _as_text(self, visit: Visit, now: float) -> bytes:
        fields = {
            "time": self._told(now),
            "request_id": visit.id,
            "ms": round(visit.seconds * 1000, 2),
            "bytes": visit.size,
            **_alike(visit),
        }
        line = " ".join(f"{name}={_plain(value)}" for name, value in fields.items())
        return line.encode("utf-8", "backslashreplace") + b"\n"

    def _as_json(self, visit: Visit, now: float) -> bytes:
        # What a request has in common with one before, which is most of its line, is written once.
        place = (
            visit.path,
            visit.status,
            visit.peer,
            visit.subject,
            visit.method,
            visit.cache,
            visit.reason,
            visit.entries,
            visit.verb,
            visit.door,
            visit.fault,
            visit.replica,
            visit.trace,
        )
        alike = self._alike.get(place)
        if alike is None:
            if len(self._alike) >= _MOST_ALIKE:
                self._alike.clear()
            alike = orjson.dumps(_alike(visit)).decode()[1:]
            if len(alike) <= _LONGEST_ALIKE:
                self._alike[place] = alike
        own = f'"request_id":"{visit.id}","ms":{visit.seconds * 1000:.2f},"bytes":{visit.size}'
        return f'{{"time":"{self._told(now)}",{own},{alike}\n'.encode()

    def _told(self, now: float) -> str:
        """The moment, by RFC 3339; the date and the second are told again only when they change."""
        second, thousandths = divmod(int(now * 1000 + _HALF), 1000)
        if second != self._second:
            self._second = second
            self._date = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._date}{thousandths:03}+00:00"


def _alike(visit: Visit) -> dict[str, object]:
    """What a request may have in common with others: all but its id, its moment, how long it took and was."""
    said = {
        "door": visit.door,
        "verb": visit.verb,
        "path": visit.path,
        "status": visit.status,
        "peer": visit.peer,
        "subject": visit.subject,
        "method": visit.method,
        "entries": visit.entries or None,
        "fault": visit.fault,
        "cache": visit.cache,
        "reason": visit.reason,
        "policy": _policy(visit),
        "replica": visit.replica,
        "trace": visit.trace,
    }
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in said.items()
        if value is not None
    }


def _policy(visit: Visit) -> str | None:
    """What the policies said: None where nobody got as far as to be judged by them."""
    if visit.fault in REFUSED:
        return "refused"
    return None if visit.subject is None else "allowed"


def told_slow(visit: Visit, waited: float) -> None:
    """Tell of a request whose answer took long to begin."""
    what = f"{_plain(visit.verb)} {_plain(visit.path)}" if visit.method is None else _plain(visit.method)
    whose = "" if visit.replica is None else f" at {visit.replica}"
    slow.warning(
        "%s took %.2f s%s: %s, %s",
        what,
        waited,
        whose,
        visit.fault or visit.status,
        visit.cache or "no cache",
        extra={"request_id": visit.id},
    )


def _plain(value: object) -> str:
    """The value on one line, whatever it holds: a name must not be able to write a line of its own."""
    text = str(value)
    return text if text.isprintable() and " " not in text else ascii(text)
