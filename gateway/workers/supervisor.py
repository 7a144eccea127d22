"""How is there always the right number of workers, until the gate is told to end?"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from typing import Final

from gateway.core.faults import Unavailable
from gateway.core.restarts import Again, GiveUp, Life, Rule, decide
from gateway.workers.child import Child, Seat, ended
from gateway.workers.crew import Crew
from gateway.workers.hello import Handed
from gateway.workers.listeners import Sockets, close_all

_LOOK: Final = 0.5
"""Seconds from one look for silent workers to the next."""
_BEGIN: Final = 60.0
"""Seconds that a worker has until its first sign of life: it may be slow to import what it needs."""
_TRIES: Final = 3
"""How often gates are exchanged anew because a worker ended meanwhile."""
_GLANCE: Final = 0.05
"""Seconds from one look whether all workers take calls to the next."""
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
        self._children: dict[int, Child] = {}
        self._seats: dict[Child, list[tuple[Crew, Seat]]] = {}

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

    async def exchange(self, handed: Handed, shutdown_seconds: float) -> None:
        """Let gates by other settings take the place of those that run, in every worker or in none.

        Each worker makes the next gate beside its present one; when all are whole, all take over. Raises WorkersError, with
        what kept one of them from it: then nothing has changed.
        """
        for _ in range(_TRIES):
            children = await self._all()
            crew = Crew(handed, self._sockets, self._crew.memory, self._crew.wall, self._crew)
            failed = await self._prepare(crew, children)
            if [self._children.get(child.number) for child in children] != children:
                # One has ended meanwhile, and another one begins in its place.
                await self._drop(crew, children)
                continue
            if failed:
                await self._drop(crew, children)
                raise WorkersError(failed[0])
            self._crew, self._shutdown = crew, shutdown_seconds
            crew.take_over()
            await _each(children, "commit")
            return
        raise WorkersError("workers end again and again: their log tells why")

    async def _all(self) -> list[Child]:
        """The workers, when all of them take calls."""
        workers = self._crew.handed.workers
        try:
            async with asyncio.timeout(_BEGIN):
                while True:
                    found = list(self._children.values())
                    if len(found) == workers and all(child.ready.is_set() for child in found):
                        return found
                    await asyncio.sleep(_GLANCE)
        except TimeoutError:
            raise WorkersError("not all workers take calls: try again later") from None

    async def _prepare(self, crew: Crew, children: Sequence[Child]) -> list[str]:
        """Have each make its next gate; why some could not."""
        lines = []
        for child in children:
            seat = child.another(crew.handlers)
            held = [(each, its) for each, its in self._seats[child] if each.has(its)]
            self._seats[child] = [*held, (crew, seat)]
            crew.join(seat)
            lines.append(seat.line.number)
        said = await asyncio.gather(
            *(child.channel.ask("prepare", line) for child, line in zip(children, lines, strict=True)),
            return_exceptions=True,
        )
        for one in said:
            if isinstance(one, BaseException) and not isinstance(one, Unavailable):
                raise one
        return [one.message for one in said if isinstance(one, Unavailable)]

    async def _drop(self, crew: Crew, children: Sequence[Child]) -> None:
        """Have no next gates."""
        await _each(children, "drop")
        for child in children:
            seats = self._seats.get(child, [])
            for pair in [pair for pair in seats if pair[0] is crew]:
                crew.leave(pair[1])
                seats.remove(pair)

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
        self._children[child.number] = child
        self._seats[child] = [(crew, child)]
        log.info("worker %d started, pid %d", child.number, child.pid)
        told = asyncio.create_task(self._tell_ready(child, ready))
        if self._stopping.is_set():
            child.terminate()
        code = await child.attend(crew.handlers(child))
        told.cancel()
        del self._children[child.number]
        for each, seat in self._seats.pop(child):
            each.leave(seat)
        self._crew.absent(child.number)
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
            for child in () if late else list(self._children.values()):
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
        for child in self._children.values():
            child.terminate()
        _, late = await asyncio.wait(keepers, timeout=self._shutdown + _CLEANUP)
        for child in list(self._children.values()) if late else ():
            log.warning("worker %d, pid %d, did not end in time and is killed", child.number, child.pid)
            child.kill()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


async def _each(children: Sequence[Child], deed: str) -> None:
    """Have each do this; one that has ended needs to do nothing."""
    done = await asyncio.gather(*(child.channel.ask(deed) for child in children), return_exceptions=True)
    for child, failure in zip(children, done, strict=True):
        if isinstance(failure, Unavailable):
            log.warning("worker %d, pid %d, could not %s: %s", child.number, child.pid, deed, failure.message)
        elif isinstance(failure, BaseException):
            raise failure
