"""What happens to every request, whatever it asks for? An answer, the fields that all have, a line in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TypeVar

from msgspec.structs import replace

from gateway.core.charging import fields_of
from gateway.core.faults import Fault, InternalFault
from gateway.core.ports import Observer, Visit
from gateway.core.reply import Fields
from gateway.core.tracing import Span, Traced, within
from gateway.doors.asked import Occasion
from gateway.wire.answer import Answer, SocketAnswer, StreamAnswer

_Any = TypeVar("_Any", bound=Answer | StreamAnswer | SocketAnswer)

log = logging.getLogger("labgate.doors")

_SERVERS_FAULT = 500
CALLER_GONE = 499
"""nginx's number for a caller who went away; only the log sees it."""


async def attend(
    asked: Occasion,
    observer: Observer,
    wall: Callable[[], float],
    work: Awaitable[_Any],
    refused: Callable[[Fault], Answer],
) -> _Any | Answer:
    """The answer that the work gives, or the one that says why it gives none; counted and written down.

    `wall` tells seconds since 1970.
    """
    visit = asked.visit
    answer: _Any | Answer
    try:
        if asked.trace is None:
            answer = await work
        else:
            with within(asked.trace):
                answer = await work
    except Fault as fault:
        answer = refused(fault)
    except (ConnectionError, asyncio.CancelledError):
        visit.status = CALLER_GONE
        raise
    except Exception:
        log.exception("request failed by a mistake of the gate's", extra={"request_id": visit.id})
        answer = refused(InternalFault("The gate made a mistake; its log tells more."))
    finally:
        visit.seconds = perf_counter() - asked.started
        if visit.status == CALLER_GONE:
            visit.trace = trace_id(asked.trace)
            observer.visited(visit)
            recorded(asked.trace, visit)
    return attended(asked, observer, wall, answer)


def attended(asked: Occasion, observer: Observer, wall: Callable[[], float], answer: _Any) -> _Any:
    """The answer as it leaves: with the fields that all have, counted and written down."""
    visit = asked.visit
    answer = replace(answer, fields=answer.fields + common_fields(asked, wall))
    visit.status, visit.size = answer.status, size_of(answer)
    visit.trace = trace_id(asked.trace)
    observer.visited(visit)
    recorded(asked.trace, visit)
    return answer


def trace_id(trace: Traced | None) -> str | None:
    """The id of a trace that is recorded."""
    return trace.context.trace if isinstance(trace, Span) else None


def recorded(trace: Traced | None, visit: Visit) -> None:
    """A request that is recorded has ended: say what became of it.

    Who asked is in the access log, under the same request id: a trace may be read by more people.
    """
    if not isinstance(trace, Span):
        return
    said: dict[str, str | int | None] = {
        "http.request.method": visit.verb,
        "url.path": visit.path,
        "http.response.status_code": visit.status,
        "http.response.body.size": visit.size,
        "labgate.door": visit.door,
        "labgate.request_id": visit.id,
        "labgate.service": visit.service,
        "rpc.method": visit.method,
        "labgate.entries": visit.entries or None,
        "labgate.cache": visit.cache,
        "labgate.cache.reason": visit.reason,
    }
    for name, value in said.items():
        trace.set(name, value)
    trace.end(visit.fault or (f"HTTP {visit.status}" if visit.status >= _SERVERS_FAULT else None))


def size_of(answer: Answer | StreamAnswer | SocketAnswer) -> int:
    """How long the body is, in bytes; 0 where that is not known."""
    if isinstance(answer, SocketAnswer):
        return 0
    return len(answer.body) if isinstance(answer, Answer) else answer.length or 0


def common_fields(asked: Occasion, wall: Callable[[], float]) -> Fields:
    """The fields that every answer of the gate's own has."""
    fields: Fields = ((b"X-Request-Id", asked.id.encode()),)
    if (timing := asked.timing()) is not None:
        fields = ((b"Server-Timing", timing), *fields)
    if asked.accounts:
        fields += fields_of(asked.accounts, wall())
    if asked.view is not None:
        fields += ((b"Labgate-Catalog", asked.view.version.encode()),)
    return fields
