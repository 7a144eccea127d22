"""How is the Redis tier tried? Real servers on free loopback ports, and replicas before them in this process."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import redis

from gateway.core.verdict import Entry, HttpHead
from gateway.tiers.redis import Options
from gateway.tiers.redis_link import Place
from gateway.tiers.redis_shared import Shared, shared_by_replicas
from tests.tiers.own_generations import OwnGenerations

PATIENCE = 10.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""
LINEAGE = ("service:lab", "method:lab.get", "tag:runs")


class RedisServer:
    """One server, Redis or Valkey; it can be ended, frozen and started again on its port."""

    def __init__(self, folder: Path, *options: str) -> None:
        program = shutil.which("valkey-server") or shutil.which("redis-server")
        assert program, "neither valkey-server nor redis-server is installed: ./dev test does that"
        self.port = free_port()
        always = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._command = [program, *always, "--dir", str(folder), *options]
        self._child: subprocess.Popen[bytes] | None = None
        self.password: str | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self._child = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.client().ping()
            except redis.ConnectionError:
                assert self._child.poll() is None, "the server ended at once"
                assert time.monotonic() < end, "the server does not answer"
            else:
                return

    def stop(self) -> None:
        """End it as `kill -9` does; it keeps nothing."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def freeze(self) -> None:
        """It is there and answers nothing."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGCONT)

    def client(self) -> redis.Redis:
        """A client of the test's own."""
        return redis.Redis(port=self.port, password=self.password, socket_timeout=PATIENCE, protocol=2)

    def place(self, **more: object) -> Place:
        """Where it is."""
        return Place("127.0.0.1", self.port, **more)

    def values(self) -> list[bytes]:
        """The keys of all values."""
        return sorted(self.client().keys("{labgate}:v2-*"))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[RedisServer]:
    """A server that runs as long as this is open."""
    server = RedisServer(folder, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def replica(
    place: Place,
    *,
    state: Path | None = None,
    local: OwnGenerations | None = None,
    ledger: Any = None,
    under: Any = None,
    wall: Callable[[], float] = time.time,
    **options: object,
) -> AsyncIterator[Shared]:
    """A host with counters of its own; patient enough for a busy machine unless told otherwise."""
    options = {"patience": 5.0} | options
    async with shared_by_replicas(
        Options(place, **options),
        local or OwnGenerations(),
        state=state,
        wall=wall,
        monotonic=asyncio.get_running_loop().time,
        ledger=ledger,
        under=under,
    ) as shared:
        yield shared


async def there(*replicas: Shared) -> None:
    """Wait until all of them are in agreement with Redis."""
    await until(lambda: all(one.tier.status()["connected"] for one in replicas))


async def until(condition: Callable[[], object]) -> None:
    """Wait for what must come."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.002)


def entry_at(
    shared: Shared,
    key: bytes = b"key",
    body: bytes = b"[1]",
    *,
    life: float = 60.0,
    head: HttpHead | None = None,
) -> Entry:
    """An entry whose trip begins now."""
    now, generations = time.time(), shared.generations
    return Entry(
        key=key,
        kind="http" if head else "result",
        body=body,
        stored=now,
        fresh_until=now + life / 2,
        stale_until=now + life,
        epoch=generations.epoch,
        generations=generations.read(LINEAGE),
        head=head,
        lineage=LINEAGE,
    )


def serves(shared: Shared, entry: Entry | None) -> bool:
    """Whether the judge takes it: it agrees with the host's own counters."""
    generations = shared.generations
    return entry is not None and (entry.epoch, entry.generations) == (
        generations.epoch,
        generations.read(entry.lineage),
    )
