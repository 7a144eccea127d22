"""Which replica of a service takes a request, and what is said when none can?"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from gateway.core.faults import DeadlineExceeded, Fault, TooLarge, UpstreamBroken, UpstreamUnreachable
from gateway.core.ports import Answer
from gateway.core.reply import Fields
from gateway.core.service import Service
from gateway.upstreams.turns import Turns
from gateway.wire.tls import Live
from gateway.wire.upstream import Connection, ConnectionLostError, ExpiredError, NotConnectedError
from gateway.wire.upstream_answer import AnswerTooLargeError, MalformedAnswerError
from gateway.wire.upstream_pool import CONNECT_SECONDS, IDLE_SECONDS, Origin, Pool
from gateway.wire.upstream_request import field_lines, request_head

WAITING_PER_TURN: Final = 16
"""How many requests may wait for each one that the service may get at once."""

REST_SECONDS: Final = 5.0
"""For how long a replica that failed is asked only after the others."""

_NEED_A_LENGTH: Final = frozenset(("POST", "PUT", "PATCH"))

_Failure = (NotConnectedError, ConnectionLostError, ExpiredError, MalformedAnswerError, AnswerTooLargeError)


class _Request(Struct, frozen=True, gc=False):
    verb: str
    path: str
    fields: Fields
    body: bytes | None
    deadline: float
    max_reply: int
    repeatable: bool


class HttpUpstream:
    """One service's replicas, behind one function: an `Upstream` over HTTP/1.1.

    Replicas take turns. `failures` counts the requests that got no answer.
    """

    def __init__(
        self,
        service: Service,
        *,
        tls: ssl.SSLContext | Live | None = None,
        idle_seconds: float = IDLE_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
    ) -> None:
        """`tls` holds the authorities that are trusted for https (default: the system's).

        Raises ValueError for a URL or a header field that cannot be used.
        """
        self.failures = 0
        self._name = service.qualified
        self._turns = Turns(service.concurrency, service.concurrency * WAITING_PER_TURN)
        fields = tuple(
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in service.headers.items()
        )
        self._replicas = [
            _Replica(
                Pool(
                    Origin.parse(url),
                    size=service.concurrency,
                    tls=tls,
                    idle_seconds=idle_seconds,
                    connect_seconds=connect_seconds,
                ),
                fields,
            )
            for url in service.urls
        ]
        self._own_fields = service.drops.union(self._replicas[0].replaced)
        self._next = 0

    @property
    def in_flight(self) -> int:
        """Requests that are at the service now."""
        return self._turns.taken

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return self._turns.waiting

    @property
    def own_fields(self) -> frozenset[bytes]:
        """The names of the fields, in lower case, that the service sends values of its own for."""
        return self._own_fields

    @property
    def connections(self) -> int:
        """Connections that there are now."""
        return sum(len(replica.pool) for replica in self._replicas)

    @property
    def opened(self) -> int:
        """Connections made so far."""
        return sum(replica.pool.opened for replica in self._replicas)

    @property
    def reused(self) -> int:
        """Requests so far that were sent on a connection which had carried others."""
        return sum(replica.pool.reused for replica in self._replicas)

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
        """Send one request below the service's address and return its answer; see `core.ports.Upstream`.

        The service's own header fields are added, and replace those of the same name. What is not `repeatable` goes
        over a connection of its own: of a pooled one nobody can know that the upstream is not just closing it. Faults
        that come after such a request was sent say `maybe_executed`. To cancel this ends the connection.
        """
        request = _Request(verb, path, fields, body, deadline, max_reply, repeatable)
        try:
            if not await self._turns.take(deadline):
                raise ExpiredError(sent=False)
            try:
                return await self._send(request)
            finally:
                self._turns.give()
        except _Failure as failure:
            self.failures += 1
            raise self._fault(failure, safe=request.repeatable, max_reply=request.max_reply) from failure

    # for whoever carries a request through by itself, part by part

    def at_hand(self) -> Lease | None:
        """A connection that carried others before, if there is one and a turn, without waiting."""
        for replica in self._in_order():
            connection = replica.pool.idle()
            if connection is None:
                continue
            if not self._turns.take_now():
                replica.pool.give_back(connection)
                return None
            lease = connection.lease
            if not isinstance(lease, Lease):
                lease = connection.lease = Lease(self._turns, replica, connection, pooled=True)
            return lease
        return None

    async def lease(self, deadline: float) -> Lease:
        """A new connection, when it is this caller's turn.

        Raises `UpstreamUnreachable`, `DeadlineExceeded` or `Unavailable`; nothing was sent then.
        """
        try:
            taken = await self._turns.take(deadline)
            replica, connection = await self._fresh(deadline, taken=taken)
        except (NotConnectedError, ExpiredError) as failure:
            raise self.fault(failure, safe=True) from failure
        return Lease(self._turns, replica, connection, pooled=False)

    async def _fresh(self, deadline: float, *, taken: bool) -> tuple[_Replica, Connection]:
        """A new connection to the first replica that takes one; the turn is given back if there is none."""
        if not taken:
            raise ExpiredError(sent=False)
        try:
            return await self._connected(deadline)
        except BaseException:
            self._turns.give()
            raise

    async def _connected(self, deadline: float) -> tuple[_Replica, Connection]:
        replicas = self._in_order()
        last: NotConnectedError | None = None
        for left, replica in zip(range(len(replicas), 0, -1), replicas, strict=True):
            try:
                return replica, await replica.pool.fresh(deadline, share=left)
            except NotConnectedError as failure:
                replica.rest()
                last = failure
        raise last or NotConnectedError("it has no address")

    def fault(self, failure: Exception, *, safe: bool) -> Fault:
        """What is said to a caller whose request failed so; of what is not `safe` nobody knows whether it happened."""
        self.failures += 1
        return self._fault(failure, safe=safe, max_reply=0)

    async def close(self) -> None:
        """End every connection, and with them the exchanges that are under way."""
        await asyncio.gather(*(replica.pool.close() for replica in self._replicas))

    async def _send(self, request: _Request) -> Answer:
        """Ask one replica after the other, as long as nothing was sent."""
        replicas = self._in_order()
        last: NotConnectedError | None = None
        for left, replica in zip(range(len(replicas), 0, -1), replicas, strict=True):
            try:
                return await replica.send(request, share=left)
            except NotConnectedError as failure:
                last = failure
        raise last or NotConnectedError("it has no address")

    def _in_order(self) -> Sequence[_Replica]:
        replicas = self._replicas
        if len(replicas) == 1:
            return replicas
        first = self._next
        self._next = (first + 1) % len(replicas)
        now = asyncio.get_running_loop().time()
        return sorted(replicas[first:] + replicas[:first], key=lambda replica: replica.rests_until > now)

    def _fault(self, failure: Exception, *, safe: bool, max_reply: int) -> Fault:
        service = f"The service {self._name!r}"
        doubt = {} if safe else {"maybe_executed": True}
        match failure:
            case NotConnectedError():
                return UpstreamUnreachable(f"{service} could not be reached: {failure}.")
            case ConnectionLostError():
                return UpstreamUnreachable(f"{service} {failure}.", **doubt)
            case ExpiredError(sent=False):
                return DeadlineExceeded(
                    f"The call's time was over before the service {self._name!r} was asked."
                )
            case ExpiredError():
                return DeadlineExceeded(f"{service} did not answer within the call's time.", **doubt)
            case AnswerTooLargeError():
                return TooLarge(f"The answer of {self._name!r} is larger than {max_reply} bytes.", **doubt)
            case _:
                return UpstreamBroken(f"{service} broke HTTP: {failure}.", **doubt)


class Lease:
    """A turn at a service and a connection to one of its replicas, for one request; to be given back by `release`."""

    __slots__ = ("_replica", "_turns", "connection", "pooled")

    def __init__(self, turns: Turns, replica: _Replica, connection: Connection, *, pooled: bool) -> None:
        self._turns = turns
        self._replica = replica
        self.connection = connection
        self.pooled = pooled
        """Whether it has carried other requests: the upstream may be closing it at this very moment."""

    def head(
        self, verb: bytes, rest: bytes, query: bytes, host: bytes | None, lines: bytes, last: bytes = b""
    ) -> bytes:
        """A request's head; `rest` is the path below the service's address, `lines` are its fields but Host.

        The service's own fields are added, `last` comes after them.
        """
        replica = self._replica
        path = replica.base + rest or b"/"
        return b"%b %b%b HTTP/1.1\r\nHost: %b\r\n%b%b%b\r\n" % (
            verb, path, query, host or replica.host, lines, replica.lines, last,
        )  # fmt: skip

    def release(self) -> None:
        """The exchange is over, however it ended."""
        self._replica.pool.give_back(self.connection)
        self._turns.give()


class _Replica:
    """One address of a service, and what is written in the head of every request to it."""

    def __init__(self, pool: Pool, fields: Fields) -> None:
        self.pool = pool
        self.rests_until = 0.0
        origin = pool.origin
        names = {name.lower() for name, _ in fields}
        if origin.userinfo is not None and b"authorization" not in names:
            basic = b"Basic " + base64.b64encode(origin.userinfo.encode())
            fields = (*fields, (b"Authorization", basic))
            names.add(b"authorization")
        self.replaced = names
        self.lines = field_lines(fields)
        self.host = origin.host_field
        self.base = origin.path.encode("ascii")

    async def send(self, request: _Request, *, share: int) -> Answer:
        """Send the request, if it may be repeated over a pooled connection and once more when that had died."""
        if request.repeatable:
            pooled = self.pool.idle()
            if pooled is not None:
                try:
                    return await self._over(pooled, request)
                except NotConnectedError:
                    pass
                except ConnectionLostError as lost:
                    if lost.begun:
                        raise
        try:
            return await self._over(await self.pool.fresh(request.deadline, share=share), request)
        except (NotConnectedError, ConnectionLostError):
            self.rest()
            raise

    def rest(self) -> None:
        """It failed: ask the others first, for a while."""
        self.rests_until = asyncio.get_running_loop().time() + REST_SECONDS

    async def _over(self, connection: Connection, request: _Request) -> Answer:
        body = request.body
        if body is None and request.verb in _NEED_A_LENGTH:
            body = b""
        try:
            return await connection.exchange(
                self._head(request, body),
                body,
                bodiless=request.verb == "HEAD",
                max_body=request.max_reply,
                deadline=request.deadline,
            )
        finally:
            self.pool.give_back(connection)

    def _head(self, request: _Request, body: bytes | None) -> bytes:
        fields = request.fields
        if self.replaced:
            fields = tuple(field for field in fields if field[0].lower() not in self.replaced)
        return request_head(
            request.verb,
            self.pool.origin.path + request.path or "/",
            self.host,
            fields,
            more=self.lines,
            length=None if body is None else len(body),
        )
