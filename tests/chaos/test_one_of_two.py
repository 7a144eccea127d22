"""One of two replicas fails: what changes nothing is answered by the other, and what may change something is sent once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from chaos_callers import DOORS, WRITES, held_against
from faulty_lab import (
    FaultyLab,
    close_after,
    html_503,
    reset_after,
    reset_before,
    reset_unread,
)

READS = tuple(door for door in DOORS if door not in WRITES)
ROUNDS = 5


@pytest.fixture
def pair(scene):
    """`async with pair() as (here, bad, good)`: two replicas of one lab, whose writes are counted together."""

    @asynccontextmanager
    async def made(**options: str) -> AsyncIterator[tuple[object, FaultyLab, FaultyLab]]:
        async with FaultyLab() as bad, FaultyLab(writes=bad.writes) as good:
            async with scene(url=f'["{bad.url}", "{good.url}"]', **options) as here:
                here.lab = bad
                yield here, bad, good

    return made


@pytest.mark.parametrize("kind", ["fresh", "kept"])
@pytest.mark.parametrize("fault", [reset_unread, reset_before, reset_after, close_after, html_503])
async def test_readers_notice_nothing_of_one_replica_that_fails(pair, fault, kind) -> None:
    async with pair() as (here, bad, good):
        for _ in range(4 if kind == "kept" else 0):
            assert {one.kind for one in await here.caller.all()} == {"ok"}
        bad.fail(fault)
        for _ in range(ROUNDS):
            outcomes = await here.caller.all()
            held_against(bad, outcomes)
            assert {one.kind for one in outcomes if one.door in READS} == {"ok"}, outcomes
        assert here.upstream.breaker == "closed"
        assert here.upstream.ejections >= 1
        assert max(bad.writes.values()) == 1
        assert good.asked


async def test_a_replica_that_takes_no_connection_costs_no_call_of_any_kind(pair) -> None:
    async with pair() as (here, bad, good):
        await bad.refuse()
        for _ in range(ROUNDS):
            outcomes = await here.caller.all()
            held_against(bad, outcomes)
            assert {one.kind for one in outcomes} == {"ok"}, outcomes
        states = {url: row["state"] for url, row in here.upstream.replicas.items()}
        assert states == {bad.url: "resting", good.url: "up"}
        text = (await here.gate.rendered_metrics()).decode()
        assert f'labgate_upstream_replica_up{{replica="{bad.url}",service="lab"}} 0.0' in text
        assert f'labgate_upstream_replica_up{{replica="{good.url}",service="lab"}} 1.0' in text


async def test_with_both_replicas_down_all_are_tried_and_the_first_that_is_back_serves(pair) -> None:
    async with pair() as (here, bad, good):
        await bad.refuse()
        await good.refuse()
        outcomes = await here.caller.all()
        held_against(bad, outcomes)
        assert all(one.kind in ("UpstreamUnreachable", "Unavailable") for one in outcomes)
        await bad.listen()
        await here.caller.until_well()
        assert not good.asked
