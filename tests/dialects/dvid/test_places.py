"""A place for a block is its own as long as anybody looks at it, serves the next one then, and is let go when nobody reads."""

import asyncio

import numpy as np
import pytest

from gateway.dialects.dvid import places
from gateway.dialects.dvid.places import MOST, Places

SIZE = 1 << 20


def address(view) -> int:
    return np.frombuffer(view, np.uint8).ctypes.data


@pytest.mark.parametrize(
    "as_view", [lambda one: one.data.toreadonly(), lambda one: one[5:7], lambda one: one]
)
async def test_a_place_serves_the_next_block_when_nobody_has_it_or_a_view_of_it_and_not_before(as_view):
    made = Places()
    place = made.take(SIZE)
    at, view = address(place), as_view(place)
    del place
    other = made.take(SIZE)
    assert address(other) != at
    assert made.kept == 0
    del view
    assert made.kept == SIZE
    assert address(made.take(SIZE)) == at


async def test_blocks_of_another_size_have_other_places():
    made = Places()
    made.take(SIZE)
    assert made.kept == SIZE
    assert made.take(2 * SIZE).nbytes == 2 * SIZE


async def test_blocks_may_go_in_any_thread():
    made = Places()
    held = [made.take(SIZE) for _ in range(8)]
    await asyncio.to_thread(held.clear)
    assert made.kept == 8 * SIZE


async def test_no_more_is_kept_than_reads_need():
    made, size = Places(), MOST // 4
    held = [made.take(size) for _ in range(6)]
    held.clear()
    assert made.kept == MOST


async def test_places_that_nobody_needs_for_a_while_are_let_go_also_those_of_blocks_that_go_later(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(places, "_IDLE_SECONDS", 0.0)
    made = Places()
    held = made.take(SIZE)
    made.take(SIZE)
    async with asyncio.timeout(5):
        while made.kept:
            await asyncio.sleep(0)
    del held
    assert made.kept == SIZE
    async with asyncio.timeout(5):
        while made.kept:
            await asyncio.sleep(0)


async def test_where_the_system_has_no_more_of_them_blocks_are_in_memory_as_all_else_is(
    monkeypatch: pytest.MonkeyPatch,
):
    def refuse(*_: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(places.mmap, "mmap", refuse)
    made = Places()
    assert made.take(SIZE).nbytes == SIZE
    assert made.kept == 0
