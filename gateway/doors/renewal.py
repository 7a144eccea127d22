"""How is a stale reply renewed beside the requests that it answers?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from msgspec import Struct

from gateway.core.faults import DeadlineExceeded, Fault, UpstreamBroken
from gateway.core.heads import AnswerHead
from gateway.core.reply import Reply, Whole
from gateway.core.upstream import Carrier, Lease
from gateway.core.validators import confirms
from gateway.core.verdict import Entry, Miss
from gateway.core.wanted import Wanted
from gateway.doors.keeping import Keeping, Kept
from gateway.relay import Relay
from gateway.wire.upstream import ConnectionLostError, NotConnectedError


class Errand(Struct, frozen=True):
    """A request that asks for a newer reply than `old`: its head's parts, its body, and the seconds that it may take."""

    wanted: Wanted
    miss: Miss
    old: Entry
    carrier: Carrier
    verb: bytes
    rest: bytes
    query: bytes
    host: bytes | None
    lines: bytes
    body: bytes
    seconds: float


class Renewal:
    """One trip that renews a stored reply: the `Receiver` of its answer. It belongs to the gate and to no caller."""

    def __init__(self, relay: Relay, errand: Errand, wall: Callable[[], float]) -> None:
        self._relay = relay
        self._book = relay.book
        self._errand = errand
        self._wall = wall
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeping: Keeping | None = None
        self._requested = 0.0
        self._stored = False

    async def fly(self) -> Reply:
        """Ask the service, and store what it says. Raises a Fault if it does not answer."""
        errand = self._errand
        deadline = asyncio.get_running_loop().time() + errand.seconds
        pooled = errand.carrier.at_hand()
        try:
            if pooled is None or not await self._ask_pooled(pooled, deadline):
                await self._ask(await errand.carrier.lease(deadline), deadline)
        except (Fault, asyncio.CancelledError):
            raise
        except TimeoutError:
            raise DeadlineExceeded("The service did not answer in time.") from None
        except Exception as failure:
            raise errand.carrier.fault(failure, safe=True) from failure
        return Reply("http", Whole(b""), errand.miss, stored=self._stored)

    async def _ask_pooled(self, lease: Lease, deadline: float) -> bool:
        """Ask over a connection that was kept; False if the service had closed it, and nothing was answered."""
        try:
            await self._ask(lease, deadline)
        except NotConnectedError:
            pass
        except ConnectionLostError as lost:
            if lost.begun:
                raise
        else:
            return True
        self._ended = asyncio.get_running_loop().create_future()
        return False

    async def _ask(self, lease: Lease, deadline: float) -> None:
        errand = self._errand
        lines = errand.lines + b"Labgate-Timeout: %.3f\r\n" % errand.seconds
        head = lease.head(errand.verb, errand.rest, errand.query, errand.host, lines)
        self._requested = self._wall()
        try:
            lease.connection.start(head + errand.body, self, whole=True, bodiless=False)
            try:
                async with asyncio.timeout_at(deadline):
                    await self._ended
            except TimeoutError:
                lease.late(errand.seconds)
                lease.connection.leave()
                raise
            except asyncio.CancelledError:
                lease.connection.leave()
                raise
        finally:
            lease.release()

    # --- the answer

    def head(self, head: AnswerHead) -> None:
        """The answer begins."""
        try:
            self._judge(head)
        except Exception as mistake:  # noqa: BLE001 - the flight tells it, and not the upstream's connection
            self.failed(mistake)

    def _judge(self, head: AnswerHead) -> None:
        book, errand, now = self._book, self._errand, self._wall()
        if head.status == 304:
            stored = errand.old.head
            if stored is not None and confirms(stored.fields, head.fields, alone=True):
                entry = book.freshen(
                    errand.wanted, errand.miss, errand.old, head.fields, self._requested, now
                )
                self._stored = entry is not None
            else:
                book.drop(errand.old)
            return
        lasting = errand.wanted.lasting
        how = book.how(lasting, head.status, head.fields, self._requested, now)
        if not isinstance(how, str):
            kept = Kept(errand.wanted, errand.miss, how, head, self._requested, now, lasting.rule)
            self._keeping = Keeping(self._relay, kept)
        elif head.status < 500:
            book.drop(errand.old)

    def piece(self, data: bytes) -> None:
        """Some of the body."""
        if self._keeping is not None and not self._keeping.write(data):
            self._keeping = None

    def end(self) -> None:
        """The answer is whole."""
        if self._keeping is not None:
            self._keeping.seal(self._kept)
            return
        self._settle()

    def _kept(self, entry: Entry | None) -> None:
        self._stored = entry is not None
        self._settle()

    def _settle(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def whole(self, head: AnswerHead, body: bytes) -> None:
        """The answer came in one piece."""
        self.head(head)
        self.piece(body)
        self.end()

    def failed(self, failure: Exception) -> None:
        """The answer does not come to its end: what is stored stays as it is."""
        if self._keeping is not None:
            self._keeping.abandon()
        if not self._ended.done():
            self._ended.set_exception(failure)

    def interim(self, status: int) -> None:
        """Interim answers say nothing here."""

    def tunnel(self, data: bytes) -> None:
        """Never so: nothing was asked to switch."""
        self.failed(UpstreamBroken("The service switched protocols unasked."))

    def fed(self) -> None:
        """Nothing is gathered here."""

    def pause(self) -> None:
        """The request was sent at once."""

    resume = pause
