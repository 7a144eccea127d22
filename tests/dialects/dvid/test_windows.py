"""Memory for reads serves one after the other, never two at once, and is let go when nobody reads."""

import asyncio

import pytest

from gateway.dialects.dvid import windows
from gateway.dialects.dvid.windows import MOST, SIZE, Windows


async def test_a_window_serves_one_read_after_the_other_and_no_two_at_once():
    made = Windows()
    first, second = made.take(100), made.take(SIZE)
    assert (len(first), len(second)) == (100, SIZE)
    assert first.obj is not second.obj
    made.give(first)
    assert made.take(7).obj is first.obj


async def test_no_more_are_kept_than_reads_go_on_at_once_and_none_that_is_larger():
    made = Windows()
    for window in [made.take(1) for _ in range(MOST + 3)]:
        made.give(window)
    assert len(made) == MOST
    large = Windows()
    large.give(large.take(SIZE + 1))
    assert len(large) == 0


async def test_windows_that_nobody_needs_for_a_while_are_let_go(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(windows, "_IDLE_SECONDS", 0.0)
    made = Windows()
    made.give(made.take(1))
    assert len(made) == 1
    async with asyncio.timeout(5):
        while len(made):
            await asyncio.sleep(0)
