"""What do header fields say of a reply, and what did the caller's say of one they have?"""

from __future__ import annotations

from aiohttp import web

from gateway.core.cache_status import age, cache_status
from gateway.core.reply import Fields, Reply


def of_reply(reply: Reply, now: float, *, aged: bool = True) -> Fields:
    """What the cache did (RFC 9211), and what the service said beside; with `aged`, the reply's age."""
    fields = [(b"Cache-Status", cache_status(reply, now).encode())]
    if aged and (seconds := age(reply, now)) is not None:
        fields.append((b"Age", b"%d" % seconds))
    if reply.notices:
        fields += [(b"Warning", notice) for notice in reply.notices]
    return tuple(fields)


def has(request: web.BaseRequest, tag: str) -> bool:
    """Whether `If-None-Match` names this tag; comparison is weak (RFC 9110 section 8.8.3.2)."""
    given = request.headers.getall("If-None-Match", [])
    candidates = [one.strip().removeprefix("W/") for field in given for one in field.split(",")]
    return tag in candidates or "*" in candidates
