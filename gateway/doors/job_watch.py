"""How do many hear of one job, while its service is asked by one?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from gateway.core.call import Call, Demand, Params
from gateway.core.faults import (
    DeadlineExceeded,
    Fault,
    InvalidParams,
    RateLimited,
    Unavailable,
    UpstreamBroken,
    UpstreamUnreachable,
)
from gateway.core.job import Progress, pause, progress_of
from gateway.core.method import Method
from gateway.core.ports import Observer
from gateway.core.principal import Principal
from gateway.core.reply import Reply
from gateway.doors.asked import new_id
from gateway.doors.gathering import gathered
from gateway.doors.refusal import error_bytes
from gateway.relay import Relay

log = logging.getLogger("labgate.doors")

ASK_SECONDS: Final = 60.0
"""For how long one question is waited for."""
_ALERT: Final = 0.25
"""Seconds from one look whether a write has ended what was told, to the next."""
_PASSING: Final = (UpstreamUnreachable, UpstreamBroken, Unavailable, RateLimited, DeadlineExceeded)
_MOST_PASSING: Final = 20
_LARGEST: Final = 256 << 10
"""Bytes of a result that are told with the state; who wants a larger one calls the method."""
_FRESH: Final = Demand(max_age=-1.0)


class News(Struct, frozen=True):
    """What is new of a job: its state with the result that tells it, or the error for which it is not asked any more.

    Both are JSON; a result that is too large is not told.
    """

    progress: Progress
    result: bytes | None = None
    error: bytes | None = None

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return self.progress.over or self.error is not None


class Asker(Struct, eq=False):
    """Somebody who wants to hear of a job: who they are at present, in which datastack, from where, and how they are told."""

    principal: Callable[[], Principal]
    datastack: str | None
    client: str
    hear: Callable[[News], None]


class JobWatch:
    """One job that is asked for, as long as anybody wants to hear of it; in the name of who has wanted it for longest."""

    def __init__(self, watches: JobWatches, key: tuple[Any, ...], name: str, params: bytes | None) -> None:
        self.askers: list[Asker] = []
        self.news: News | None = None
        self._watches = watches
        self._key = key
        self._name = name
        self._params = params
        self._task = asyncio.create_task(self._run(), name=f"watch over a job of {name}")

    def leave(self, asker: Asker) -> None:
        """They do not want to hear of it any more."""
        if asker in self.askers:
            self.askers.remove(asker)
        if not self.askers:
            self.end()

    def end(self) -> None:
        """Ask no more."""
        self._watches.forget(self._key, self)
        self._task.cancel()

    async def _run(self) -> None:
        same = passing = 0
        try:
            while self.askers:
                asker = self.askers[0]
                try:
                    news, method = await self._ask(asker)
                except _PASSING as fault:
                    passing += 1
                    if passing > _MOST_PASSING:
                        self._tell(failed(fault, self._name))
                        return
                    await asyncio.sleep(max(pause(passing), float(fault.data.get("retry_after", 0.0))))
                    continue
                except Fault as fault:
                    # It may be this one's alone: whoever is next may ask, and hears of it else.
                    asker.hear(failed(fault, self._name))
                    self.leave(asker)
                    continue
                passing = 0
                same = same + 1 if news == self.news else 0
                if not same:
                    self.news = news
                    self._tell(news)
                if news.last:
                    return
                await self._rest(pause(same), method)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("a job of %s is not asked for any more by a mistake of the gate's", self._name)
        finally:
            self._watches.forget(self._key, self)

    def _tell(self, news: News) -> None:
        for asker in tuple(self.askers):
            asker.hear(news)

    async def _ask(self, asker: Asker) -> tuple[News, Method]:
        """What the service says now. Raises faults."""
        relay, principal = self._watches.relay, asker.principal()
        method = relay.find(self._name, asker.datastack, principal)
        told = method.facts.get("job")
        if told is None or not method.safe:
            raise not_told(self._name)
        now = self._watches.monotonic()
        timeout = min(ASK_SECONDS, relay.routes[method.service].service.timeout)
        account = relay.account(principal, method, asker.client)
        call = Call(
            id=new_id(),
            principal=principal,
            method=method,
            ask=Params(self._params),
            deadline=now + timeout,
            demand=_FRESH,
            account=account,
            client=asker.client,
        )
        reply: Reply | None = None
        try:
            reply = await gathered(await relay.answer(call), method)
        except Fault as fault:
            self._watches.observer.called(method, fault.name, self._watches.monotonic() - now)
            raise
        body = reply.body.data
        ended = "pass" if reply.kind == "result" else "error"
        self._watches.observer.called(method, ended, self._watches.monotonic() - now, len(body))
        if account is not None:
            account.spend(len(body), relay.wall())
        if reply.kind != "result":
            return News(Progress(), error=body), method
        return News(progress_of(told, body), body if len(body) <= _LARGEST else None), method

    async def _rest(self, seconds: float, method: Method) -> None:
        """Wait until it is time to ask again: sooner where a write has ended what was stored of it."""
        generations, lineage = self._watches.generations, method.lineage
        before, until = generations(lineage), self._watches.monotonic() + seconds
        while (left := until - self._watches.monotonic()) > 0:
            await asyncio.sleep(min(left, _ALERT))
            if generations(lineage) != before:
                return


class JobWatches:
    """All jobs that somebody wants to hear of."""

    def __init__(
        self,
        relay: Relay,
        observer: Observer,
        generations: Callable[[tuple[str, ...]], tuple[int, ...]],
        monotonic: Callable[[], float],
    ) -> None:
        """`generations` reads the counters of names."""
        self.relay = relay
        self.observer = observer
        self.generations = generations
        self.monotonic = monotonic
        self._watches: dict[tuple[Any, ...], JobWatch] = {}

    def __len__(self) -> int:
        return len(self._watches)

    def join(self, name: str, params: bytes | None, asker: Asker) -> JobWatch:
        """Hear of a job, from what is known of it on. Raises the fault of who may not call the method, or has none."""
        principal = asker.principal()
        method = self.relay.find(name, asker.datastack, principal)
        self.relay.permit(principal, method)
        if not method.safe or "job" not in method.facts:
            raise not_told(name)
        # One question for all of them only where the service answers all of them alike.
        shared = method.cache is not None and method.cache.share == "everyone"
        whose = (
            None if shared else (principal.issuer, principal.subject, principal.token_id, principal.rights)
        )
        key = (method.qualified, asker.datastack, params, whose)
        watch = self._watches.get(key)
        if watch is None:
            watch = self._watches[key] = JobWatch(self, key, name, params)
        watch.askers.append(asker)
        if watch.news is not None:
            asker.hear(watch.news)
        return watch

    def forget(self, key: tuple[Any, ...], watch: JobWatch) -> None:
        """It is not asked for any more."""
        if self._watches.get(key) is watch:
            del self._watches[key]


def not_told(name: str) -> Fault:
    """Why a method tells of no job."""
    return InvalidParams(
        f"{name!r} tells of no job: the gate's rules say nothing of its end (`job:`), or that it is not safe to call."
    )


def failed(fault: Fault, name: str) -> News:
    """The last that is heard of a job of this method."""
    return News(Progress(), error=error_bytes(fault, service=None, method=name, request_id=new_id()))
