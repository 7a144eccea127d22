"""How does a gate share its cache with its replicas, from its start to its end?"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final

from msgspec import Struct

from gateway.core.ports import Generations
from gateway.tiers.bumps import Bumps
from gateway.tiers.redis import Options, RedisTier
from gateway.tiers.redis_exchange import Exchange, Ledger, Withdrawals
from gateway.tiers.redis_words import Names
from gateway.tiers.replication import Replicated

log = logging.getLogger("labgate.redis")

FIRST_SESSION: Final = 1.0
"""Seconds that a start waits for Redis; it goes on without."""


class Shared(Struct, frozen=True):
    """What a gate uses that shares its cache: the tier, and its generations of which the replicas hear."""

    tier: RedisTier
    generations: Replicated


@asynccontextmanager
async def shared_by_replicas(
    options: Options,
    local: Generations,
    *,
    state: Path | None,
    wall: Callable[[], float],
    monotonic: Callable[[], float],
    under: Mapping[str, bytes] | None = None,
    ledger: Ledger | None = None,
    withdrawals: Withdrawals | None = None,
) -> AsyncIterator[Shared]:
    """Share the cache with the replicas as long as this is open; `local` are then asked and ended by `generations`.

    `state` is a file for what is not sent yet, the same for all workers of a host; None = only this process knows.
    `under` stands, by service, for its settings (at most 64 bytes each). `ledger` has the revoked tokens, `withdrawals` what operators
    said of services, which all replicas shall know.
    """
    bumps = _bumps(state)
    generations = Replicated(local, bumps)
    name = f"{socket.gethostname()}-{os.getpid()}-{token_hex(3)}"
    names = Names(options.prefix, options.place.database)
    exchange = Exchange(options.place, names, generations, name, monotonic, ledger, withdrawals, wall=wall)
    work = asyncio.create_task(exchange.run(), name="exchange with redis")
    try:
        try:
            async with asyncio.timeout(FIRST_SESSION):
                await exchange.tried.wait()
        except TimeoutError:
            pass
        tier = RedisTier(options, generations, exchange, under or {}, wall)
        try:
            yield Shared(tier, generations)
        finally:
            await tier.leads.close()
    finally:
        await exchange.farewell()
        work.cancel()
        await asyncio.wait((work,))
        bumps.close()


def _bumps(state: Path | None) -> Bumps:
    try:
        if state is not None:
            state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Bumps(state)
    except OSError as failure:
        log.warning("what is not sent to redis is not kept over a restart: %s", failure.strerror)
        return Bumps(None)
