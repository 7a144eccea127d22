"""How does one call go to a JSON-RPC upstream and its answer come back, without a task?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from gateway.core.call import Call
from gateway.core.faults import DeadlineExceeded, Fault, InternalFault, TooLarge
from gateway.core.heads import AnswerHead
from gateway.core.ports import Messenger
from gateway.core.service import Service
from gateway.core.upstream import MOST_AT_ONCE, Answer, Carrier, Lease, Place
from gateway.doors.part import Part
from gateway.relay import Relay, Trip
from gateway.wire.passage import SOON
from gateway.wire.upstream import ConnectionLostError, ExpiredError, NotConnectedError

log = logging.getLogger("labgate.doors")

_POST: Final = b"POST"
_BUSY: Final = 429
"""Answers of this status and higher ones may ask to be asked again."""

_MISTAKE: Final = "call failed by a mistake of the gate's"


class RpcTrip:
    """One call on its way: the `Receiver` of the upstream's answer.

    A safe one goes over a connection that has carried others, when it is its turn; where that turns out to be gone, the call
    is made once more by the relay, as any other. One that may change something goes over a connection of its own, which is
    only just being made; only where that came to nothing, so that nothing was sent, is it made by the relay. It goes on to
    its end whoever waits for it.
    """

    def __init__(
        self,
        relay: Relay,
        loop: asyncio.AbstractEventLoop,
        part: Part,
        trip: Trip,
        finish: Callable[[Part, float], None],
        carrier: Carrier,
        found: tuple[Messenger, str],
    ) -> None:
        route = relay.routes[trip.call.method.service]
        self.over = False
        self._relay = relay
        self._loop = loop
        self._service: Service = route.service
        self._messenger, self._address = found
        self._carrier = carrier
        self._part = part
        self._trip = trip
        self._lease: Lease | None = None
        self._place: Place | None = None
        self._finish: Callable[[Part, float], None] | None = finish
        self._token = b""
        self._head: AnswerHead | None = None
        self._pieces: list[bytes] = []
        self._room = route.service.max_reply
        # A call of a batch may have waited for its turn: its time goes on meanwhile.
        self._left = min(trip.call.deadline - trip.started, route.service.timeout)
        self._within = min(self._left, route.service.within)
        self._until = trip.started + self._within
        self._again: asyncio.Task[None] | None = None
        self._safe = trip.call.method.safe
        self._outlasts: asyncio.Future[None] | None = None
        """Done when it is over, where the gate waits for that."""

    @property
    def told(self) -> bool:
        """Whether everything has been said to whom it was for."""
        return self._finish is None

    @classmethod
    def begin(
        cls,
        relay: Relay,
        loop: asyncio.AbstractEventLoop,
        call: Call,
        part: Part,
        finish: Callable[[Part, float], None],
    ) -> RpcTrip | None:
        """Set off; None, with nothing done, where the relay has to be asked for the reply."""
        route = relay.routes[call.method.service]
        carrier = route.carrier
        if carrier is None or part.verdict is None or route.service.within < SOON:
            return None
        method = call.method
        if method.hedge is not None or (method.idempotent and not method.safe):  # it may be sent twice
            return None
        found = route.dialect.messenger(method, route.service, route.address)
        if found is None:
            return None
        if method.safe:
            lease = carrier.at_hand()
        elif len(call.ask.raw or b"") <= MOST_AT_ONCE:
            lease = carrier.begun(min(route.service.within, call.deadline - loop.time()))
        else:
            return None
        if lease is None and not (method.safe and carrier.full):
            return None
        trip = relay.solo(call, part.verdict)
        if trip is None:
            if lease is not None:
                lease.release()
            return None
        made = cls(relay, loop, part, trip, finish, carrier, found)
        if lease is not None:
            made._send(lease)
        else:
            made._stand()
        return made

    # --- the way there

    def _stand(self) -> None:
        """Wait for a turn."""
        self._until = self._trip.started + self._left
        try:
            self._place = self._carrier.stand(self._until, self._trip.call.principal, self._turned)
        except Fault as fault:
            self._fall(fault)

    def _turned(self) -> None:
        """It is this call's turn."""
        now = self._loop.time()
        self._left = self._until - now
        if self._left <= 0:
            self._late()
            return
        self._place = None
        self._within = min(self._left, self._service.within)
        self._until = now + self._within
        lease = self._carrier.in_turn(self._left)
        if lease is None:
            self._set_off_anew(self._trip.call, 0.0)
            return
        self._send(lease)

    def _send(self, lease: Lease) -> None:
        self._lease = lease
        call, address = self._trip.call, self._address
        try:
            errand = self._messenger.request(call, self._service, self._left)
            own, fields = self._carrier.own_fields, errand.fields
            if own:
                fields = tuple([field for field in fields if field[0].lower() not in own])
            lines = b"".join([b"%b: %b\r\n" % field for field in fields])
            length = b"Content-Length: %d\r\n" % len(errand.body)
            head = lease.head(_POST, address.encode("ascii"), b"", None, lines, length)
            self._token = errand.token
            lease.connection.start(head + errand.body, self, whole=True, bodiless=False)
        except NotConnectedError as failure:
            self.failed(failure)
        except Fault as fault:
            self._release()
            self._fall(fault)
        except Exception:
            log.exception(_MISTAKE, extra={"request_id": call.id})
            self._give_up()
            self._mistaken()

    def _release(self) -> None:
        """The exchange with the upstream is over."""
        if self._lease is not None:
            self._lease.release()

    # --- the answer

    def whole(self, head: AnswerHead, body: bytes) -> None:
        """The answer came in one piece."""
        self._release()
        if len(body) > self._room:
            self._fall(self._too_large())
        elif head.status < _BUSY or not self._asks_again(head, body):
            self._land(head, body)

    def head(self, head: AnswerHead) -> None:
        """The answer begins."""
        self._head = head
        self._moved()

    def piece(self, data: bytes) -> None:
        """Some of its body."""
        self._moved()
        self._room -= len(data)
        self._pieces.append(data)
        if self._room < 0 and not self.over:
            self._give_up()
            self._fall(self._too_large())

    def end(self) -> None:
        """It is complete."""
        if self.over or self._head is None:
            return
        self._release()
        head, body = self._head, b"".join(self._pieces)
        if head.status < _BUSY or not self._asks_again(head, body):
            self._land(head, body)

    def failed(self, failure: Exception) -> None:
        """It does not come."""
        if self.over:
            return
        self._release()
        unsent = isinstance(failure, NotConnectedError)
        # The upstream had closed a connection that was kept: nothing was answered, and nothing is changed.
        gone = self._safe and isinstance(failure, ConnectionLostError) and not failure.begun
        if (unsent or gone) and (self._finish is not None or not self._safe):
            self._set_off_anew(self._trip.call, 0.0)
        elif not self._goes_again(failure):
            self._fall(self._carrier.fault(failure, safe=self._safe))

    def _asks_again(self, head: AnswerHead, body: bytes) -> bool:
        """Whether the call is made again because of this answer."""
        return self._goes_again(Answer(head.status, "", head.fields, body))

    def _goes_again(self, outcome: Exception | Answer) -> bool:
        """Whether the call, which came to this, is made again."""
        if self._finish is None or not self._safe:
            return False
        call = self._trip.call
        wait = self._carrier.again(outcome, call.deadline - self._loop.time())
        if wait is None:
            return False
        self._set_off_anew(replace(call, tried=call.tried + 1), wait)
        return True

    def _set_off_anew(self, call: Call, wait: float) -> None:
        self.over = True
        self._relay.fell(self._trip, None)
        work = self._once_more(call, wait)
        self._again = self._loop.create_task(work) if self._safe else self._relay.adopt(work)
        self._outlasted()

    async def _once_more(self, call: Call, wait: float) -> None:
        part, finish = self._part, self._finish
        if wait:
            await asyncio.sleep(wait)
        try:
            part.reply = await self._relay.obtain(call)
        except Fault as fault:
            part.fault = fault
        if finish is not None and self._finish is not None:
            finish(part, self._loop.time() - self._trip.started)

    def interim(self, status: int) -> None:
        """Interim answers end here."""

    def tunnel(self, data: bytes) -> None:
        """Never so: nothing else was asked for."""

    def fed(self) -> None:
        """The answer is awaited whole."""

    def pause(self) -> None:
        """The request is short, and was sent."""

    resume = pause

    # --- the end

    def _land(self, head: AnswerHead, body: bytes) -> None:
        call = self._trip.call
        try:
            replica = self._lease.address if self._lease is not None else None
            answer = Answer(head.status, "", head.fields, body, replica=replica)
            reply = self._messenger.reply(answer, self._token, call, self._service)
        except Fault as fault:
            self._fall(fault)
            return
        except Exception:
            log.exception(_MISTAKE, extra={"request_id": call.id})
            self._mistaken()
            return
        self.over = True
        self._part.reply = self._relay.landed(self._trip, reply)
        self._tell()

    def _give_up(self) -> None:
        """End the exchange with the upstream, or the waiting for it."""
        place, self._place = self._place, None
        if place is not None:
            place.leave()
        if self._lease is not None:
            self._lease.connection.leave()
            self._lease.release()

    def _mistaken(self) -> None:
        self._fall(InternalFault("The gate made a mistake; its log tells more, under this request id."))

    def _fall(self, fault: Fault) -> None:
        self.over = True
        self._relay.fell(self._trip, fault)
        self._part.fault = fault
        self._tell()

    def _tell(self) -> None:
        finish, self._finish = self._finish, None
        self._outlasted()
        if finish is not None:
            finish(self._part, self._loop.time() - self._trip.started)

    def leave(self) -> None:
        """The caller has gone: nobody is told any more, and a safe trip ends unless others wait for it."""
        self._finish = None
        if self._again is not None:
            # A write has set off by then, and goes on whoever waits.
            self._loop.call_soon(self._again.cancel)
        if self.over:
            return
        if self._safe and not self._trip.flight.awaited:
            self._end_early()
            return
        # Nobody looks at the time any more.
        self._loop.call_at(self._until, self._late)
        if not self._safe:
            self._outlasts = self._loop.create_future()
            self._relay.adopt(self._outlast(self._outlasts))
            if self._trip.audited is not None:
                self._trip.audited.heard = False

    def _end_early(self) -> None:
        """It is nobody's any more."""
        self.over = True
        self._give_up()
        self._relay.fell(self._trip, None)

    async def _outlast(self, over: asyncio.Future[None]) -> None:
        """Have the gate wait for a write that nobody else waits for."""
        try:
            await over
        except asyncio.CancelledError:
            if not self.over:
                self._end_early()
                if self._trip.audited is not None:
                    self._trip.audited.ended()
            raise

    def _outlasted(self) -> None:
        if self._outlasts is not None and not self._outlasts.done():
            self._outlasts.set_result(None)

    def check(self, now: float) -> None:
        """End what has taken too long; `now` is on the loop's clock."""
        if now > self._until:
            self._late()

    def _moved(self) -> None:
        """Something has come: there is time for more, where it may only not stand still."""
        service = self._service
        if service.read_timeout is not None:
            until = self._trip.started + self._left
            self._until = min(until, self._loop.time() + service.read_timeout)

    def _late(self) -> None:
        if self.over:
            return
        lease = self._lease
        if lease is None:
            self._give_up()
            self._fall(self._carrier.fault(ExpiredError(sent=False), safe=True))
        else:
            lease.late(self._within)
            self._give_up()
            self._fall(
                DeadlineExceeded(
                    f"The service {self._service.qualified!r} did not answer within the call's time.",
                    **self._doubt,
                )
            )

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"The answer of {self._service.qualified!r} is larger than {self._service.max_reply} bytes.",
            **self._doubt,
        )

    @property
    def _doubt(self) -> dict[str, bool]:
        """What is said of a failure after which nobody knows whether something was changed."""
        return {} if self._safe else {"maybe_executed": True}
