"""Does everybody get their turn, whatever the others ask for, and does no turn get lost?"""

import asyncio
from typing import Any

import pytest

from gateway.core.faults import Unavailable
from gateway.core.principal import Principal
from gateway.upstreams.turns import Turns

ALICE, BOB, CAROL = (Principal(name, "lab") for name in ("alice", "bob", "carol"))


def later() -> float:
    return asyncio.get_running_loop().time() + 60


async def waiter(turns: Turns, whose: Principal | None, order: list[Any], *, name: Any = None) -> None:
    """Take a turn, and note whose it was; it is over one step later."""
    assert await turns.take(later(), whose)
    order.append(whose if name is None else name)
    turns.give()


async def waiters(turns: Turns, count: int, whose: Principal | None, order: list[Any]) -> list[Any]:
    """So many who wait by now."""
    tasks = [asyncio.ensure_future(waiter(turns, whose, order)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def waiting(turns: Turns, whose: Principal | None, seconds: float = 60) -> asyncio.Task[bool]:
    """One who takes a turn, and waits by now if there is none."""
    task = asyncio.ensure_future(turns.take(asyncio.get_running_loop().time() + seconds, whose))
    await asyncio.sleep(0)
    return task


async def test_turns_of_one_caller_pass_to_the_one_who_has_waited_longest() -> None:
    turns = Turns(1, 10)
    assert await turns.take(later())
    order: list[int] = []
    tasks = [asyncio.ensure_future(waiter(turns, ALICE, order, name=number)) for number in range(5)]
    await asyncio.sleep(0)
    assert (turns.taken, turns.waiting) == (1, 5)
    turns.give()
    await asyncio.gather(*tasks)
    assert order == list(range(5))
    assert (turns.taken, turns.waiting) == (0, 0)


async def test_five_hundred_of_one_keep_the_one_of_another_waiting_for_no_more_than_one() -> None:
    turns = Turns(1, 2000)
    assert await turns.take(later(), ALICE)
    order: list[Principal] = []
    tasks = await waiters(turns, 500, ALICE, order)
    tasks += await waiters(turns, 1, BOB, order)
    turns.give()
    await asyncio.gather(*tasks)
    assert order == [ALICE, BOB, *[ALICE] * 499]


async def test_whoever_had_their_turn_in_this_round_waits_until_the_others_had_theirs() -> None:
    turns = Turns(1, 100)
    await turns.take(later())
    order: list[Principal] = []
    tasks = await waiters(turns, 3, ALICE, order)
    turns.give()
    await turns.take(later(), ALICE)  # the last of hers, and this one before anybody else came
    assert order == [ALICE] * 3
    tasks += await waiters(turns, 2, ALICE, order)
    tasks += await waiters(turns, 2, BOB, order)
    tasks += await waiters(turns, 1, CAROL, order)
    turns.give()
    await asyncio.gather(*tasks)
    assert order[3:] == [ALICE, BOB, CAROL, ALICE, BOB]


async def test_what_the_gate_asks_for_itself_is_one_more_callers() -> None:
    turns = Turns(1, 100)
    await turns.take(later())
    order: list[Principal | None] = []
    tasks = await waiters(turns, 3, ALICE, order)
    tasks += await waiters(turns, 3, None, order)
    turns.give()
    await asyncio.gather(*tasks)
    assert order == [ALICE, None] * 3


async def test_one_subject_of_two_issuers_is_two_callers() -> None:
    turns = Turns(1, 100)
    await turns.take(later())
    order: list[Principal] = []
    other = Principal("alice", "another lab")
    tasks = await waiters(turns, 2, ALICE, order)
    tasks += await waiters(turns, 2, other, order)
    tasks += await waiters(turns, 1, Principal("alice", "lab", ("her", "groups")), order)
    turns.give()
    await asyncio.gather(*tasks)
    assert order[:4] == [ALICE, other, ALICE, other]


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
@pytest.mark.parametrize("other", [ALICE, BOB])
async def test_a_turn_of_someone_who_goes_away_is_given_on(granted: bool, other: Principal) -> None:
    turns = Turns(1, 10)
    await turns.take(later())
    leaver = asyncio.ensure_future(turns.take(later(), ALICE))
    follower = asyncio.ensure_future(turns.take(later(), other))
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


@pytest.mark.parametrize("granted", [False, True])
async def test_a_place_without_a_task_is_told_of_its_turn_unless_it_was_left(granted: bool) -> None:
    turns = Turns(1, 10)
    await turns.take(later())
    told: list[str] = []
    leaver = turns.stand(later(), ALICE, lambda: told.append("leaver"))
    turns.stand(later(), BOB, lambda: told.append("bob"))
    follower = await waiting(turns, CAROL)
    if granted:
        turns.give()
        leaver.leave()
    else:
        leaver.leave()
        turns.give()
    await asyncio.sleep(0)
    assert (told, turns.taken) == (["bob"], 1)
    turns.give()
    assert await follower
    turns.give()
    assert (turns.taken, turns.waiting) == (0, 0)


async def test_places_and_tasks_stand_in_one_line() -> None:
    turns = Turns(1, 1000)
    await turns.take(later())
    order: list[Any] = []
    places = [turns.stand(later(), ALICE, lambda: order.append(ALICE)) for _ in range(100)]
    bob = asyncio.ensure_future(waiter(turns, BOB, order))
    await asyncio.sleep(0)
    for _ in range(101):
        turns.give()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await bob
    assert order.index(BOB) <= 1
    assert len(order) == 1 + len(places)


async def test_those_who_went_away_take_no_room() -> None:
    turns = Turns(1, 2)
    await turns.take(later())
    for _ in range(5):
        leaver = asyncio.ensure_future(turns.take(later(), ALICE))
        await asyncio.sleep(0)
        assert turns.waiting == 1
        leaver.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaver
    assert turns.waiting == 0


async def test_a_limit_that_was_narrowed_holds_for_who_waits_and_who_comes() -> None:
    turns = Turns(4, 100)
    for _ in range(4):
        await turns.take(later())
    order: list[Principal] = []
    tasks = await waiters(turns, 1, ALICE, order)
    turns.narrow(2)
    for left in (3, 2):
        turns.give()
        assert (turns.taken, turns.waiting) == (left, 1)
    assert not turns.take_now()
    turns.give()
    await asyncio.gather(*tasks)
    assert (order, turns.taken, turns.take_now()) == ([ALICE], 1, True)
    turns.narrow(9)
    assert not turns.take_now()


# --- who may not wait


async def test_nobody_waits_where_there_is_no_room() -> None:
    turns = Turns(1, 0)
    await turns.take(later())
    with pytest.raises(Unavailable):
        await turns.take(later())
    assert (turns.taken, turns.waiting) == (1, 0)


async def test_one_alone_fills_half_of_the_room_and_leaves_some_to_all_who_come() -> None:
    turns = Turns(1, 100)
    await turns.take(later())
    tasks = []
    counts = []
    for name in ("alice", "bob", "carol", "dan", "eve"):
        whose, before = Principal(name, "lab"), turns.waiting
        while not (task := await waiting(turns, whose)).done():
            tasks.append(task)
        with pytest.raises(Unavailable) as fault:
            await task
        assert fault.value.data == {"retry_after": 1}
        counts.append(turns.waiting - before)
    assert counts == [50, 25, 13, 6, 3]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (turns.taken, turns.waiting) == (1, 0)


def test_a_call_whose_time_would_be_over_before_its_turn_is_refused_at_once_and_told_when_to_come(
    clocked: Any,
) -> None:
    async def run(loop: Any) -> None:
        turns = Turns(1, 1000)
        await turns.take(later(), ALICE)
        order: list[Principal] = []
        tasks = [asyncio.ensure_future(turns.take(loop.time() + 600, ALICE)) for _ in range(40)]
        await asyncio.sleep(0)
        for _ in range(10):  # one in two seconds
            loop.ahead += 2
            turns.give()
        with pytest.raises(Unavailable) as fault:
            await turns.take(loop.time() + 45, ALICE)
        assert fault.value.data == {"retry_after": 15}  # 30 before it take a minute
        tasks += await waiters(turns, 1, BOB, order)  # but his is the next but one
        with pytest.raises(Unavailable):
            await turns.take(loop.time() + 1.9, BOB)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    clocked(run)


def test_as_many_as_may_be_served_at_once_always_wait_and_a_new_queue_is_judged_anew(clocked: Any) -> None:
    async def run(loop: Any) -> None:
        turns = Turns(2, 100)
        for _ in range(2):
            await turns.take(later())
        tasks = [asyncio.ensure_future(turns.take(loop.time() + 600)) for _ in range(3)]
        await asyncio.sleep(0)
        loop.ahead += 100
        turns.give()
        with pytest.raises(Unavailable):
            await turns.take(loop.time() + 5)
        turns.give()
        brief = asyncio.ensure_future(turns.take(loop.time() + 5))
        await asyncio.sleep(0)
        assert not brief.done()
        turns.give()
        turns.give()
        assert await brief
        await asyncio.gather(*tasks)
        assert turns.waiting == 0
        await asyncio.sleep(0)
        tasks = [asyncio.ensure_future(turns.take(loop.time() + 5)) for _ in range(20)]
        await asyncio.sleep(0)
        assert turns.waiting == 20
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    clocked(run)
