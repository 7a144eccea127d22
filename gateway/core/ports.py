"""What do the relay and discovery need of the other rooms?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from gateway.core.call import Call
from gateway.core.method import Method
from gateway.core.pieces import Part
from gateway.core.principal import Principal
from gateway.core.reply import Fields, Reply
from gateway.core.service import Description, Service
from gateway.core.tracing import Tracer
from gateway.core.upstream import Answer, Carrier, Upstream
from gateway.core.verdict import Entry, Extent, Verdict
from gateway.core.wanted import Wanted

if TYPE_CHECKING:
    from gateway.core.assembling import Inbound


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

    async def get(self, key: bytes, sought: Sought | None = None) -> Entry | None:
        """The entry under the key; a large body comes as an extent.

        `sought` is what a trip will be to bring if there is none: a tier that gates share may agree on who goes by the same question.
        """

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

    def share(self) -> None:
        """Others read it from here on: whether it is kept or not, what is written can be read."""

    def since(self, at: int, most: int) -> list[Part]:
        """What was written from the place `at` on: about `most` bytes in memory, or more in a file; nothing if there is none yet."""

    def forget(self, upto: int) -> None:
        """Nobody reads what comes before this place any more; of use where it is not kept."""


class BodyReader(Protocol):
    """Somebody's own way through a body that may not be whole yet."""

    async def next(self) -> Sequence[Part]:
        """What comes next, as soon as there is some; nothing at the end. Raises where the body breaks off."""

    def close(self) -> None:
        """No more of it is wanted."""


class Shared(Protocol):
    """An answer on its way into the cache that several callers read meanwhile."""

    @property
    def length(self) -> int | None:
        """How many bytes it will have, where that is known."""

    def entry_for(self, wanted: Wanted, now: float) -> Entry | None:
        """The entry that it will be, where that answers this request too, at `now` (seconds since 1970)."""

    def reader(self, at: int = 0) -> BodyReader:
        """A way through its body, from this place on."""


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

    async def get(self, key: bytes, sought: Sought | None = None) -> tuple[Entry, str] | None:
        """The entry under the key and the name of the tier that has it; soon, or none. `sought` as in `FarTier.get`."""

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

    def bump(self, *groups: tuple[str, ...]) -> None:
        """End the present generation of each name, one group after the other: what was read before no longer agrees."""

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

    `peer` is the caller's address as the gate believes it, behind trusted proxies too. `seconds` is how long it took, `size` the
    bytes of the answer's body. Credentials and bodies are no part of it.
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
    reason: str | None = None
    """Why the cache did what it did; of a hit, the tier that had the reply."""
    replica: str | None = None
    """Whom of the service a request through a mount was sent to, or a call was answered by."""
    trace: str | None = None
    """The id of the trace, where the request was recorded."""
    wait: float | None = None
    """Seconds until the answer began, None = it came whole."""


class Tally(Struct):
    """How often something has happened, and the bytes of it; whoever was given it adds to it."""

    count: int = 0
    size: int = 0


class Observer(Protocol):
    """Who counts and writes down what happens."""

    def called(
        self,
        method: Method,
        outcome: str,
        seconds: float,
        size: int = 0,
        verdict: Verdict | None = None,
        who: Principal | None = None,
    ) -> None:
        """One call has ended: `outcome` is `hit`, `stale`, `miss`, `pass`, `error` or the fault's name.

        `size` is the length of the answer's body in bytes, without what a door writes around it; `verdict` is the cache's, None
        where there was no answer; `who` called.
        """

    def visited(self, visit: Visit) -> None:
        """One HTTP request has been answered."""

    tracer: Tracer
    """Who says of which requests it is recorded how they went."""
    slow: float
    """Seconds from which on a request is told of in the log, though there may be no access log."""

    @property
    def writes(self) -> bool:
        """Whether visits are written down, and not only counted."""

    def passed(
        self,
        method: Method,
        outcome: str,
        seconds: float,
        status: int,
        sent: int,
        verdict: Verdict,
        who: Principal | None = None,
        visit: Visit | None = None,
    ) -> None:
        """Count one call through a mount, its HTTP request, and the bytes of its answer; `visit` has it written down.

        What the visit says of status, size and time is filled in.
        """

    def counted(self, door: str, status: int, service: str | None = None) -> None:
        """Count one HTTP request that nobody wants to have written down; `service` is that of the mount it came through."""

    def tally(self, method: Method, outcome: str, who: Principal | None = None) -> Tally:
        """A place to count calls that memory answered; the requests that they came in are counted elsewhere."""

    def hits(self, method: Method, who: Principal | None = None) -> Tally:
        """A place to count requests through a mount, with the bytes of their answers, that memory answered with 200."""

    def requests(self, door: str, status: int) -> Tally:
        """A place to count HTTP requests that nobody wants to have written down."""

    def moved(self, service: str, received: int, sent: int) -> None:
        """So many bytes of bodies went through a mount of the service: `received` from callers, `sent` to them."""
