"""What do the relay and discovery need of the other rooms?"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from gateway.core.call import Call
from gateway.core.method import Method
from gateway.core.principal import Principal
from gateway.core.reply import Fields, Reply
from gateway.core.service import Description, Service
from gateway.core.verdict import Entry


class Answer(Struct, frozen=True):
    """What an upstream answered to one HTTP request; the body is whole and in memory."""

    status: int
    reason: str
    fields: Fields
    body: bytes


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
    ) -> Answer:
        """Send one request below the service's address and return its answer.

        `deadline` is on the monotonic clock. `repeatable` = it may be sent again, on another connection, when
        the first went away before an answer; what may change something is sent once, on a connection that is
        surely alive. Raises `UpstreamUnreachable`, `DeadlineExceeded`, `TooLarge`, `UpstreamBroken` or
        `Unavailable` (too many waiting).
        """


class Dialect(Protocol):
    """A way in which upstreams describe themselves and are spoken to."""

    @property
    def kind(self) -> str:
        """The dialect's name in the configuration."""

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        """What the service offers. Raises a Fault when it does not answer in this dialect."""

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        """Carry one call out. `address` is the description's; faults are raised, an upstream's error is a reply."""


class Route(Struct, frozen=True):
    """How calls of one service are carried out, as discovery found it."""

    service: Service
    dialect: Dialect
    address: str
    upstream: Upstream


class Watcher(Protocol):
    """Who wants to hear that the catalog may be wrong; `now` is on the monotonic clock, in seconds."""

    def missing(self, service: str, now: float) -> bool:
        """The service says that a method of the catalog does not exist."""

    def suspect(self, service: str, now: float) -> bool:
        """The service could not be reached."""


class Tier(Protocol):
    """A place for entries."""

    def get(self, key: bytes) -> Entry | None:
        """The entry under the key."""

    def put(self, key: bytes, entry: Entry) -> bool:
        """Store; False if the entry is larger than the tier takes."""

    def drop(self, key: bytes) -> None:
        """Forget the key."""


class Generations(Protocol):
    """What a hit must still agree with: one number for policies and revocations, many for names."""

    @property
    def epoch(self) -> int:
        """The number that policies, revocations and reloads raise."""

    def read(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """The counters of these names, now."""

    def bump(self, names: tuple[str, ...]) -> None:
        """End the present generation of each name: what was read before no longer agrees."""

    def advance(self) -> None:
        """Raise the epoch."""


class Identity(Protocol):
    """Who is calling?"""

    def known(self, credential: str, now: float) -> Principal | None:
        """The principal, if this credential was verified before and its verdict still holds."""

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
    method: str | None = None
    entries: int = 0
    fault: str | None = None
    cache: str | None = None
    size: int = 0
    seconds: float = 0.0


class Observer(Protocol):
    """Who counts and writes down what happens."""

    def called(self, method: Method, outcome: str, seconds: float) -> None:
        """One call has ended: `outcome` is `hit`, `stale`, `miss`, `pass`, `error` or the fault's name."""

    def visited(self, visit: Visit) -> None:
        """One HTTP request has been answered."""
