"""What do the relay and discovery need of the other rooms?"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from gateway.core.call import Call
from gateway.core.faults import Fault
from gateway.core.heads import AnswerHead
from gateway.core.method import Method
from gateway.core.principal import Principal
from gateway.core.reply import Fields, Reply
from gateway.core.service import Description, Service
from gateway.core.verdict import Entry, Extent

if TYPE_CHECKING:
    from gateway.core.assembling import Inbound


class Answer(Struct, frozen=True):
    """What an upstream answered to one HTTP request; the body is whole and in memory.

    `placed` bytes of it are in the room that was given for it, and `body` is what comes behind them.
    """

    status: int
    reason: str
    fields: Fields
    body: bytes
    placed: int = 0


class Upstream(Protocol):
    """One service's replicas, behind one function."""

    async def exchange(
        self,
        verb: str,
        path: str,
        fields: Fields,
        body: bytes | None,
        *,
        deadline: float,
        max_reply: int,
        repeatable: bool,
        principal: Principal | None = None,
        room: memoryview | None = None,
    ) -> Answer:
        """Send one request below the service's address and return its answer.

        `room` is memory that the body of a 200 may be received into, instead of being gathered: see `Answer.placed`.
        `deadline` is on the monotonic clock. `repeatable` = it may be sent again, on another connection, when
        the first went away before an answer; what may change something is sent once, on a connection that is
        surely alive. Where requests wait for their turn, those of one `principal` keep nobody else's waiting; None is
        the gate itself. Raises `UpstreamUnreachable`, `DeadlineExceeded`, `TooLarge`, `UpstreamBroken` or
        `Unavailable` (too many waiting).
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


class Carrier(Protocol):
    """One service's replicas, for whoever carries a request through by itself."""

    @property
    def own_fields(self) -> frozenset[bytes]:
        """The names of the fields, in lower case, that the service sends values of its own for."""

    def at_hand(self) -> Lease | None:
        """A connection that carried others before, if there is one and a turn, without waiting."""

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


class Errand(Struct, frozen=True):
    """One request to an upstream, whose answer is recognised by its `token`."""

    token: bytes
    fields: Fields
    body: bytes


class Messenger(Protocol):
    """A dialect whose calls are one request each, for whoever sends it and reads the answer by himself."""

    def request(self, call: Call, service: Service, left: float) -> Errand:
        """What is POSTed for a call that has `left` seconds. Raises faults."""

    def reply(self, answer: Answer, token: bytes, call: Call, service: Service) -> Reply:
        """What the answer says. Raises the fault of one that is none."""


class Dialect(Protocol):
    """A way in which upstreams describe themselves and are spoken to."""

    @property
    def kind(self) -> str:
        """The dialect's name in the configuration."""

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        """What the service offers. Raises a Fault when it does not answer in this dialect."""

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        """Carry one call out. `address` is the description's; faults are raised, an upstream's error is a reply."""

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:
        """Who says what is sent for calls of the method, and the path it is sent to; None where that takes more."""


class Route(Struct, frozen=True):
    """How calls of one service are carried out, as discovery found it."""

    service: Service
    dialect: Dialect
    address: str
    upstream: Upstream
    carrier: Carrier | None = None
    """The upstream, for whoever carries calls through by himself."""
    inbound: Inbound | None = None
    """The dialect, where it looks at requests that come through a mount."""
    aim: Callable[[Call], Upstream] | None = None
    """The upstream for one call: to which replica it goes, and how often."""


class Watcher(Protocol):
    """Who wants to hear that the catalog may be wrong; `now` is on the monotonic clock, in seconds."""

    def missing(self, service: str, now: float) -> bool:
        """The service says that a method of the catalog does not exist."""

    def suspect(self, service: str, now: float) -> bool:
        """The service could not be reached."""


class Tier(Protocol):
    """A place for entries."""

    @property
    def largest(self) -> int:
        """How many bytes one entry may take; it is not worth gathering more."""

    def get(self, key: bytes) -> Entry | None:
        """The entry under the key."""

    def put(self, key: bytes, entry: Entry) -> bool:
        """Store; False if the entry is larger than the tier takes."""

    def drop(self, key: bytes) -> None:
        """Forget the key."""


class FarTier(Protocol):
    """A place for entries that takes time to ask: a disk, a server. It never raises: what fails is as good as absent."""

    @property
    def name(self) -> str:
        """What it is called in status and metrics: `disk`, `redis`."""

    def may_have(self, service: str) -> bool:
        """Whether it is worth asking for entries of this service (by its qualified name); False only if there are none."""

    async def get(self, key: bytes) -> Entry | None:
        """The entry under the key; a large body comes as an extent."""

    async def put(self, entry: Entry) -> bool:
        """Store under the entry's key; whether it was."""

    async def drop(self, key: bytes) -> None:
        """Forget the key."""


class Spool(Protocol):
    """A body that is kept while it passes: in memory while it is short, in a file beyond."""

    def write(self, data: bytes) -> bool:
        """Some of the body; False if it is not kept any more: it is too long, or comes faster than a disk takes it."""

    async def seal(self) -> bytes | Extent | None:
        """The body is whole: what was kept of it, None if nothing was."""

    def discard(self) -> None:
        """It is not wanted; nothing of it stays."""


