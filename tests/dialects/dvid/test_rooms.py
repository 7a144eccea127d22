"""Memory for reads serves one after the other, never two at once, and is let go when nobody reads."""

import asyncio

import pytest

from gateway.dialects.dvid import rooms
from gateway.dialects.dvid.geometry import READ_BYTES
from gateway.dialects.dvid.rooms import MOST, Rooms


async def test_a_room_serves_one_read_after_the_other_and_no_two_at_once():
    made = Rooms()
    first, second = made.take(100), made.take(READ_BYTES)
    assert (len(first), len(second)) == (100, READ_BYTES)
    assert first.obj is not second.obj
    made.give(first)
    assert made.take(7).obj is first.obj


async def test_no_more_are_kept_than_reads_go_on_at_once_and_none_of_larger_reads():
    made = Rooms()
    for room in [made.take(1) for _ in range(MOST + 3)]:
        made.give(room)
    assert len(made) == MOST
    large = Rooms()
    large.give(large.take(READ_BYTES + 1))
    assert len(large) == 0


async def test_rooms_that_nobody_needs_for_a_while_are_let_go(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rooms, "_IDLE_SECONDS", 0.0)
    made = Rooms()
    made.give(made.take(1))
    async with asyncio.timeout(5):
        while len(made):
            await asyncio.sleep(0)
