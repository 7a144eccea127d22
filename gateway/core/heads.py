"""What does the head of an upstream's answer say, as it was sent?"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

from gateway.core.cache_control import reply_control, why_forbidden
from gateway.core.passing import NOT_FOR_CALLERS, WITH_A_PLACE
from gateway.core.reply import Fields

_FRESHNESS: Final = frozenset((b"cache-control", b"cdn-cache-control", b"expires"))
_SPECIAL: Final = NOT_FOR_CALLERS | WITH_A_PLACE | _FRESHNESS | {b"content-length", b"date", b"x-request-id"}
_special_names = re.compile(rb"\n(%b):" % b"|".join(map(re.escape, sorted(_SPECIAL)))).findall
_field = re.compile(rb"([^:\r\n]+):[ \t]*([^\r]*)\r\n").findall
_connection = re.compile(rb"\nconnection:[ \t]*(keep-alive|close)\r\n").search

BODILESS_STATUSES: Final = (204, 304)
"""Statuses whose answers have no body, whatever was asked (RFC 9110 section 6.4.1)."""


class Traits(Struct, frozen=True):
    """What the names of the fields say of a head.

    `is_framed` = there is one Content-Length, and nothing else frames the body, changes the protocol or says a second
    time whether the connection stays. `passes` = every field but one Connection goes to callers as it is. `is_dated` and `has_id` = it has a Date, and an X-Request-Id. `says_freshness` =
    some field says for how long it holds.
    """

    is_framed: bool
    passes: bool
    has_connection: bool
    has_length: bool
    is_dated: bool
    has_id: bool
    says_freshness: bool


@lru_cache(4096)
def _traits(special: tuple[bytes, ...]) -> Traits:
    names = frozenset(special)
    ends_here = names & (NOT_FOR_CALLERS | WITH_A_PLACE)
    return Traits(
        is_framed=special.count(b"content-length") == 1
        and special.count(b"connection") <= 1
        and names.isdisjoint((b"transfer-encoding", b"upgrade", b"proxy-connection")),
        passes=ends_here <= {b"connection"} and special.count(b"connection") <= 1,
        has_connection=b"connection" in names,
        has_length=b"content-length" in names,
        is_dated=b"date" in names,
        has_id=b"x-request-id" in names,
        says_freshness=not names.isdisjoint(_FRESHNESS),
    )


class AnswerHead:
    """Status, reason phrase and fields; `lines` are the lines of the fields, None where they are not at hand.

    Either the fields or their lines are given: the fields are made of the lines when they are asked for.
    """

    __slots__ = (
        "_connection",
        "_fields",
        "_forbids",
        "_ready",
        "lines",
        "lower",
        "reason",
        "status",
        "traits",
    )

    def __init__(
        self, status: int, reason: bytes, fields: Fields | None = None, lines: bytes | None = None
    ) -> None:
        self.status = status
        self.reason = reason
        self.lines = lines
        self._fields = fields
        self._ready: bytes | None = None
        self._forbids: str | None = None
        self._connection: re.Match[bytes] | None = None
        if lines is None:
            self.lower = b""
            names = [name.lower() for name, _ in fields or ()]
            self.traits = _traits(tuple([name for name in names if name in _SPECIAL]))
            return
        self.lower = lower = b"\n" + lines.lower()
        """The lines in lower case, a line break before the first."""
        self.traits = traits = _traits(tuple(_special_names(lower)))
        """What the fields' names say."""
        if traits.has_connection:
            self._connection = _connection(lower)

    @property
    def fields(self) -> Fields:
        """The fields, their values without the spaces around them."""
        if self._fields is None:
            self._fields = tuple(_field(self.lines or b""))
        return self._fields

    def passing_lines(self) -> bytes | None:
        """The lines as they go to callers where that needs no more than to cut Connection out; else None."""
        lines, traits = self.lines, self.traits
        if lines is None or not traits.passes:
            return None
        if not traits.has_connection:
            return lines
        found = self._connection
        # Names that it lists would have to go, too.
        return None if found is None else lines[: found.start()] + lines[found.end() - 1 :]

    def ready(self) -> bytes:
        """Status line and lines as they go to callers, where nothing has to be changed, added or left unsaid; else b"".

        That is an answer with a date, without a request id, and of a status that has a body.
        """
        if self._ready is None:
            lines, traits = self.passing_lines(), self.traits
            plain = traits.is_dated and not traits.has_id and self.status not in BODILESS_STATUSES
            self._ready = (
                b"HTTP/1.1 %d %b\r\n%b" % (self.status, self.reason, lines) if lines and plain else b""
            )
        return self._ready

    def forbids(self) -> str:
        """Why nobody may store such an answer to a plain request, if that is all that its fields say of it; else "".

        That is the commonest thing to be said of an answer, and of a head that comes again it is found out once.
        """
        if self._forbids is None:
            plain = self.traits.says_freshness and self.status == 200 and bool(self.ready())
            self._forbids = why_forbidden(reply_control(self.fields)) if plain else ""
        return self._forbids

    def stays(self) -> bool:
        """Whether the connection carries another answer in HTTP/1.1; False in any doubt."""
        found = self._connection
        return not self.traits.has_connection or (found is not None and found[1] == b"keep-alive")