class Sought(Struct, frozen=True):
    """What a trip is to bring: an entry under this key that agrees with these generations of these names."""

    key: bytes
    lineage: tuple[str, ...]
    generations: tuple[int, ...]
    epoch: int


class Lead(Protocol):
    """The right to go alone for what other processes seek, too."""

    @property
    def waited(self) -> bool:
        """Whether somebody else had it before: what they brought may be stored by now. Then it gives no right."""

    def release(self) -> None:
        """We have been there; others may go once it is stored what we brought."""


class FarTiers(Protocol):
    """The farther tiers in their order, for whoever carries calls out. Nothing is raised."""

    @property
    def agrees(self) -> bool:
        """Whether there may be other processes that have to be asked for the lead."""

    async def lead(self, sought: Sought, patience: float) -> Lead | None:
        """The lead, or what was had of waiting for who has it; None after so many seconds, or with nobody to agree with."""

    def may_have(self, service: str) -> bool:
        """Whether it is worth asking for entries of this service (by its qualified name)."""

    async def get(self, key: bytes) -> tuple[Entry, str] | None:
        """The entry under the key and the name of the tier that has it; soon, or none."""

    async def body(self, entry: Entry) -> bytes | None:
        """The entry's whole body in memory; None if it cannot be read."""

    def put(self, entry: Entry) -> bool:
        """Have it stored in the background; False if too much waits already."""

    async def drop(self, key: bytes) -> None:
        """Forget the key in every one of them."""

    def forget(self, key: bytes) -> None:
        """Have that done in the background."""

    def spool(self, most: int, pace: Callable[[bool], None] | None = None) -> Spool:
        """For a body that may be stored, of at most so many bytes.

        `pace` is told True when whoever sends should wait for the disk, and False when they may go on.
        """


class Generations(Protocol):
    """What a hit must still agree with: one number for policies and revocations, many for names."""

    @property
    def epoch(self) -> int:
        """The number that policies, revocations and reloads raise."""

    @property
    def changes(self) -> int:
        """Rises with everything that ends: as long as it stays, what was read before still agrees."""

    def read(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """The counters of these names, now."""

    def bump(self, names: tuple[str, ...]) -> None:
        """End the present generation of each name: what was read before no longer agrees."""

    def advance(self) -> None:
        """Raise the epoch."""

    def sync(self) -> None:
        """Have what was ended outlive the machine's power, where anything does; it takes milliseconds. Raises OSError."""


class Marks(Protocol):
    """Where it is noted which writes are under way, for the case that this process is killed before they end."""

    def mark(self, names: tuple[str, ...]) -> None:
        """A write sets out that will end the generations of these names."""

    def clear(self, names: tuple[str, ...]) -> None:
        """The same write is over, and they have ended."""


class Identity(Protocol):
    """Who is calling?"""

    def known(self, credential: str, now: float) -> Principal | None:
        """The principal, if this credential was verified before and its verdict still holds."""

    def may_know(self, credential: str) -> bool:
        """Whether it is one that could be verified here, by what it says of itself."""

    async def identify(self, credential: str, now: float) -> Principal:
        """The credential's principal. Raises `Unauthenticated`, with what is wrong and how to get a token."""


class Visit(Struct):
    """One HTTP request, as the access log tells it; filled while it is answered.

    `seconds` is how long it took, `size` the bytes of the answer's body. Credentials and bodies are no part of it.
    """

    id: str
    door: str
    verb: str
    path: str
    peer: str
    status: int = 0
    subject: str | None = None
    service: str | None = None
    method: str | None = None
    entries: int = 0
    fault: str | None = None
    cache: str | None = None
    size: int = 0
    seconds: float = 0.0


class Tally(Struct):
    """How often something has happened, and the bytes of it; whoever was given it adds to it."""

    count: int = 0
    size: int = 0


class Observer(Protocol):
    """Who counts and writes down what happens."""

    def called(self, method: Method, outcome: str, seconds: float, size: int = 0) -> None:
        """One call has ended: `outcome` is `hit`, `stale`, `miss`, `pass`, `error` or the fault's name.

        `size` is the length of the answer's body in bytes, without what a door writes around it.
        """

    def visited(self, visit: Visit) -> None:
        """One HTTP request has been answered."""

    @property
    def writes(self) -> bool:
        """Whether visits are written down, and not only counted."""

    def passed(self, method: Method, outcome: str, seconds: float, status: int, sent: int) -> None:
        """Count one call through a mount that is no more than counted: its HTTP request, and the bytes of its answer."""

    def counted(self, door: str, status: int) -> None:
        """Count one HTTP request that nobody wants to have written down."""

    def tally(self, method: Method, outcome: str) -> Tally:
        """A place to count calls that memory answered; the requests that they came in are counted elsewhere."""

    def hits(self, method: Method) -> Tally:
        """A place to count requests through a mount, with the bytes of their answers, that memory answered with 200."""

    def requests(self, door: str, status: int) -> Tally:
        """A place to count HTTP requests that nobody wants to have written down."""

    def moved(self, service: str, received: int, sent: int) -> None:
        """So many bytes of bodies went through a mount of the service: `received` from callers, `sent` to them."""
