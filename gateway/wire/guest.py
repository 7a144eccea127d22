"""Who answers a request on our own connection, without the aiohttp handler?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.core.faults import BadRequest
from gateway.wire.lane import Seen

if TYPE_CHECKING:
    from gateway.wire.connection import Connection


class Guest(Protocol):
    """Whoever answers one request by writing to the connection, and calls its `answered` or `abort` in the end.

    What is called here comes from the event loop: it must neither block nor raise.
    """

    @property
    def wants_bare(self) -> bool:
        """Whether a chunked body is wanted without its chunks' frames, which are in the plainest form otherwise."""

    def start(self, *, whole: bool) -> None:
        """The head was taken; `whole` = so was the body, else `body` and `body_end` follow."""

    def body(self, data: bytes) -> None:
        """Some of the body, perhaps before `start`; after `Connection.tunnel`, bytes of the other protocol."""

    def body_end(self) -> None:
        """The body is whole."""

    def broken(self, fault: BadRequest) -> None:
        """The rest of the body never comes."""

    def gone(self) -> None:
        """The caller has gone."""

    def pause_writing(self) -> None:
        """The caller does not take what is written."""

    def resume_writing(self) -> None:
        """The caller takes again."""

    def check(self, now: float) -> None:
        """About once a second: end what has taken too long. `now` is on the loop's clock."""


class Repeat(Protocol):
    """What is known of a request whose very bytes came before (`Lane.put_request`)."""

    def answer(self, caller: Connection) -> bool:
        """Answer it; False, with nothing done, if it has to be read."""


class Host(Protocol):
    """Who says which requests are answered by a guest, and answers at once those that need none."""

    def at_once(self, caller: Connection, line: bytes, seen: Seen, data: bytes, end: int) -> bool:
        """Answer the one whole request that `data` is, with its head before `end`; False, with nothing done, if not.

        Asked only about lines for which there are `seen.terms`.
        """

    def takes(self, target: bytes) -> bool:
        """Whether requests for this target may be for a guest; the others go to the aiohttp handler."""

    def again(self, caller: Connection, line: bytes, seen: Seen) -> Guest | None:
        """Who answers a request whose line (without its version) differs from one before in its query at most.

        None = that is not known: ask `guest`.
        """

    def guest(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Guest | None:
        """Who answers the request; None = the aiohttp handler does. `seen.notes` is the host's to fill."""
