"""How do spans come to a collector? In batches, as JSON of OTLP 1.x over HTTP, beside everything else.

https://opentelemetry.io/docs/specs/otlp/#otlphttp: ids are hexadecimal, 64 bit integers are texts, enumerations are numbers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout

from gateway.core.trace_context import TraceContext
from gateway.core.tracing import Span

log = logging.getLogger("labgate.otlp")

MOST_WAITING: Final = 8192
"""Spans that may wait; more are lost, and counted."""
BATCH: Final = 512
"""Spans that go in one request."""
EVERY: Final = 2.0
"""Seconds after which those that wait are sent, however few they are."""
ATTEMPTS: Final = 4
"""How often a batch is sent, while the collector says that it may be sent again, or is not there."""

_TIMEOUT: Final = ClientTimeout(total=10.0)
_AGAIN: Final = frozenset((429, 502, 503, 504))
"""https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes"""
_LONGEST_WAIT: Final = 30.0
_KINDS: Final = {"internal": 1, "server": 2, "client": 3}
_ERROR: Final = 2


class Exporter:
    """Sends spans; whoever records one never waits."""

    def __init__(
        self,
        url: str,
        resource: Mapping[str, str | int],
        session: ClientSession,
        headers: Mapping[str, str] | None = None,
        *,
        most: int = MOST_WAITING,
        every: float = EVERY,
        pause: float = 1.0,
    ) -> None:
        """`url` is the whole address; `resource` says who records, `headers` are sent with every batch.

        `pause` is for how many seconds a batch waits before it is sent again, twice as long each time.
        """
        self.sent = self.lost = 0
        """Spans so far: those that the collector took, and those that it did not, or that were too many."""
        self._url = url
        self._resource = [_attribute(name, value) for name, value in resource.items()]
        self._session = session
        self._headers = {**(headers or {}), "Content-Type": "application/json"}
        self._most = most
        self._every = every
        self._pause = pause
        self._waiting: deque[Span] = deque()
        self._full = asyncio.Event()
        self._ending = asyncio.Event()
        self._failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Send from now on what is taken."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="spans to the collector")

    def take(self, span: Span) -> None:
        """Have it sent, without waiting."""
        if len(self._waiting) >= self._most:
            self.lost += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self._full.set()

    @property
    def waiting(self) -> int:
        """Spans that are not sent yet."""
        return len(self._waiting)

    def events(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """The counts, for metrics."""
        yield ("sent",), float(self.sent)
        yield ("lost",), float(self.lost)

    async def close(self, patience: float = 3.0) -> None:
        """Send what waits, for at most so many seconds."""
        self._ending.set()
        self._full.set()
        if self._task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await asyncio.shield(self._task)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.lost += len(self._waiting)
        self._waiting.clear()

    # --- the task

    async def _run(self) -> None:
        while not (self._ending.is_set() and not self._waiting):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await self._full.wait()
            if not self._ending.is_set():
                self._full.clear()
            while self._waiting:
                await self._send([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])

    async def _send(self, spans: Sequence[Span]) -> None:
        """Send a batch, again where that may help; what the collector does not take is lost."""
        body = written(spans, self._resource)
        why = ""
        try:
            for attempt in range(ATTEMPTS):
                wait, why = await self._post(body)
                if wait is None:
                    break
                if attempt + 1 < ATTEMPTS:
                    pause = min(_LONGEST_WAIT, max(wait, self._pause * 2**attempt))
                    if await self._ends_within(pause) and attempt:
                        break
        except asyncio.CancelledError:
            self.lost += len(spans)
            raise
        if why:
            self.lost += len(spans)
            if not self._failing:
                log.warning("%s takes no spans: %s; they are lost until it does", self._url, why)
        else:
            self.sent += len(spans)
            if self._failing:
                log.info("%s takes spans again", self._url)
        self._failing = bool(why)

    async def _ends_within(self, seconds: float) -> bool:
        """Wait so long, unless the gate ends; whether it does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()
        return self._ending.is_set()

    async def _post(self, body: bytes) -> tuple[float | None, str]:
        """After how many seconds the batch may be sent again (None: not), and why it was not taken."""
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers, timeout=_TIMEOUT, allow_redirects=False
            ) as answer:
                await answer.content.read(64 << 10)
                if answer.status < 300:
                    return None, ""
                again = answer.status in _AGAIN
                return (
                    _seconds(answer.headers.get("Retry-After")) if again else None
                ), f"HTTP {answer.status}"
        except (ClientError, TimeoutError, OSError) as error:
            return 0.0, type(error).__name__


def _seconds(said: str | None) -> float:
    return float(said) if said is not None and said.isascii() and said.isdigit() else 0.0


def written(spans: Sequence[Span], resource: Sequence[dict[str, Any]]) -> bytes:
    """An ExportTraceServiceRequest as JSON."""
    return orjson.dumps(
        {
            "resourceSpans": [
                {
                    "resource": {"attributes": list(resource)},
                    "scopeSpans": [{"scope": {"name": "labgate"}, "spans": [_span(one) for one in spans]}],
                }
            ]
        }
    )


def _span(span: Span) -> dict[str, Any]:
    context = span.context
    said: dict[str, Any] = {
        "traceId": context.trace,
        "spanId": context.span,
        "name": _sayable(span.name),
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.started),
        "endTimeUnixNano": str(span.ended),
        "attributes": [_attribute(name, value) for name, value in span.attributes.items()],
        "flags": context.flags,
    }
    if span.parent is not None:
        said["parentSpanId"] = span.parent
    if context.state:
        said["traceState"] = context.state.decode("ascii", "replace")
    if span.links:
        said["links"] = [_link(one) for one in span.links]
    if span.failure:
        said["status"] = {"code": _ERROR, "message": _sayable(span.failure)}
        said["attributes"].append(_attribute("error.type", span.failure))
    return said


def _link(other: TraceContext) -> dict[str, Any]:
    said: dict[str, Any] = {"traceId": other.trace, "spanId": other.span, "flags": other.flags}
    return {**said, "traceState": other.state.decode("ascii", "replace")} if other.state else said


def _attribute(name: str, value: str | int) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": name, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": name, "value": {"intValue": str(value)}}
    return {"key": name, "value": {"stringValue": _sayable(value)}}


def _sayable(text: str) -> str:
    """The text without lone surrogates, which no JSON of ours can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
