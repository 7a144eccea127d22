"""How does the gate write its log?"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import BinaryIO, Literal

import orjson

from gateway.core.audit import REFUSED
from gateway.core.ports import Visit

slow = logging.getLogger("labgate.slow")

Style = Literal["json", "text", "off"]


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


def access_log(style: Style, stream: BinaryIO) -> Callable[[Visit, float], None]:
    """A function that writes a line for each request; `now` is in seconds since 1970."""

    def as_json(visit: Visit, now: float) -> None:
        stream.write(orjson.dumps(_fields(visit, now), option=orjson.OPT_APPEND_NEWLINE))
        stream.flush()

    def as_text(visit: Visit, now: float) -> None:
        fields = " ".join(f"{name}={_plain(value)}" for name, value in _fields(visit, now).items())
        stream.write(fields.encode("utf-8", "backslashreplace") + b"\n")
        stream.flush()

    return {"json": as_json, "text": as_text, "off": _silence}[style]


def _silence(visit: Visit, now: float) -> None:
    """Write nothing."""


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


def _policy(visit: Visit) -> str | None:
    """What the policies said: None where nobody got as far as to be judged by them."""
    if visit.fault in REFUSED:
        return "refused"
    return None if visit.subject is None else "allowed"


def _plain(value: object) -> str:
    """The value on one line, whatever it holds: a name must not be able to write a line of its own."""
    text = str(value)
    return text if text.isprintable() and " " not in text else ascii(text)


def _fields(visit: Visit, now: float) -> dict[str, object]:
    fields: dict[str, object] = {
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
        "request_id": visit.id,
        "door": visit.door,
        "verb": visit.verb,
        "path": visit.path.encode("utf-8", "backslashreplace").decode(),
        "status": visit.status,
        "ms": round(visit.seconds * 1000, 2),
        "bytes": visit.size,
        "peer": visit.peer,
    }
    optional = {
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
    return fields | {name: value for name, value in optional.items() if value is not None}
