"""How does the head of a reply look that is passed on through a mount?"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from gateway.core.cache_status import age, cache_status
from gateway.core.heads import AnswerHead
from gateway.core.http_fields import without
from gateway.core.passing import of_reply
from gateway.core.reply import Reply, Whole
from gateway.core.verdict import Pass, Verdict
from gateway.wire.written import passed_head

_LENGTH: Final = frozenset((b"content-length",))
_UPGRADE: Final = (b"Connection", b"Upgrade")


def reply_head(
    head: AnswerHead,
    moved: Callable[[bytes, bytes], bytes | None],
    added: bytes,
    date: Callable[[], bytes],
) -> bytes:
    """The head for the caller, without framing and the empty line.

    Where nothing of an upstream's fields ends here or leads elsewhere, their lines pass as they are. `moved` is
    `of_reply`'s, `added` are lines of the gate's. A 204 has no Content-Length, whatever it said (RFC 9110 section 8.6).
    """
    if head.status == 204 and head.traits.has_length:
        head = AnswerHead(204, head.reason, without(head.fields, _LENGTH))
    lines = head.passing_lines()
    if lines is not None:
        dated = b"" if head.traits.is_dated else date()
        return b"HTTP/1.1 %d %b\r\n%b%b%b" % (head.status, head.reason, lines, dated, added)
    kept = of_reply(head.fields, moved, upgrades=head.status == 101)
    if head.status == 101:
        kept.append(_UPGRADE)
    return passed_head(head.status, head.reason, tuple(kept), date()) + added


def status_lines(verdict: Verdict, wall: Callable[[], float]) -> bytes:
    """What the cache did (RFC 9211)."""
    return _passed(verdict) if isinstance(verdict, Pass) else _told(verdict, wall())


@lru_cache(256)
def _passed(verdict: Pass) -> bytes:
    """The line for a reason to pass: there are a handful of them."""
    return _told(verdict, 0.0)


def _told(verdict: Verdict, now: float) -> bytes:
    reply = Reply("http", Whole(b""), verdict)
    line = b"Cache-Status: %b\r\n" % cache_status(reply, now).encode()
    return line if (seconds := age(reply, now)) is None else line + b"Age: %d\r\n" % seconds
