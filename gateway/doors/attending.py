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
from gateway.core.ports import Observer
from gateway.core.reply import Fields
from gateway.doors.asked import Occasion
from gateway.wire.answer import Answer, StreamAnswer

_Any = TypeVar("_Any", Answer, StreamAnswer, Answer | StreamAnswer)

log = logging.getLogger("labgate.doors")

CALLER_GONE = 499
"""nginx's number for a caller who went away; only the log sees it."""


async def attend(
    asked: Occasion,
    observer: Observer,
    wall: Callable[[], float],
    work: Awaitable[Answer | StreamAnswer],
    refused: Callable[[Fault], Answer],
) -> Answer | StreamAnswer:
    """The answer that the work gives, or the one that says why it gives none; counted and written down.

    `wall` tells seconds since 1970.
    """
    started, visit = perf_counter(), asked.visit
    try:
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
        visit.seconds = perf_counter() - started
        if visit.status == CALLER_GONE:
            observer.visited(visit)
    return attended(asked, observer, wall, answer)


def attended(asked: Occasion, observer: Observer, wall: Callable[[], float], answer: _Any) -> _Any:
    """The answer as it leaves: with the fields that all have, counted and written down."""
    visit = asked.visit
    answer = replace(answer, fields=answer.fields + common_fields(asked, wall))
    visit.status, visit.size = answer.status, size_of(answer)
    observer.visited(visit)
    return answer


def size_of(answer: Answer | StreamAnswer) -> int:
    """How long the body is, in bytes; 0 where that is not known."""
    return len(answer.body) if isinstance(answer, Answer) else answer.length or 0


def common_fields(asked: Occasion, wall: Callable[[], float]) -> Fields:
    """The fields that every answer of the gate's own has."""
    fields: Fields = ((b"X-Request-Id", asked.id.encode()),)
    if asked.accounts:
        fields += fields_of(asked.accounts, wall())
    if asked.view is not None:
        fields += ((b"Labgate-Catalog", asked.view.version.encode()),)
    return fields
