"""Laws of the channel: answers find their questions, order is kept, faults arrive, and the end is noticed."""

import asyncio
import socket
from contextlib import asynccontextmanager

import pytest

from gateway.core.faults import Unavailable
from gateway.workers.channel import Channel


@asynccontextmanager
async def pair(handlers):
    """One end, and the other's, which answers by these handlers."""
    ours, theirs = [await Channel.open(end) for end in socket.socketpair()]
    tasks = [asyncio.ensure_future(ours.attend({})), asyncio.ensure_future(theirs.attend(handlers))]
    try:
        yield ours, theirs
    finally:
        ours.close()
        theirs.close()
        await asyncio.gather(*tasks)


async def test_each_question_gets_its_own_answer_whatever_is_answered_first():
    gate = asyncio.Event()

    async def wait(body):
        if body == "slow":
            await gate.wait()
        return body

    async with pair({"echo": wait}) as (ours, _):
        slow = asyncio.ensure_future(ours.ask("echo", "slow"))
        assert await ours.ask("echo", {"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}
        gate.set()
        assert await slow == "slow"


async def test_messages_are_taken_in_the_order_in_which_they_were_sent():
    taken = []

    async def take(body):
        taken.append(body)
        await asyncio.sleep(0)

    async with pair({"take": take}) as (ours, _):
        for number in range(100):
            ours.tell("take", number)
        await ours.ask("take", 100)
        assert taken == list(range(101))


async def test_a_fault_arrives_in_its_words_and_a_mistake_without_them(caplog):
    async def refuse(_):
        raise Unavailable("not now")

    async def fail(_):
        raise RuntimeError("secret")

    async with pair({"refuse": refuse, "fail": fail}) as (ours, _):
        with pytest.raises(Unavailable, match="not now"):
            await ours.ask("refuse")
        with pytest.raises(Unavailable) as caught:
            await ours.ask("fail")
        assert "secret" not in str(caught.value)


async def test_whoever_waits_for_an_answer_hears_that_the_other_end_has_gone():
    never = asyncio.Event()

    async def wait(_):
        await never.wait()

    async with pair({"wait": wait}) as (ours, theirs):
        asked = asyncio.ensure_future(ours.ask("wait"))
        await asyncio.sleep(0)
        theirs.close()
        with pytest.raises(Unavailable):
            await asked
        with pytest.raises(Unavailable):
            await ours.ask("wait")
        ours.tell("wait")


async def test_a_large_line_arrives_whole():
    async def size(body):
        return len(body)

    async with pair({"size": size}) as (ours, _):
        assert await ours.ask("size", "x" * 20_000_000) == 20_000_000


async def test_a_line_that_was_cut_off_is_the_end():
    near, far = socket.socketpair()
    channel = await Channel.open(near)
    far.sendall(b'{"kind": "be')
    far.close()
    await channel.attend({})
    with pytest.raises(Unavailable):
        await channel.ask("anything")
