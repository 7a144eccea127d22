"""Is it known in time that a turn comes too late?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.pace import retry_after, smoothed, too_late_by

seconds = st.floats(0.001, 1e6)


@pytest.mark.parametrize(
    ("before", "gap", "left", "late"),
    [(10, 1.0, 9.5, 0.5), (10, 1.0, 10.0, None), (0, 60.0, 0.0, None), (1000, None, 0.1, None)],
)
def test_a_turn_is_late_only_when_those_before_it_outlast_the_time_and_never_while_nothing_is_known(
    before: int, gap: float | None, left: float, late: float | None
) -> None:
    assert too_late_by(before, gap, left) == late


@given(st.lists(seconds, min_size=1))
def test_the_pace_lies_between_the_shortest_and_the_longest_that_was_seen(seen: list[float]) -> None:
    gap = None
    for one in seen:
        gap = smoothed(gap, one)
    assert gap is not None
    slack = 1e-9 * max(1.0, *seen)
    assert min(seen) - slack <= gap <= max(seen) + slack


def test_one_slow_turn_among_quick_ones_counts_for_an_eighth() -> None:
    assert smoothed(1.0, 9.0) == 2.0


@given(seconds, st.integers(1, 10_000), seconds)
def test_whoever_comes_back_when_they_were_told_to_is_in_time_unless_that_is_beyond_a_minute(
    gap: float, before: int, left: float
) -> None:
    late = too_late_by(before, gap, left)
    if late is None:
        return
    after = retry_after(late)
    assert after >= 1
    gone_by_then = after / gap
    assert too_late_by(max(0, int(before - gone_by_then)), gap, left) is None or after == 60
