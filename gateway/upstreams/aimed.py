"""How is one call carried out that goes to a certain replica, or is made a second time when it is late?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from gateway.core.latency import Latency
from gateway.core.method import Hedge
from gateway.core.upstream import Answer, Request
from gateway.upstreams.attempts import Attempts
from gateway.upstreams.replica import Replica


class Aimed:
    """A service's upstream for one call: `key` chooses its replica, `hedge` says when it is made a second time."""

    def __init__(
        self,
        attempts: Attempts,
        most: int,
        *,
        key: bytes | None,
        again: bool,
        hedge: Hedge | None,
        latency: Latency | None,
        may_hedge: Callable[[], bool],
        tried: Sequence[Replica] = (),
    ) -> None:
        """`most` = how often it is sent again at most; `again` = although it changes something.

        The replicas that were `tried` already are asked last.
        """
        self._attempts = attempts
        self._most = most
        self._key = key
        self._again = again
        self._hedge = hedge
        self._latency = latency
        self._may_hedge = may_hedge
        self._tried = tried

    async def exchange(self, request: Request) -> Answer:
        """As `core.upstream.Upstream` has it."""
        after = self._late_after() if request.repeatable else None
        if after is not None and request.room is not None:
            request = replace(request, room=None)  # two answers would come into it
        loop = asyncio.get_running_loop()
        began = loop.time()
        tried = list(self._tried)
        answer = await (self._carry(request, tried) if after is None else self._hedged(request, tried, after))
        if self._latency is not None:
            self._latency.note(loop.time() - began)
        return answer

    def _late_after(self) -> float | None:
        """The seconds after which the call is late; None while nobody knows what is usual, or it is not hedged."""
        if self._hedge is None:
            return None
        return (
            self._latency.quantile(self._hedge.quantile) if self._latency is not None else self._hedge.seconds
        )

    async def _carry(self, request: Request, tried: list[Replica]) -> Answer:
        most = self._most if request.repeatable or self._again else 0
        return await self._attempts.carry(request, most=most, key=self._key, tried=tried)

    async def _hedged(self, request: Request, tried: list[Replica], after: float) -> Answer:
        """The answer that comes first; the other call is ended."""
        loop = asyncio.get_running_loop()
        calls = {loop.create_task(self._carry(request, tried), name="a call that may be hedged")}
        try:
            done, _ = await asyncio.wait(calls, timeout=after)
            if not done and self._may_hedge():
                calls.add(loop.create_task(self._carry(request, tried), name="a hedge"))
            return await _first(calls)
        finally:
            left = []
            for call in calls:
                if call.cancel():
                    left.append(call)
                elif not call.cancelled():
                    call.exception()  # of one that failed as whoever asked went away nobody else hears
            await asyncio.gather(*left, return_exceptions=True)


async def _first(calls: set[asyncio.Task[Answer]]) -> Answer:
    """The first answer; the failure of the last, if none comes."""
    waiting = set(calls)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        answered = [call for call in done if call.exception() is None]
        if answered or not waiting:
            return (answered or list(done))[0].result()
