"""Who has a say in whether a call may be, beside the policies: limits, whoever else decides, the audit log?"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from aiohttp import ClientSession

from gateway import assembly
from gateway.identity.decisions import Decisions, DecisionTerms
from gateway.limiter import Limiter
from gateway.meters import Meters
from gateway.settings import Settings
from gateway.settings.audit import STDERR
from gateway.telemetry.audit import AuditLog
from gateway.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from gateway.tiers.redis import RedisTier

log = logging.getLogger("labgate")


def meters(settings: Settings, place: tuple[int, int]) -> Meters:
    """What callers have had, as all workers of the host know it; `place` is this worker's among them."""
    try:
        return Meters(settings.state_dir / "limits", place)
    except OSError as error:
        log.warning("each worker limits callers by itself: %s", error.strerror)
        return Meters()


def limiter(settings: Settings, table: Meters, tier: RedisTier | None, stack: AsyncExitStack) -> Limiter:
    """What calls are charged to; workers share the table, and replicas what they tell each other over the tier."""
    limits, redis = assembly.limits(settings), settings.cache.redis
    if redis is None or tier is None:
        return Limiter(limits, table)
    shared = tier.limits(redis.secret())
    telling = asyncio.create_task(shared.run(), name="tell replicas what callers had")
    stack.callback(telling.cancel)
    return Limiter(limits, table, shared.book)


def decider(
    settings: Settings,
    session: ClientSession,
    metrics: Metrics,
    wall: Callable[[], float],
    stack: AsyncExitStack,
) -> Decisions | None:
    """Who else is asked about what the policies allow, where the settings say so."""
    one = settings.decisions
    if one is None:
        return None
    terms = DecisionTerms(one.url.text, one.timeout, one.cache, one.fail)
    decisions = Decisions(terms, session, wall)
    stack.push_async_callback(decisions.close)
    text = "Questions to who decides beside the policies, and those without an answer."
    metrics.counter(
        "decisions",
        text,
        ("event",),
        lambda: [(("asked",), float(decisions.asked)), (("failed",), float(decisions.failed))],
    )
    return decisions


def auditor(
    settings: Settings, metrics: Metrics, wall: Callable[[], float], stack: AsyncExitStack
) -> AuditLog | None:
    """Who writes down each write and each refusal, where the settings say so."""
    wanted = settings.telemetry.audit
    if wanted is None:
        return None
    file = None if wanted.file == STDERR else wanted.file
    audit = AuditLog(
        file,
        required=wanted.required,
        names_params=wanted.params == "names",
        wall=wall,
        monotonic=time.monotonic,  # it is asked by a thread
    )
    stack.callback(audit.close)
    audit.start()
    text = "Records of the audit log, by what became of them."
    metrics.counter("audit_records", text, ("event",), audit.events)
    text = "Records of the audit log that wait to be written."
    metrics.gauge("audit_waiting", text, (), lambda: [((), float(audit.waiting))])
    text = "Whether the audit log cannot be written at present."
    metrics.gauge("audit_broken", text, (), lambda: [((), float(bool(audit.trouble)))])
    return audit
