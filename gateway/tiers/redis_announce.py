"""Which replicas have heard that a token was taken back?"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.tiers.bumps import EPOCH
from gateway.tiers.redis_exchange import ANSWER_SECONDS, GONE_SECONDS
from gateway.tiers.redis_link import Link, Place
from gateway.tiers.redis_scripts import BUMP
from gateway.tiers.redis_words import Names

_NOBODY: Final = "nobody"
"""No host has this name, so every one of them takes the message as another one's."""


async def announce(
    place: Place, prefix: str, token_id: str, at: float, *, patience: float = 3.0
) -> dict[str, bool]:
    """Tell every replica that a token was taken back at `at` (seconds since 1970).

    Whether each gate that lives has heard it, after at most `patience` seconds; replicas that are away take it over when
    they come. Raises the link's `FAILURES`.
    """
    link, names = Link(place), Names(prefix, place.database)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await link.ask(("HSET", names.key("revoked"), token_id, repr(at)))
            number = await _end_epoch(link, names)
        end = asyncio.get_running_loop().time() + patience
        while True:
            async with asyncio.timeout(ANSWER_SECONDS):
                heard = await _heard(link, names, number)
            if all(heard.values()) or asyncio.get_running_loop().time() > end:
                return heard
            await asyncio.sleep(0.05)
    finally:
        await link.close()


async def _end_epoch(link: Link, names: Names) -> int:
    """Raise the epoch of all gates, which makes them look for the reason; the message's number."""
    table = names.key("generations")
    (incarnation,) = await link.ask(("HGET", table, "id"))
    if incarnation is None:  # no gate was ever here
        return 0
    (told,) = await link.ask(("EVAL", BUMP, 1, table, incarnation, names.channel, _NOBODY, EPOCH))
    return 0 if told is None else int(told[0])


async def _heard(link: Link, names: Names, number: int) -> dict[str, bool]:
    time, told = await link.ask(("TIME",), ("HGETALL", names.key("replicas")))
    now = 1000 * int(time[0])
    found = {}
    for name, value in zip(told[::2], told[1::2], strict=True):
        heard, _, at = value.partition(b" ")
        if now - int(at) <= 1000 * GONE_SECONDS:
            found[name.decode("utf-8", "replace")] = int(heard) >= number
    return found
