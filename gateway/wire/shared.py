"""What do all connections of one server share?"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp.web import RequestHandler

from gateway.wire.crowd import Crowd
from gateway.wire.guest import Host
from gateway.wire.lane import Lane
from gateway.wire.lanes import Lanes
from gateway.wire.limits import Limits

if TYPE_CHECKING:
    from gateway.wire.connection import Connection


@dataclass(slots=True)
class Counters:
    """What happened so far; plain numbers, for whoever publishes them.

    `accepted` connections and `requests` handed on; `refused` heads by `Refusal` name in lower case, with
    `malformed` for what aiohttp's parser refused; `broken_bodies` that stopped half way or ended ambiguously;
    `stuck` connections whose reader took nothing any more; `turned_away` connections closed unread;
    `failed_handshakes` of TLS.
    """

    accepted: int = 0
    requests: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    broken_bodies: int = 0
    stuck: int = 0
    turned_away: int = 0
    failed_handshakes: int = 0


class DateLine:
    """The Date field, written once a second (RFC 9110 section 6.6.1)."""

    __slots__ = ("_clock", "_line", "_second")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = -1
        self._line = b""

    def __call__(self) -> bytes:
        """The whole line with its CRLF, for now."""
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._line = b"Date: %b\r\n" % formatdate(second, usegmt=True).encode("ascii")
        return self._line


@dataclass(slots=True, eq=False)
class Shared:
    """Limits, counters and the way to a handler, for all connections of a server."""

    loop: asyncio.AbstractEventLoop
    limits: Limits
    date: DateLine
    crowd: Crowd
    """Says who is let in."""
    behind: Callable[[], RequestHandler]
    """Makes the aiohttp handler that stands behind one connection."""
    host: Host | None = None
    """Says which requests are answered by a guest, and not by the handler."""
    lane: Lane = field(default_factory=Lane)
    lanes: Lanes | None = None
    """Where callers are known by their certificates: the lanes of those."""
    scheme: bytes = b"http"
    counters: Counters = field(default_factory=Counters)
    connections: set[Connection] = field(default_factory=set)
    draining: bool = False
    successor: Shared | None = None
    """Whose the connections are as soon as their present answers are written."""
    emptied: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the last connection has gone."""
