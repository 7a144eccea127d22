"""What is a service to those who ask it? All its replicas behind one function, for whole answers or part by part."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Final

from gateway.core.call import Call
from gateway.core.durations import Durations
from gateway.core.faults import Fault, Unavailable
from gateway.core.latency import Latency
from gateway.core.method import Method
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.sticking import key_of
from gateway.core.tracing import current
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.upstream import Lease as Failed
from gateway.upstreams.aimed import Aimed
from gateway.upstreams.attempts import Attempts
from gateway.upstreams.choice import Choice
from gateway.upstreams.guard import Guard, Turned
from gateway.upstreams.lease import Lease
from gateway.upstreams.replica import Replica
from gateway.upstreams.turns import Place, Turns
from gateway.wire.tls import Live
from gateway.wire.upstream import Connection, ExpiredError, NotConnectedError
from gateway.wire.upstream_pool import IDLE_SECONDS, Origin, Pool

WAITING_PER_TURN: Final = 32
"""How many requests may wait for each one that the service may get at once."""

MOST_TIMED: Final = 1024
"""Methods whose calls are timed, because they are hedged."""

LEAST_WAITING: Final = 2048
"""How many may wait however few the service may get: a batch, whose calls are one caller's, fits into half of it."""


class HttpUpstream:
    """One service's replicas, behind one function: an `Upstream` over HTTP/1.1, and a `Carrier`."""

    def __init__(
        self,
        service: Service,
        *,
        tls: ssl.SSLContext | Live | None = None,
        idle_seconds: float = IDLE_SECONDS,
        turned: Turned = lambda *_: None,
    ) -> None:
        """`tls` holds the authorities that are trusted for https (default: the system's).

        `turned` is told when the service is left alone. Raises ValueError for a URL or a header field that cannot be used.
        """
        self.service = service
        self.choice = Choice(_replicas(service, tls, idle_seconds))
        self.guard = Guard(service, self.choice.replicas, turned)
        self.beside = Beside(self)
        """The same for the gate's own questions, which nothing keeps from being asked, and which say nothing of calls."""
        self._turns = Turns(service.concurrency, max(LEAST_WAITING, service.concurrency * WAITING_PER_TURN))
        self._attempts = Attempts(service.qualified, self.choice, self._turns, self.guard)
        self._own_fields = service.drops.union(self.choice.replicas[0].replaced)
        self._latencies: dict[str, Latency] = {}

    @property
    def in_flight(self) -> int:
        """Requests that are at the service now."""
        return self._turns.taken

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._turns.waiting

    def narrow(self, concurrency: int) -> None:
        """Let no more requests be at the service at once than so many."""
        self._turns.narrow(concurrency)

    @property
    def own_fields(self) -> frozenset[bytes]:
        """The names of the fields, in lower case, that the service sends values of its own for."""
        return self._own_fields

    @property
    def connections(self) -> int:
        """Connections that there are now."""
        return self.choice.connections

    @property
    def opened(self) -> int:
        """Connections made so far."""
        return self.choice.opened

    @property
    def reused(self) -> int:
        """Requests so far that were sent on a connection which had carried others."""
        return self.choice.reused

    @property
    def failures(self) -> int:
        """Requests so far that got no answer."""
        return self._attempts.failures

    @property
    def retries(self) -> int:
        """Requests so far that were sent once more."""
        return self.guard.retries

    @property
    def hedges(self) -> int:
        """Calls so far that were made a second time beside the first."""
        return self.guard.hedges

    @property
    def refused(self) -> int:
        """Requests so far that were not sent, because the breaker was open."""
        return self.guard.refused

    @property
    def ejections(self) -> int:
        """How often so far a replica was found to be one that is asked after the others."""
        return self.choice.ejections

    @property
    def breaker(self) -> str:
        """The breaker's state: `closed`, `open`, `half-open`."""
        return self.guard.state

    @property
    def left_alone(self) -> int:
        """1 while the breaker is not closed."""
        return int(self.guard.is_open)

    def hold(self, refusal: Callable[[], Unavailable] | None) -> None:
        """Send no more requests of callers, and tell them this instead; None = as usual again."""
        self.guard.hold(refusal)

    @property
    def replicas(self) -> dict[str, dict[str, Any]]:
        """Each replica by its address, as an operator sees it."""
        return self.choice.rows()

    @property
    def durations(self) -> dict[str, Durations]:
        """How long the replicas took to answer, by their addresses."""
        return {one.address: one.durations for one in self.choice.replicas}

    def checked(self, sick: Sequence[bool]) -> None:
        """Know of each replica whether it fails its health checks, as somebody else found."""
        if len(sick) == len(self.choice.replicas):
            for replica, is_sick in zip(self.choice.replicas, sick, strict=True):
                replica.checked(sick=is_sick)

    # --- whole answers

    async def exchange(self, request: Request) -> Answer:
        """Send one request below the service's address and return its answer; see `core.upstream.Upstream`.

        The service's own header fields are added, and replace those of the same name. What is not `repeatable` goes
        over a connection of its own: of a pooled one nobody can know that the upstream is not just closing it. Faults
        that come after such a request was sent say `maybe_executed`. To cancel this ends the connection.
        """
        return await self._attempts.carry(request, most=self.guard.attempts if request.repeatable else 0)

    def aim(self, call: Call) -> Upstream:
        """The same for this one call: where it is to go, how often it is sent, and when it is made a second time."""
        method, service = call.method, self.service
        key = None if self.choice.only is not None else key_of(call, service.sticky)
        hedge = method.hedge if method.safe else None
        again = service.retries.idempotent and method.idempotent
        if key is None and hedge is None and not again and not call.tried:
            return self
        return Aimed(
            self._attempts,
            max(0, self.guard.attempts - call.tried),
            key=key,
            again=again,
            hedge=hedge,
            latency=self._latency(method) if hedge is not None and hedge.quantile else None,
            may_hedge=self._may_hedge,
            # It failed just now: whoever it was is asked last.
            tried=[one for one in self.choice.replicas if one.troubled] if call.tried else [],
        )

    def _latency(self, method: Method) -> Latency:
        if method.name not in self._latencies and len(self._latencies) >= MOST_TIMED:
            self._latencies.clear()
        return self._latencies.setdefault(method.name, Latency())

    def _may_hedge(self) -> bool:
        """Whether a call that is late may be made a second time: nobody waits for a turn, and the budget has it."""
        now = asyncio.get_running_loop().time()
        room = not self._turns.waiting and self._turns.taken < self.service.concurrency
        return room and not self.guard.shut and self.guard.spend(self.choice.sent, now, hedge=True)

    async def ask(self, request: Request) -> Answer:
        """The answer to a question of the gate's own; it is raised what `exchange` raises."""
        return await self._attempts.carry(request, most=0, counts=False)

    # --- for whoever carries a request through by itself, part by part

    def at_hand(self) -> Lease | None:
        """A connection that carried others before, if there is one and a turn, without waiting."""
        if self.guard.shut:
            return None
        replica = self.choice.only or self.choice.order()[0]
        connection = replica.pool.idle()
        if connection is None:
            return None
        if not self._turns.take_now():
            replica.pool.give_back(connection)
            return None
        return self._leased(replica, connection)

    def _leased(self, replica: Replica, connection: Connection) -> Lease:
        if self.choice.only is None:
            self.choice.went()
        lease = connection.lease
        if not isinstance(lease, Lease):
            lease = connection.lease = Lease(self._turns, self.guard, replica, connection, pooled=True)
        else:
            lease.since = perf_counter()
        return lease

    @property
    def full(self) -> bool:
        """Whether nothing but others' requests keeps one from being sent."""
        return self._turns.full and not self.guard.shut

    def stand(self, deadline: float, principal: Principal | None, ready: Callable[[], None]) -> Place:
        """Wait for a turn, without a task; `in_turn` has to follow when `ready` is called. Raises `Unavailable`."""
        return self._turns.stand(deadline, principal, ready)

    def in_turn(self, seconds: float) -> Lease | None:
        """A connection for whoever's turn it is now, new if there is no other; else None, and the turn is over."""
        if not self.guard.shut:
            replica = self.choice.only or self.choice.order()[0]
            connection = replica.pool.idle()
            if connection is not None:
                return self._leased(replica, connection)
            if current.get() is None:
                return self._begun(replica, seconds)
        self._turns.give()
        return None

    def begun(self, seconds: float) -> Lease | None:
        """A new connection for one request, which begins to be made now, if there is a turn and nothing to wait for."""
        if self.guard.shut or current.get() is not None:
            return None  # it has to be asked, or what the connection calls would run in a trace's context
        replica = self.choice.only or self.choice.order()[0]
        if not self._turns.take_now():
            return None
        return self._begun(replica, seconds)

    def _begun(self, replica: Replica, seconds: float) -> Lease | None:
        """A new connection for whoever has a turn; else None, and the turn is over."""
        connection = replica.pool.begun(seconds)
        if connection is None:
            self._turns.give()
            return None
        self.choice.went()
        return Lease(self._turns, self.guard, replica, connection, pooled=False)

    async def lease(
        self, deadline: float, principal: Principal | None = None, other_than: Failed | None = None
    ) -> Lease:
        """A new connection, when it is this caller's turn; to another replica than that of a lease which failed, if it can be.

        Raises `UpstreamUnreachable`, `DeadlineExceeded` or `Unavailable`; nothing was sent then.
        """
        loop, guard = asyncio.get_running_loop(), self.guard
        guard.enter(loop.time())
        recorded = current.set(None)  # what a connection calls runs in the context in which it was made
        try:
            taken = await self._turns.take(deadline, principal)
            tried = [other_than.replica] if isinstance(other_than, Lease) else []
            replica, connection = await self._fresh(deadline, tried, taken=taken)
        except NotConnectedError as failure:
            guard.failed(loop.time(), str(failure))
            raise self.fault(failure, safe=True) from failure
        except ExpiredError as failure:
            guard.abandoned(loop.time())
            raise self.fault(failure, safe=True) from failure
        except BaseException:
            guard.abandoned(loop.time())
            raise
        finally:
            current.reset(recorded)
        return Lease(self._turns, guard, replica, connection, pooled=False)

    async def _fresh(
        self, deadline: float, tried: Sequence[Replica], *, taken: bool
    ) -> tuple[Replica, Connection]:
        """A new connection to the first replica that takes one; the turn is given back if there is none."""
        if not taken:
            raise ExpiredError(sent=False)
        try:
            return await self._connected(deadline, tried)
        except BaseException:
            self._turns.give()
            raise

    async def _connected(self, deadline: float, tried: Sequence[Replica]) -> tuple[Replica, Connection]:
        replicas = self.choice.order(tried=tried)
        self.choice.went()
        last = NotConnectedError("it has no address")
        for left, replica in zip(range(len(replicas), 0, -1), replicas, strict=True):
            try:
                return replica, await replica.pool.fresh(deadline, share=left)
            except NotConnectedError as failure:
                self.guard.unreached(asyncio.get_running_loop().time(), replica)
                last = failure
        raise last

    def again(self, trouble: Exception | Answer, left: float) -> float | None:
        """In how many seconds a safe request that came to this is sent once more, None if it is not; see `core.upstream.Carrier`."""
        if not self.guard.attempts:
            return None
        return self._attempts.again(trouble, left, 1)

    def fault(self, failure: Exception, *, safe: bool) -> Fault:
        """What is said to a caller whose request failed so; of what is not `safe` nobody knows whether it happened."""
        self._attempts.failures += 1
        return self._attempts.fault(failure, safe=safe, max_reply=0)

    async def close(self) -> None:
        """End every connection, and with them the exchanges that are under way."""
        await asyncio.gather(*(replica.pool.close() for replica in self.choice.replicas))


class Beside:
    """A service's upstream for what no caller asks."""

    def __init__(self, upstream: HttpUpstream) -> None:
        self._upstream = upstream

    async def exchange(self, request: Request) -> Answer:
        """As `core.upstream.Upstream` has it."""
        return await self._upstream.ask(request)


def _replicas(service: Service, tls: ssl.SSLContext | Live | None, idle_seconds: float) -> list[Replica]:
    fields = tuple(
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in service.headers.items()
    )
    made = []
    for url in service.urls:
        pool = Pool(
            Origin.parse(url),
            size=service.concurrency,
            tls=tls,
            idle_seconds=idle_seconds,
            connect_seconds=service.connect_timeout,
        )
        made.append(Replica(pool, fields, service.read_timeout))
    return made
