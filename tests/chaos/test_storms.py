"""Many callers at once, and faults that nobody foresees: what the lab has counted tells whether a write was lost or doubled."""

import asyncio
import random

import pytest
from chaos_callers import DOORS, FULL, WRITES, Outcome, held_against
from faulty_lab import (
    Carry,
    Line,
    close_after,
    close_behind,
    garbage,
    half_body,
    half_head,
    honest,
    html_503,
    reset_after,
    reset_before,
    silent,
)

from gateway.core.retrying import FLOOR, RECENT

FAULTS = (
    close_after,
    close_behind,
    garbage,
    half_body,
    half_head,
    html_503,
    reset_after,
    reset_before,
    silent,
)
SEEDS = range(40 if FULL else 3)
CALLERS, CALLS = 12, 10


def now_and_then(seed: int, often: float):
    """Some fault or other befalls so many of the requests."""
    chance = random.Random(seed)

    async def fault(line: Line, carry: Carry) -> bool:
        return await (chance.choice(FAULTS) if chance.random() < often else honest)(line, carry)

    return fault


async def stormed(here, doors: tuple[str, ...]) -> list[Outcome]:
    """What came of many callers' calls."""

    async def one(number: int) -> list[Outcome]:
        return [await here.caller.call(doors[(number + at) % len(doors)]) for at in range(CALLS)]

    told = await asyncio.gather(*(one(number) for number in range(CALLERS)))
    return [outcome for outcomes in told for outcome in outcomes]


@pytest.mark.parametrize("often", [0.1, 0.6])
@pytest.mark.parametrize("seed", SEEDS)
async def test_in_a_storm_of_faults_no_write_is_sent_twice_and_none_that_was_acknowledged_is_missing(
    scene, seed, often
) -> None:
    breaker = "off" if seed % 2 else "{failures: 8, open: 0.05s}"
    async with scene(timeout="0.5s", breaker=breaker) as here:
        here.lab.fail(now_and_then(seed, often))
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcomes = await stormed(here, DOORS)
        held_against(here.lab, outcomes)
        told = {one.token for one in outcomes if one.door in WRITES and one.kind == "ok"}
        assert told
        assert all(here.lab.writes[token] == 1 for token in told)
        assert max(here.lab.writes.values()) == 1
        granted = FLOOR * (RECENT + loop.time() - began) + 0.2 * here.lab.asked
        assert here.upstream.retries <= granted
        here.lab.fail(None)
        await here.caller.until_well()


async def test_writes_that_are_told_as_not_sent_may_be_made_again_until_each_was_made_once(scene) -> None:
    """What a careful client does: it repeats only what surely did not happen."""
    async with scene(timeout="0.5s") as here:
        here.lab.fail(now_and_then(7, 0.3))
        doubtful = set()
        made = set()
        for _ in range(30):
            one = await here.caller.call("rpc write")
            while one.kind != "ok" and not one.maybe:
                assert here.lab.writes[one.token] == 0
                await asyncio.sleep(0.02)
                one = await here.caller.call("rpc write")
            (made if one.kind == "ok" else doubtful).add(one.token)
        assert all(here.lab.writes[token] == 1 for token in made)
        assert {token for token, count in here.lab.writes.items() if count} <= made | doubtful
