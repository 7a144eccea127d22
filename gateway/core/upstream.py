"""What is asked of a service's replicas, and what do they answer?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct

from gateway.core.faults import Fault
from gateway.core.heads import AnswerHead
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.core.room import Room

MOST_AT_ONCE: Final = 64 << 10
"""Bytes of a body that is sent over a connection that is only just being made."""


class Request(Struct, frozen=True, gc=False):
    """One HTTP request below a service's address, and how it may be carried.

    `deadline` is on the monotonic clock, `max_reply` in bytes of the answer's body. `repeatable` = it may be sent again,
    on another connection, when the first went away before an answer; what may change something is sent once, on a
    connection that is surely alive. Where requests wait for their turn, those of one `principal` keep nobody else's
    waiting; None is the gate itself. `room` is memory that the body of a 200 may be received into, instead of being
    gathered: see `Answer.placed`.
    """

    verb: str
    path: str
    fields: Fields
    body: bytes | None
    deadline: float
    max_reply: int
    repeatable: bool
    principal: Principal | None = None
    room: Room | None = None


class Answer(Struct, frozen=True):
    """What an upstream answered to one HTTP request; the body is whole and in memory.

    `placed` bytes of it are in the room that was given for it, and `body` is what comes behind them. `replica` is the address
    of who answered, without what is secret of it.
    """

    status: int
    reason: str
    fields: Fields
    body: bytes
    placed: int = 0
    replica: str | None = None


class Upstream(Protocol):
    """One service's replicas, behind one function."""

    async def exchange(self, request: Request) -> Answer:
        """Send one request and return its answer.

        Raises `UpstreamUnreachable`, `DeadlineExceeded`, `TooLarge`, `UpstreamBroken` or `Unavailable` (too many
        waiting).
        """


class Receiver(Protocol):
    """Who takes an upstream's answer part by part, as it comes. Nothing may be raised."""

    def interim(self, status: int) -> None:
        """A 1xx answer came before the final one."""

    def head(self, head: AnswerHead) -> None:
        """The final answer begins; a 101 ends the exchange, and `tunnel` follows instead of a body."""

    def piece(self, data: bytes) -> None:
        """Some of the body."""

    def end(self) -> None:
        """The answer is complete."""

    def whole(self, head: AnswerHead, body: bytes) -> None:
        """The whole answer at once: nothing of it was given before, and nothing follows."""

    def tunnel(self, data: bytes) -> None:
        """Bytes of the protocol that was switched to."""

    def failed(self, failure: Exception) -> None:
        """The answer never ends."""

    def fed(self) -> None:
        """All that has come so far was given: whoever gathers for one write, writes now."""

    def pause(self) -> None:
        """The upstream does not take what is sent: write no more for now."""

    def resume(self) -> None:
        """The upstream takes again."""


class Line(Protocol):
    """One connection to an upstream, for whoever carries a request through by itself."""

    def start(
        self, head: bytes, receiver: Receiver, *, whole: bool, bodiless: bool, upgrades: bool = False
    ) -> None:
        """Send a request's head, and with it the body if it is `whole`; its answer goes to the receiver."""

    def change_receiver(self, receiver: Receiver) -> None:
        """Give what comes from here on to another one."""

    def write(self, data: bytes) -> None:
        """Send some of the body, framed."""

    def finish(self) -> None:
        """The request is whole."""

    def leave(self) -> None:
        """Give up: the receiver hears no more, and the connection ends."""

    def pause_reading(self) -> None:
        """Take no more of the answer for now."""

    def resume_reading(self) -> None:
        """Take more of the answer."""


class Lease(Protocol):
    """A turn at a service and a connection to it, for one request; to be given back by `release`."""

    @property
    def connection(self) -> Line:
        """The connection."""

    @property
    def address(self) -> str:
        """Whom it leads to, without what is secret of the address."""

    @property
    def pooled(self) -> bool:
        """Whether it has carried other requests: the upstream may be closing it at this very moment."""

    def head(
        self, verb: bytes, rest: bytes, query: bytes, host: bytes | None, lines: bytes, last: bytes = b""
    ) -> bytes:
        """A request's head; `rest` is the path below the service's address, `lines` are its fields but Host.

        The service's own are added, `last` comes after them.
        """

    def late(self, seconds: float) -> None:
        """No answer came within so many seconds."""

    def release(self) -> None:
        """The exchange is over, however it ended."""


class Place(Protocol):
    """A place in the line before a service."""

    def leave(self) -> None:
        """Wait no longer; only before it is said that the turn has come."""


class Carrier(Protocol):
    """One service's replicas, for whoever carries a request through by itself."""

    @property
    def own_fields(self) -> frozenset[bytes]:
        """The names of the fields, in lower case, that the service sends values of its own for."""

    def at_hand(self) -> Lease | None:
        """A connection that carried others before, if there is one and a turn, without waiting."""

    @property
    def full(self) -> bool:
        """Whether nothing but others' requests keeps one from being sent."""

    def stand(self, deadline: float, principal: Principal | None, ready: Callable[[], None]) -> Place:
        """Wait for a turn, without a task: `in_turn` has to follow when `ready` is called.

        Whoever stands looks at the time himself. Raises `Unavailable` when too many wait, or it would come too late.
        """

    def in_turn(self, seconds: float) -> Lease | None:
        """A connection for whoever's turn it is now; else None, and the turn is over."""

    def begun(self, seconds: float) -> Lease | None:
        """A new connection for one request, which begins to be made now: what is sent at once waits for it so long.

        None if there is more to wait for. If it comes to nothing, sending fails at once or later, and nothing was sent then.
        """

    async def lease(
        self, deadline: float, principal: Principal | None = None, other_than: Lease | None = None
    ) -> Lease:
        """A new connection, when it is the principal's turn, to another replica than that of a lease which failed, if there is one. Raises `UpstreamUnreachable`, `DeadlineExceeded` or `Unavailable`; nothing was sent then."""

    def again(self, trouble: Exception | Answer, left: float) -> float | None:
        """In how many seconds a safe request that came to this is sent once more, where `left` seconds are left.

        None if it is not. Asked once for each time that it is sent again: it is counted.
        """

    def fault(self, failure: Exception, *, safe: bool) -> Fault:
        """What is said to a caller whose request failed so."""
