"""How often is a request tried, and what is said when no attempt brings an answer?"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from msgspec.structs import replace

from gateway.core.breaker import says_down
from gateway.core.faults import DeadlineExceeded, Fault, TooLarge, UpstreamBroken, UpstreamUnreachable
from gateway.core.retrying import asks_to_wait, delay, wait_for
from gateway.core.trace_context import without_context
from gateway.core.tracing import Traced, current
from gateway.core.upstream import Answer, Request
from gateway.upstreams.choice import Choice
from gateway.upstreams.guard import Guard
from gateway.upstreams.replica import Replica
from gateway.upstreams.turns import Turns
from gateway.wire.upstream import ConnectionLostError, ExpiredError, NotConnectedError
from gateway.wire.upstream_answer import AnswerTooLargeError, MalformedAnswerError

FAILURES: Final = (
    NotConnectedError,
    ConnectionLostError,
    ExpiredError,
    MalformedAnswerError,
    AnswerTooLargeError,
)
"""What can become of a request that gets no answer."""

_FAILED: Final = 400
_BUSY: Final = 429
"""Answers of this status and higher ones may ask to be asked again."""

_TRANSIENT: Final = (NotConnectedError, ConnectionLostError, MalformedAnswerError)


def is_transient(failure: Exception) -> bool:
    """Whether the next attempt may well bring an answer."""
    return isinstance(failure, _TRANSIENT) or (isinstance(failure, ExpiredError) and failure.silent)


class Attempts:
    """Carries requests to a service whose answers are awaited whole. `failures` counts those that got none."""

    def __init__(self, name: str, choice: Choice, turns: Turns, guard: Guard) -> None:
        self.failures = 0
        self._name = name
        self._choice = choice
        self._turns = turns
        self._guard = guard

    async def carry(
        self,
        request: Request,
        *,
        most: int,
        key: bytes | None = None,
        tried: list[Replica] | None = None,
        counts: bool = True,
    ) -> Answer:
        """The answer to a request, which is sent again at most so often; raises what `core.upstream.Upstream.exchange` does.

        Requests with the same `key` go to the same replica; those `tried` already come last, and are added to. What does
        not `count` is not kept from being asked, and says nothing of the service.
        """
        try:
            return await self._carry(request, most, key, [] if tried is None else tried, counts=counts)
        except FAILURES as failure:
            self.failures += 1
            raise self.fault(failure, safe=request.repeatable, max_reply=request.max_reply) from failure

    async def _carry(
        self, request: Request, most: int, key: bytes | None, tried: list[Replica], *, counts: bool
    ) -> Answer:
        for attempt in range(1, most + 1):
            try:
                answer = await self._attempt(request, key, tried, counts=counts)
            except FAILURES as failure:
                wait = self.again(failure, _left(request), attempt)
                if wait is None:
                    raise
            else:
                if answer.status < _BUSY:
                    return answer
                wait = self.again(answer, _left(request), attempt)
                if wait is None:
                    return answer
            await asyncio.sleep(wait)
            request = _with_less_time(request)
        return await self._attempt(request, key, tried, counts=counts)

    def again(self, outcome: Exception | Answer, left: float, attempt: int) -> float | None:
        """In how many seconds a request with this outcome is sent once more; it is counted then.

        None if it is not: the outcome is final, or there is no time `left`, or the budget has no more.
        """
        if isinstance(outcome, Exception):
            wait = _pause(attempt) if is_transient(outcome) else None
        elif asks_to_wait(outcome.status, outcome.fields, outcome.body):
            wait = wait_for(outcome.fields, left)
        elif self._choice.only is None and says_down(outcome.status, outcome.body):
            wait = _pause(attempt)
        else:
            # What the only replica says is the service's word; of several another one may have a better.
            wait = None
        if wait is None or wait >= left:
            return None
        now = asyncio.get_running_loop().time()
        return wait if self._guard.spend(self._choice.sent, now) else None

    # --- one attempt

    async def _attempt(
        self, request: Request, key: bytes | None, tried: list[Replica], *, counts: bool
    ) -> Answer:
        """When it is its turn, ask one replica after the other as long as nothing was sent."""
        loop, guard = asyncio.get_running_loop(), self._guard
        if counts and guard.shut:
            guard.enter(loop.time())
        try:
            taken = await self._turns.take(request.deadline, request.principal)
        except BaseException:
            guard.abandoned(loop.time())
            raise
        if not taken:
            guard.abandoned(loop.time())
            raise ExpiredError(sent=False)
        try:
            return await self._one_by_one(loop, request, key, tried, counts=counts)
        finally:
            self._turns.give()

    async def _one_by_one(
        self,
        loop: asyncio.AbstractEventLoop,
        request: Request,
        key: bytes | None,
        tried: list[Replica],
        *,
        counts: bool,
    ) -> Answer:
        replicas = self._choice.order(key, tried)
        self._choice.went()
        last = NotConnectedError("it has no address")
        for left, replica in zip(range(len(replicas), 0, -1), replicas, strict=True):
            tried.append(replica)
            try:
                return await self._ask(loop, replica, request, left, counts=counts)
            except NotConnectedError as failure:
                last = failure
        if counts:
            self._guard.failed(loop.time(), str(last))
        raise last

    async def _ask(
        self,
        loop: asyncio.AbstractEventLoop,
        replica: Replica,
        request: Request,
        share: int,
        *,
        counts: bool,
    ) -> Answer:
        """Ask one replica, and have the guard know what became of it."""
        guard = self._guard
        began = loop.time()
        given = request.deadline - began
        heard = not counts
        try:
            above = current.get()
            if above is None:
                answer = await replica.send(request, share=share)
            else:
                answer = await _recorded(above, replica, request, share)
        except NotConnectedError:
            heard = True  # whoever asks the next one will know
            guard.unreached(loop.time(), replica)
            raise
        except FAILURES as failure:
            heard = heard or self._blame(failure, replica, given)
            raise
        else:
            if counts:
                replica.durations.note(loop.time() - began)
            if not heard:
                heard = True
                if guard.alert or says_down(answer.status, answer.body):
                    self._praise(answer, replica, loop.time())
            return answer
        finally:
            # Who leaves because the service's time is over need not wait for us to find that out.
            if not heard and not guard.late(loop.time(), loop.time() - began, replica):
                guard.abandoned(loop.time())

    def _praise(self, answer: Answer, replica: Replica, now: float) -> None:
        """Have the guard know of an answer: it may say that the service is down."""
        if says_down(answer.status, answer.body):
            self._guard.failed(now, f"HTTP {answer.status}", replica)
        else:
            self._guard.succeeded(now, replica)

    def _blame(self, failure: Exception, replica: Replica, given: float) -> bool:
        """Have the guard know of a failure; whether it says anything of the service, which was `given` so many seconds."""
        now = asyncio.get_running_loop().time()
        if is_transient(failure):
            self._guard.failed(now, f"it {failure}", replica)
            return True
        return isinstance(failure, ExpiredError) and failure.sent and self._guard.late(now, given, replica)

    # --- what is said

    def fault(self, failure: Exception, *, safe: bool, max_reply: int) -> Fault:
        """What is said to a caller whose request failed so; of what is not `safe` nobody knows whether it happened."""
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
            case ExpiredError(silent=True):
                return DeadlineExceeded(f"{service} {failure}.", **doubt)
            case ExpiredError():
                return DeadlineExceeded(f"{service} did not answer within the call's time.", **doubt)
            case AnswerTooLargeError():
                return TooLarge(f"The answer of {self._name!r} is larger than {max_reply} bytes.", **doubt)
            case _:
                return UpstreamBroken(f"{service} broke HTTP: {failure}.", **doubt)


async def _recorded(above: Traced, replica: Replica, request: Request, share: int) -> Answer:
    """One attempt of a request that is recorded, or that belongs to somebody's trace: the replica is told of it."""
    span = above.step(request.verb, "client")
    span.set("http.request.method", request.verb)
    span.set("server.address", replica.address)
    # What a connection calls runs in the context in which it was made.
    token = current.set(None)
    try:
        told = replace(request, fields=(*without_context(request.fields), *span.fields()))
        answer = await replica.send(told, share=share)
    except BaseException as failure:
        span.end(failure)
        raise
    finally:
        current.reset(token)
    span.set("http.response.status_code", answer.status)
    span.end(f"HTTP {answer.status}" if answer.status >= _FAILED else None)
    return answer


def _left(request: Request) -> float:
    return request.deadline - asyncio.get_running_loop().time()


def _with_less_time(request: Request) -> Request:
    """The request with the time that is left for it now."""
    left = b"%.3f" % max(0.001, _left(request))
    fields = tuple((name, left if name == b"Labgate-Timeout" else value) for name, value in request.fields)
    return replace(request, fields=fields)


def _pause(attempt: int) -> float:
    return delay(attempt, random.random())  # noqa: S311 - it spreads, and hides nothing
