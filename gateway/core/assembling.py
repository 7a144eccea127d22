"""What is asked of a dialect that carries calls out by steps of its own, or knows more of a mounted request than its words?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct

from gateway.core.call import Call, Demand
from gateway.core.faults import Fault
from gateway.core.method import CacheRule, Method
from gateway.core.paths import Steps
from gateway.core.ports import Route
from gateway.core.principal import Principal
from gateway.core.reply import Composed, Fields, Reply
from gateway.core.service import Service
from gateway.core.verdict import Hit, Miss, Verdict


class Parts(Protocol):
    """Where an assembled reply gets its parts: by hidden calls of the same principal, which were admitted with its own."""

    def permit(self, principal: Principal, service: Service, name: str) -> None:
        """Refuse the service's method of this name, within the service, if the principal may not call it. Raises Forbidden."""

    def judge(self, call: Call) -> Verdict:
        """What memory has for a part, now."""

    def may_recall(self, missing: Miss) -> bool:
        """Whether farther tiers may have one that memory has not."""

    async def recall(self, missing: Miss) -> Hit | None:
        """What the farther tiers have for one that memory has not, with its body in memory."""

    async def obtain(self, call: Call) -> Reply:
        """A part, from memory, a tier, somebody else's trip, or by a trip. Raises faults."""

    def keep(self, missing: Miss, body: bytes | memoryview) -> bool:
        """Store a part that came with others; whether it was. `judge` and `recall` give it back as it is."""


@runtime_checkable
class Assembler(Protocol):
    """A dialect some of whose methods are carried out by steps of its own (`Method.assembled`)."""

    async def assemble(self, call: Call, route: Route, parts: Parts) -> Reply:
        """Carry out such a call; the reply may be `composed` while it is sent. Raises faults."""


class MountAsk(Struct, frozen=True):
    """A request that came through a mount.

    `inner` are the steps of its path below the service's address, `rest` the same as it was sent, `query` begins with `?` or is
    empty. `body` is None where it is still on its way. `method` is what the request is. `credential` stands for the caller's own
    credentials for the service, empty where there are none. `deadline` is on the monotonic clock, `wall` in seconds since 1970.
    """

    id: str
    verb: str
    inner: Steps
    rest: bytes
    query: bytes
    fields: Fields
    body: bytes | None
    method: Method
    principal: Principal
    deadline: float
    demand: Demand
    wall: float
    credential: bytes = b""


class Known(Struct, frozen=True):
    """What the dialect knows of the answer to a mounted request before it is asked for.

    `rule` says how it is stored, `target` stands for the request in its key, `named` are its parameters where the rule asks for
    a right. `fields` are added to a 200. `length` is the body's in bytes, None if nobody knows: another one is not stored. Nor is
    a body that ends with `spoilt`, if that is not empty: what an error that came late is appended with.
    """

    rule: CacheRule
    target: bytes
    fields: Fields = ()
    length: int | None = None
    spoilt: bytes = b""
    named: Mapping[str, str] = {}


class Onward(Struct, frozen=True):
    """The request goes on to the service, with this path below its address and this query.

    `turns` are statuses that callers are told in the place of the service's. `body` is sent in the place of the request's, None =
    its own.
    """

    rest: bytes
    query: bytes
    known: Known | None = None
    turns: tuple[tuple[int, int], ...] = ()
    body: bytes | None = None


class Ready(Struct, frozen=True):
    """The answer to a mounted request, as the caller gets it. `verdict` is what the cache did."""

    status: int
    fields: Fields
    body: bytes | Composed
    verdict: Verdict
    reason: bytes | None = None


@runtime_checkable
class Inbound(Protocol):
    """A dialect that looks at requests which come through a mount."""

    def takes(self, service: Service, verb: str, inner: Steps) -> bool:
        """Whether it wants to look at requests for this path."""

    def reads(self, service: Service, verb: str, inner: Steps) -> bool:
        """Whether it has to have their body for it."""

    async def inbound(self, ask: MountAsk, route: Route, parts: Parts) -> Onward | Ready:
        """What becomes of the request. Raises faults."""


@runtime_checkable
class Refusing(Protocol):
    """A dialect whose clients are told of faults in a way of their own, where it looks at their requests."""

    def refused(self, fault: Fault) -> Ready:
        """The answer that says the fault."""
