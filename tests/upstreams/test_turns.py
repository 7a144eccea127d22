"""Do requests wait in order, and does no turn get lost?"""

import asyncio

import pytest

from gateway.core.faults import Unavailable
from gateway.upstreams.turns import Turns


def later() -> float:
    return asyncio.get_running_loop().time() + 60


async def test_turns_pass_to_the_one_who_has_waited_longest() -> None:
    turns = Turns(1, 10)
    assert await turns.take(later())
    order: list[int] = []

    async def wait(number: int) -> None:
        assert await turns.take(later())
        order.append(number)
        turns.give()

    tasks = [asyncio.ensure_future(wait(number)) for number in range(5)]
    await asyncio.sleep(0)
    assert (turns.taken, turns.waiting) == (1, 5)
    turns.give()
    await asyncio.gather(*tasks)
    assert order == list(range(5))
    assert (turns.taken, turns.waiting) == (0, 0)


async def test_whoever_waits_longer_than_they_may_gets_none_and_blocks_nobody() -> None:
    turns = Turns(1, 10)
    await turns.take(later())
    assert not await turns.take(asyncio.get_running_loop().time() + 0.01)
    next_one = asyncio.ensure_future(turns.take(later()))
    await asyncio.sleep(0)
    turns.give()
    assert await next_one
    assert turns.taken == 1


@pytest.mark.parametrize("granted", [False, True])
async def test_a_turn_of_someone_who_goes_away_is_given_on(granted: bool) -> None:
    turns = Turns(1, 10)
    await turns.take(later())
    leaver = asyncio.ensure_future(turns.take(later()))
    follower = asyncio.ensure_future(turns.take(later()))
    await asyncio.sleep(0)
    if granted:
        turns.give()
        leaver.cancel()
    else:
        leaver.cancel()
        turns.give()
    assert await follower
    with pytest.raises(asyncio.CancelledError):
        await leaver
    turns.give()
    assert (turns.taken, turns.waiting) == (0, 0)


async def test_nobody_waits_where_there_is_no_room() -> None:
    turns = Turns(1, 0)
    await turns.take(later())
    with pytest.raises(Unavailable):
        await turns.take(later())
    assert (turns.taken, turns.waiting) == (1, 0)
