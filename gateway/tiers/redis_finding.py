"""Which of several servers is the one that has our keys?

Sentinels know which server is the master of a name (https://redis.io/docs/latest/develop/reference/sentinel-clients/). A node of a
cluster knows which of them has a slot (https://redis.io/docs/latest/commands/cluster-slots/): all our keys lie in one, so one
node is all that a gate speaks with. Either is asked for every connection: what changes ends a session, and the next one
finds who took over.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from msgspec import Struct
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

Kind = Literal["server", "sentinels", "cluster"]

SEED_SECONDS: Final = 0.4
"""How long one sentinel, or node, may take to answer; then another one is asked."""

Address = tuple[str, int]
Question = tuple[bytes | str | int, ...]
Put = Callable[[Address, Question], Awaitable[Any]]
"""Asks whoever is at an address one question, over a connection of its own."""


class NotFoundError(RedisError):
    """Nobody who could be asked knows the server."""


class Seeds(Struct, frozen=True):
    """Those who are asked: sentinels for the master called `master`, or nodes of a cluster for the one with `key`."""

    kind: Kind
    addresses: tuple[Address, ...]
    master: str = ""
    key: str = ""


async def found(seeds: Seeds, put: Put) -> Address:
    """Where the server is, of whom one of the seeds knows. Raises what kept the last one from answering."""
    failure: Exception = NotFoundError("nobody is named who could be asked")
    for address in random.sample(seeds.addresses, len(seeds.addresses)):
        try:
            async with asyncio.timeout(SEED_SECONDS):
                told = await put(address, _question(seeds))
            if isinstance(told, ResponseError):
                raise told
            return _address(seeds, told, address)
        except (RedisError, OSError, TimeoutError, EOFError) as error:
            failure = error
    raise failure


def _question(seeds: Seeds) -> Question:
    if seeds.kind == "sentinels":
        return ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", seeds.master)
    return ("CLUSTER", "SLOTS")


def _address(seeds: Seeds, told: Any, asked: Address) -> Address:
    if seeds.kind == "sentinels":
        if not told:
            raise NotFoundError(f"its sentinels know no master that is called {seeds.master!r}")
        return _read(told[0], told[1], asked)
    slot = key_slot(seeds.key.encode())
    for first, last, node, *_ in told:
        if first <= slot <= last:
            return _read(node[0], node[1], asked)
    raise NotFoundError("no node of the cluster has the slot of our keys")


def _read(host: bytes | None, port: bytes | int, asked: Address) -> Address:
    # A node that does not know its own address names none: it is the one that was asked.
    name = (host or b"").decode("ascii", "replace")
    return (asked[0] if name in ("", "?") else name), int(port)
