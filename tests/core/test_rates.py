"""How much is owed, and for how long; `tests/test_limiter.py` has the laws of what is charged by it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.rates import SECOND, Rate, add, until_room, wait

NOW = 1_800_000_000 * SECOND


def has_room(rate, due, now):
    return until_room(rate, due, now) == 0


def test_a_clock_that_was_set_back_costs_nobody_more_than_one_burst():
    rate = Rate(10, 1, 20)
    assert wait(rate, NOW + 10**9 * SECOND, 1, NOW) == pytest.approx(0.1)


@given(st.lists(st.integers(1, 10**10), max_size=20))
def test_what_was_had_is_owed_in_full_and_there_is_room_again_when_told(sizes):
    rate, due = Rate(10 << 30, 3600, 10 << 30), 0
    for size in sizes:
        due = add(rate, due, size, NOW)
    assert has_room(rate, due, NOW) is (sum(sizes) < 10 << 30 or sum(map(rate.time_of, sizes)) < rate.span)
    told = until_room(rate, due, NOW)
    assert has_room(rate, due, NOW + round(told * SECOND))
    if told > 1:
        assert not has_room(rate, due, NOW + round((told - 1) * SECOND))


def test_a_debt_is_forgotten_after_a_day_of_windows_at_most():
    rate = Rate(100, 60, 100)
    due = add(rate, 0, 10**15, NOW)
    moments = [NOW + n * 3600 * SECOND for n in range(48)]
    assert [has_room(rate, due, one) for one in moments] == sorted(
        has_room(rate, due, one) for one in moments
    )
    assert until_room(rate, due, NOW) <= 23 * 60 + 1
    assert all(until_room(rate, due, a) >= until_room(rate, due, b) for a, b in pairwise(moments))
