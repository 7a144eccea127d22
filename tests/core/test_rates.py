"""How often something may happen: beside a bucket of tokens that is counted in fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.rates import SECOND, Rate, add, has_room, ruling, spend, standing, until_room, wait

NOW = 1_800_000_000 * SECOND
# Where a second is no multiple of the count, a nanosecond is lost now and then; here none is.
EXACT = st.builds(
    Rate,
    count=st.sampled_from([1, 2, 4, 5, 8, 10, 50, 100, 1000]),
    seconds=st.sampled_from([1, 60, 3600]),
    burst=st.integers(1, 30),
)
ASKED = st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 5)), max_size=60)


class Tokens:
    """The naive model: a bucket of `burst` tokens, into which they come back evenly."""

    def __init__(self, rate: Rate) -> None:
        self.rate, self.tokens, self.at = rate, Fraction(rate.burst), NOW

    def move_to(self, now: int) -> None:
        back = Fraction((now - self.at) * self.rate.count, self.rate.seconds * SECOND)
        self.tokens, self.at = min(Fraction(self.rate.burst), self.tokens + back), now

    def take(self, cost: int, now: int) -> bool:
        self.move_to(now)
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True


@given(EXACT, ASKED)
def test_it_allows_what_a_bucket_of_tokens_allows_and_tells_what_is_left_in_it(rate, asked):
    model, due, now = Tokens(rate), 0, NOW
    for later, cost in asked:
        now += later
        said = ruling(rate, due, cost, now)
        assert said.allowed is model.take(cost, now)
        due = said.due
        assert said.remaining == int(model.tokens)
        assert said.reset == pytest.approx(
            float((rate.burst - model.tokens) * rate.seconds / rate.count), abs=1e-6
        )


@given(EXACT, ASKED)
def test_in_no_window_are_there_more_than_a_burst_and_what_came_back_in_it(rate, asked):
    due, now, when = 0, NOW, []
    for later, _ in asked:
        now += later
        spent = spend(rate, due, 1, now)
        if spent is not None:
            due = spent
            when.append(now)
    for first in range(len(when)):
        for last in range(first, len(when)):
            back = (when[last] - when[first]) * rate.count // (rate.seconds * SECOND)
            assert last - first + 1 <= rate.burst + back


@given(EXACT, st.integers(0, 100), st.integers(1, 40))
def test_whoever_waits_as_long_as_told_is_let_in_and_a_moment_earlier_is_not(rate, spent, cost):
    due = 0
    for _ in range(spent):
        due = spend(rate, due, 1, NOW) or due
    told = wait(rate, due, cost, NOW)
    if cost > rate.burst:
        assert spend(rate, due, cost, NOW + 10**6 * SECOND) is None
        return
    after = NOW + round(told * SECOND)
    assert spend(rate, due, cost, after) is not None
    if told:
        assert spend(rate, due, cost, after - 2) is None
        assert spend(rate, due, cost, NOW) is None


@pytest.mark.parametrize("count", [3, 7, 999, 100_000])
def test_a_whole_burst_can_be_spent_in_one_moment_whatever_a_second_divided_by_it_is(count):
    rate, due = Rate(count, 1, count), 0
    for _ in range(count):
        due = spend(rate, due, 1, NOW)
    assert standing(rate, due, NOW)[0] == 0


def test_a_clock_that_was_set_back_costs_nobody_more_than_one_burst():
    rate = Rate(10, 1, 20)
    assert spend(rate, NOW + 10**9 * SECOND, 1, NOW) is None
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
