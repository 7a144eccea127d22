"""What does a scripted gate answer to plain HTTP below its services?"""

from __future__ import annotations

import hashlib
import inspect
import re
from urllib.parse import urlsplit

from labgate.testing._serving import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from labgate._codec import Encoder
    from labgate.testing._serving import Asked

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def is_path(name: str) -> bool:
    """Whether an entry of a service is a path of its HTTP rather than a method."""
    return name.startswith("/")


def answered(paths: Mapping[str, Any], asked: Asked, encoder: Encoder) -> Reply | None:
    """The reply to a request; files answer parts of themselves, so that downloads can go on (RFC 9110 section 14)."""
    path = urlsplit(asked.target).path
    if path not in paths:
        return Reply(404, b"nothing is at this path of the scripted gate", {"Content-Type": "text/plain"})
    answer = paths[path]
    if callable(answer):
        answer = answer(asked) if inspect.signature(answer).parameters else answer()
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, (bytes, bytearray)):
        body, kind = bytes(answer), "application/octet-stream"
    elif isinstance(answer, str):
        body, kind = answer.encode(), "text/plain; charset=utf-8"
    else:
        body, kind = encoder.encode_json(answer), "application/json"
    fields = {
        "Content-Type": kind,
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:16]}"',
        "Accept-Ranges": "bytes",
    }
    part = _RANGE.fullmatch(asked.fields.get("range", "")) if asked.verb == "GET" else None
    same = asked.fields.get("if-range") in (None, fields["ETag"])
    if part is None or not same:
        return Reply(200, body, fields)
    first, last = int(part[1]), min(int(part[2] or len(body) - 1), len(body) - 1)
    if first > last:
        return Reply(416, b"", {**fields, "Content-Range": f"bytes */{len(body)}"})
    fields["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return Reply(206, body[first : last + 1], fields)
