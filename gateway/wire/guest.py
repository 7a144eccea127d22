"""Who answers a request on our own connection, without the aiohttp handler?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

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


Answered = Literal["answered"]
ANSWERED: Final[Answered] = "answered"
"""The request has its answer already."""


class Repeat(Protocol):
    """What is known of a request whose very bytes came before (`Lane.put_request`)."""

    def answer(self, caller: Connection) -> bool:
        """Answer it; False, with nothing done, if it has to be read."""


class Host(Protocol):
    """Who says which requests are answered by a guest, and answers at once those that need none."""

    def takes(self, target: bytes) -> bool:
        """Whether requests for this target may be for a guest; the others go to the aiohttp handler."""

    def again(
        self, caller: Connection, line: bytes, seen: Seen, data: bytes, end: int
    ) -> Guest | Answered | None:
        """Who answers a request whose line (without its version) and header lines came before.

        The line may differ in what the host knows to mean nothing. `data` is the one whole request, its head before `end`,
        where it may be answered here and now, else empty. None = that is not known: ask `guest`.
        """

    def guest(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Guest | None:
        """Who answers the request; None = the aiohttp handler does. `seen.notes` is the host's to fill."""
