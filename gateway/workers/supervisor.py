"""How is there always the right number of workers, until the gate is told to end?"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.restarts import Again, GiveUp, Life, Rule, decide
from gateway.workers.child import Child, ended
from gateway.workers.crew import Crew
from gateway.workers.listeners import Sockets, close_all

_LOOK: Final = 0.5
"""Seconds from one look for silent workers to the next."""
_BEGIN: Final = 60.0
"""Seconds that a worker has until its first sign of life: it may be slow to import what it needs."""
_CLEANUP: Final = 5.0
"""Seconds after `shutdown_seconds` until a worker that has not ended is killed."""

log = logging.getLogger("labgate.workers")


class WorkersError(Exception):
    """The gate cannot run; the text says why."""


class Supervisor:
    """Starts the workers, and starts another one for each that ends.

    The listening sockets stay open here as long as it runs: what callers have queued on them outlives every worker. New
    workers could be started beside old ones, on the same sockets.
    """

    def __init__(
        self,
        command: Sequence[str],
        crew: Crew,
        sockets: Sockets,
        *,
        shutdown_seconds: float,
        hung_after: float = 10.0,
        rule: Rule | None = None,
    ) -> None:
        """`command` is what a worker is started by; one that is silent for `hung_after` seconds is killed."""
        self._command = command
        self._crew = crew
        self._sockets = sockets
        self._shutdown = shutdown_seconds
        self._hung_after = hung_after
        self._rule = rule or Rule()
        self._stopping = asyncio.Event()
        self._failure: str | None = None
        self._begun = False

    def stop(self) -> None:
        """Take no more calls, let those under way end, then `run` returns."""
        self._stopping.set()

    async def run(self, ready: Callable[[], None]) -> None:
        """Run until `stop`; `ready` is called once, when all workers take calls.

        Raises WorkersError when the workers cannot begin, or end again and again.
        """
        # Its reading end tells a worker that we are gone, however that came about.
        reading, writing = os.pipe()
        try:
            numbers = range(1, self._crew.handed.workers + 1)
            keepers = [asyncio.create_task(self._keep(number, reading, ready)) for number in numbers]
            watch = asyncio.create_task(self._watch())
            await self._stopping.wait()
            await self._end(keepers)
            watch.cancel()
            await asyncio.gather(*keepers)
        finally:
            os.close(reading)
            os.close(writing)
        if self._failure is not None:
            raise WorkersError(self._failure)

    async def _keep(self, number: int, tether: int, ready: Callable[[], None]) -> None:
        """Keep one place filled."""
        lives: list[Life] = []
        while not self._stopping.is_set():
            try:
                child = await Child.start(number, self._command, self._sockets, self._crew.memory, tether)
            except OSError as error:
                return self._fail(f"worker {number} cannot be started: {error.strerror}")
            life = await self._live(child, ready)
            if self._stopping.is_set():
                return None
            lives = [*lives[-self._rule.most :], life]
            match decide(lives, life.ended, self._rule):
                case GiveUp(deaths):
                    text = (
                        f"worker {number} ended {deaths} times soon after it was started: its log tells why"
                    )
                    return self._fail(text)
                case Again(after):
                    self._crew.restarts += 1
                    await self._wait(after)
        return None

    async def _live(self, child: Child, ready: Callable[[], None]) -> Life:
        """A worker's life, from its start to its end."""
        crew = self._crew
        crew.join(child)
        log.info("worker %d started, pid %d", child.number, child.pid)
        told = asyncio.create_task(self._tell_ready(child, ready))
        if self._stopping.is_set():
            child.terminate()
        code = await child.attend(crew.handlers(child))
        told.cancel()
        crew.leave(child)
        if not self._stopping.is_set():
            self._lost(child, code)
        return Life(child.began, asyncio.get_running_loop().time())

    async def _tell_ready(self, child: Child, ready: Callable[[], None]) -> None:
        await child.ready.wait()
        if not self._begun and len(self._crew.members) == self._crew.handed.workers:
            self._begun = all(one.ready.is_set() for one in self._crew.members)
            if self._begun:
                ready()

    def _lost(self, child: Child, code: int) -> None:
        """A worker has ended by itself."""
        how = child.failed or f"ended ({ended(code)})"
        if not self._begun:
            # What keeps the first workers from beginning would keep all others too.
            self._fail(child.failed or f"worker {child.number} {how} before it took calls: its log tells why")
        else:
            log.warning("worker %d, pid %d: %s; another one takes its place", child.number, child.pid, how)

    def _fail(self, text: str) -> None:
        if self._failure is None and not self._stopping.is_set():
            self._failure = text
        self.stop()

    async def _watch(self) -> None:
        """Kill what gives no sign of life: it holds connections that it does not serve."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while True:
            await asyncio.sleep(_LOOK)
            now = loop.time()
            # If we were held up ourselves, their signs may still lie unread.
            late, looked = now - looked > 4 * _LOOK, now
            for child in () if late else self._crew.members:
                if child.silent(now) > (_BEGIN if child.heard is None else self._hung_after):
                    log.error(
                        "worker %d, pid %d, gave no sign of life for %.0f seconds and is killed",
                        child.number,
                        child.pid,
                        child.silent(now),
                    )
                    child.kill()

    async def _end(self, keepers: Sequence[asyncio.Task[None]]) -> None:
        """Let all workers drain; kill those that do not end."""
        close_all(self._sockets)
        for child in self._crew.members:
            child.terminate()
        _, late = await asyncio.wait(keepers, timeout=self._shutdown + _CLEANUP)
        for child in self._crew.members if late else ():
            log.warning("worker %d, pid %d, did not end in time and is killed", child.number, child.pid)
            child.kill()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass
