"""Which steps does the path of a request have, and does a glob of a policy mean it?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from msgspec import Struct

from gateway.core.faults import BadRequest

Steps = tuple[bytes, ...]
"""The steps of a path, each decoded once; the last one is empty where the path ends in a slash."""

ANY: Final = b"*"
"""The target of an OPTIONS that asks about the server as a whole (RFC 9110 section 9.3.7)."""

_plain = re.compile(rb"(?:/[A-Za-z0-9_~!$&'()*+,=:@-][A-Za-z0-9._~!$&'()*+,=:@-]*)+/?").fullmatch
"""A path in which nothing has to be looked at twice."""
_escape = re.compile(rb"%([0-9A-Fa-f]{2})?")
_unfit = re.compile(rb"[\x00-\x1f\x7f\\]").search


class Located(Struct, frozen=True, gc=False):
    """A request's target in its parts: the path as it was sent, its steps, and `?query` or nothing."""

    path: bytes
    steps: Steps
    query: bytes


def located(target: bytes, *, encoded_slash: bool = False) -> Located:
    """The parts of a target in origin or absolute form (RFC 9112 section 3.2).

    Raises `BadRequest` for a path that two servers could read differently: with dot steps, controls, backslashes, broken
    escapes, or an encoded slash (unless `encoded_slash`), however these are spelled.
    """
    if target == ANY:
        raise BadRequest("OPTIONS * asks about the gate itself: name a path.")
    if not target.startswith(b"/"):
        # `examine` has seen to it that the authority is the Host's.
        scheme, _, rest = target.partition(b"://")
        slash = rest.find(b"/") if scheme.lower() in (b"http", b"https") else -1
        mark = rest.find(b"?")
        if slash < 0 or 0 <= mark < slash:
            target = b"/" + rest[mark:] if mark >= 0 else b"/"
        else:
            target = rest[slash:]
    mark = target.find(b"?")
    path, query = (target, b"") if mark < 0 else (target[:mark], target[mark:])
    return Located(path, steps(path, encoded_slash=encoded_slash), query)


def steps(path: bytes, *, encoded_slash: bool = False) -> Steps:
    """The steps of a path that begins with a slash; empty ones but the last are left out. Raises `BadRequest`."""
    plain = plain_steps(path)
    if plain is not None:
        return plain
    *inner, last = path.split(b"/")[1:]
    return tuple(_step(one, encoded_slash) for one in (*filter(None, inner), last))


def plain_steps(path: bytes) -> Steps | None:
    """The steps of a path, or of the rest of one, in which nothing is escaped, empty or special; None for others."""
    return tuple(path.split(b"/")[1:]) if _plain(path) else None


def _step(written: bytes, encoded_slash: bool) -> bytes:
    step = _escape.sub(_decoded, written) if b"%" in written else written
    if _unfit(step) or b"#" in written:
        raise BadRequest(
            "The path holds a control character, a backslash or a bare #, which no path may hold."
        )
    if b"/" in step and not encoded_slash:
        raise BadRequest(
            "The path holds an encoded slash (%2F), which servers read differently; where the service needs it, its "
            "setting `encoded_slash: true` lets it through."
        )
    for part in step.split(b"/") if encoded_slash else (step,):
        # Some servers cut parameters off before they look at dots.
        if part.partition(b";")[0] in (b".", b".."):
            raise BadRequest("The path holds a step `.` or `..`: send the path that is meant.")
    return step


def _decoded(escape: re.Match[bytes]) -> bytes:
    if escape[1] is None:
        raise BadRequest("The path holds a % that is no escape: write it as %25.")
    return bytes((int(escape[1], 16),))


def rest_of(path: bytes, count: int) -> bytes:
    """What follows the first `count` steps in a path, as it was sent."""
    at = 0
    for _ in range(count):
        while path[at : at + 1] == b"/":
            at += 1
        at = path.find(b"/", at)
        if at < 0:
            return b""
    return path[at:]


def text_of(found: Sequence[bytes]) -> str:
    """Steps as a path for people, in messages and logs."""
    return "/" + "/".join(one.decode("utf-8", "replace") for one in found)


# --- globs -------------------------------------------------------------------------------------------------

_ANY: Final = None


class PathGlob(Struct, frozen=True):
    """A glob over paths, as policies write it: `GET /files/**`.

    `*` is any part of one step, `**` any number of steps, none too; without a verb every verb is meant, and GET means
    HEAD too.
    """

    verb: str | None
    steps: tuple[re.Pattern[bytes] | None, ...]

    def matches(self, verb: str, path: Steps) -> bool:
        """Whether it means a request of this verb for this path."""
        if self.verb is not None and verb != self.verb and (self.verb, verb) != ("GET", "HEAD"):
            return False
        return _match(self.steps, path)


@lru_cache(4096)
def path_glob(written: str) -> PathGlob:
    """The glob that is written so."""
    verb, _, path = written.partition("/")
    *inner, last = path.split("/")
    parts = (*filter(None, inner), last)
    return PathGlob(verb.rstrip() or None, tuple(_ANY if part == "**" else _pattern(part) for part in parts))


def _pattern(part: str) -> re.Pattern[bytes]:
    first, *others = (re.escape(one.encode()) for one in part.split("*"))
    # Each piece is found once, at its first place, but for the last: no time grows with the number of stars.
    *middle, last = others or [b""]
    body = first + b"".join(b"(?>(?s:.)*?%b)" % one for one in middle if one)
    return re.compile(body + (b"(?s:.)*" + last if others else b""))


def _match(pattern: Sequence[re.Pattern[bytes] | None], path: Steps) -> bool:
    """Whether all steps match; of several `**` only the last one is ever tried at further places."""
    at = position = 0
    star = mark = -1
    while position < len(path):
        want = pattern[at] if at < len(pattern) else _ANY
        if at < len(pattern) and want is _ANY:
            star, mark = at, position
            at += 1
        elif want is not _ANY and want.fullmatch(path[position]):
            at += 1
            position += 1
        elif star >= 0:
            mark += 1
            at, position = star + 1, mark
        else:
            return False
    return all(want is _ANY for want in pattern[at:])
