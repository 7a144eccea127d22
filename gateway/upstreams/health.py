"""Are the replicas well, of services whose settings say how to find out?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from gateway.core.health import FALL, HealthCheck, body_of, passes
from gateway.core.upstream import Request
from gateway.upstreams.attempts import FAILURES
from gateway.upstreams.replica import Replica
from gateway.upstreams.replicas import HttpUpstream

TICK: Final = 0.25
"""Seconds from one look for checks that are due to the next."""

_LARGEST: Final = 1 << 20
_JSON: Final = ((b"Content-Type", b"application/json"), (b"Accept", b"application/json"))
_WHO: Final = (b"User-Agent", b"labgate-health")

Tell = Callable[[str, Sequence[bool]], None]
"""Who is told which replicas of a service (by its qualified name) are sick."""


class HealthChecks:
    """Asks the replicas of each service as often as its settings say, in one process of those that share the work.

    `upstreams` may change while it runs; `leads` says whether it is here that they are asked.
    """

    def __init__(
        self, upstreams: Mapping[str, HttpUpstream], leads: Callable[[], bool], tell: Tell = lambda *_: None
    ) -> None:
        self._upstreams = upstreams
        self._leads = leads
        self._tell = tell
        self._due: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._failed: dict[Replica, int] = {}

    async def run(self) -> None:
        """Ask until this is cancelled."""
        try:
            while True:
                if self._leads():
                    self.look(asyncio.get_running_loop().time())
                await asyncio.sleep(TICK)
        finally:
            for task in self._asking.values():
                task.cancel()
            await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def look(self, now: float) -> None:
        """Begin the checks that are due."""
        for name, upstream in self._upstreams.items():
            check = upstream.service.health
            if check is not None and name not in self._asking and now >= self._due.get(name, 0.0):
                self._due[name] = now + check.every
                task = asyncio.create_task(self._ask(name, upstream, check), name=f"health of {name}")
                self._asking[name] = task
                task.add_done_callback(partial(self._asked, name))
        for name in self._due.keys() - self._upstreams.keys():
            del self._due[name]

    def _asked(self, name: str, _: asyncio.Task[None]) -> None:
        self._asking.pop(name, None)

    async def _ask(self, name: str, upstream: HttpUpstream, check: HealthCheck) -> None:
        replicas = upstream.choice.replicas
        well = await asyncio.gather(*(is_well(one, check) for one in replicas))
        for replica, passed in zip(replicas, well, strict=True):
            failed = 0 if passed else self._failed.get(replica, 0) + 1
            self._failed.pop(replica, None)
            if failed:
                self._failed[replica] = failed
            replica.checked(sick=failed >= FALL)
        self._failed = {one: count for one, count in self._failed.items() if self._is_known(one)}
        self._tell(name, [one.sick for one in replicas])

    def _is_known(self, replica: Replica) -> bool:
        return any(replica in upstream.choice.replicas for upstream in self._upstreams.values())


async def is_well(replica: Replica, check: HealthCheck) -> bool:
    """Whether the replica passes its check, over a connection of its own: a kept one says nothing of new ones."""
    deadline = asyncio.get_running_loop().time() + check.timeout
    fields = (_WHO, *(_JSON if check.method else ()))
    verb = "POST" if check.method else "GET"
    request = Request(verb, check.path, fields, body_of(check), deadline, _LARGEST, repeatable=False)
    try:
        answer = await replica.send(request, share=1)
    except FAILURES:
        return False
    return passes(check, answer.status, answer.body)
