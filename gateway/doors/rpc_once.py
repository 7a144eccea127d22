"""How is a message with an `Idempotency-Key` carried out once, however often it comes?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from gateway.core.cache_status import trip_status
from gateway.core.faults import (
    DeadlineExceeded,
    Fault,
    Forbidden,
    InvalidParams,
    RateLimited,
    Unavailable,
    UnknownMethod,
    UpstreamUnreachable,
)
from gateway.core.repeats import FIELD, Once, by_key, key_of
from gateway.core.reply import Fields
from gateway.core.verdict import HttpHead, Pass
from gateway.doors.asked import Asked
from gateway.outcomes import LARGEST, Outcome, Outcomes
from gateway.wire.answer import Answer

Work = Callable[[], Awaitable[tuple[Answer, bool]]]

_REPEATED: Final = trip_status(
    Pass("a repetition"), stored=False, collapsed=False, status=None, ttl=None
).encode()
_OF_ONE_ANSWER: Final = (b"cache-status", b"server-timing", b"age")
_BEFORE_ANYTHING: Final = (
    UpstreamUnreachable,
    DeadlineExceeded,
    RateLimited,
    Unavailable,
    Forbidden,
    UnknownMethod,
    InvalidParams,
)
"""Faults of calls that did not run, unless they say themselves that it may be."""


def once_of(asked: Asked, place: str, *said: bytes) -> Once | None:
    """What the request's key makes of it, None without one. Raises `BadRequest`.

    Keys are told apart by principal and `place`; the same key for something else that is `said`, for another datastack or
    another encoding is a mistake.
    """
    headers = asked.request.headers
    key = key_of(_bytes(headers.get(FIELD.decode())))
    if key is None:
        return None
    around = (asked.datastack, headers.get("Content-Type"), headers.get("Accept"))
    return by_key(asked.principal, asked.client, place, key, (*said, *(_bytes(one) or b"" for one in around)))


class OnceDesk:
    """Knows which messages were carried out already, and answers their repetitions with what came of the first."""

    def __init__(
        self,
        outcomes: Outcomes,
        adopt: Callable[[Coroutine[Any, Any, Answer]], asyncio.Task[Answer]],
    ) -> None:
        """`adopt` begins work that belongs to the app, and to no caller."""
        self._outcomes = outcomes
        self._adopt = adopt

    async def answer(self, once: Once, deadline: float, work: Work) -> Answer:
        """The answer to what `work` carries out, and which tells whether it may have reached a service.

        It is carried out to its end, whoever waits for it, as every call that may change something is. `deadline` is on the
        event loop's clock.
        """
        while (outcome := self._outcomes.begin(once)) is None:
            joined = await self._outcomes.join(once, deadline)
            if joined is not None:
                return _repeated(*joined)
        return await asyncio.shield(self._adopt(self._carry_out(outcome, deadline, work)))

    async def _carry_out(self, outcome: Outcome, deadline: float, work: Work) -> Answer:
        if self._outcomes.is_shared(outcome):
            joined = await self._outcomes.agree(outcome, deadline)
            if joined is not None:
                return _repeated(*joined)
        try:
            answer, reached = await work()
        except BaseException:
            # Nobody will ever know: the gate ends, or has made a mistake.
            self._outcomes.end(outcome, HttpHead(500, b"", ()), None)
            raise
        if reached:
            head = HttpHead(answer.status, answer.reason or b"", answer.fields)
            self._outcomes.end(outcome, head, answer.body if len(answer.body) <= LARGEST else None)
        else:
            self._outcomes.never_ran(outcome)
        return answer


def may_have_run(fault: Fault | None) -> bool:
    """Whether a call of which this came may have reached its service."""
    if fault is None or fault.data.get("maybe_executed"):
        return True
    return not isinstance(fault, _BEFORE_ANYTHING)


def _repeated(head: HttpHead, body: bytes) -> Answer:
    return Answer(head.status, head.reason or None, _again(head.fields), body)


def _again(fields: Fields) -> Fields:
    kept = tuple(field for field in fields if field[0].lower() not in _OF_ONE_ANSWER)
    return (*kept, (b"Cache-Status", _REPEATED))


def _bytes(text: str | None) -> bytes | None:
    # Fields come as aiohttp decoded them: bytes that are no UTF-8 as lone surrogates.
    return None if text is None else text.encode("utf-8", "surrogateescape")
