"""Laws of what takes too long, as decisions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.limits import Limits
from gateway.wire.patience import Overdue, credited, overdue
from gateway.wire.phase import Phase

LIMITS = Limits(header_seconds=10, idle_seconds=75, body_seconds=20, body_rate=256, linger_seconds=2)


def ends_after(moves: list[int], *, rate: int, patience: float) -> int | None:
    """In which second a body or an answer ends, of which so many bytes move in each; None if it does not."""
    since = 0.0
    for second, moved in enumerate(moves, start=1):
        since = credited(since, second, moved, rate)
        if second - since > patience:
            return second
    return None


def test_what_moves_at_the_rate_never_ends() -> None:
    assert ends_after([256] * 10_000, rate=256, patience=20) is None


def test_what_drips_ends_soon_after_what_is_silent() -> None:
    assert ends_after([0] * 100, rate=256, patience=20) == 21
    assert ends_after([1] * 100, rate=256, patience=20) == 21
    assert ends_after([128] * 100, rate=256, patience=20) == 41


def test_what_moved_fast_before_may_pause_no_longer_than_others() -> None:
    assert ends_after([1 << 30] + [0] * 100, rate=256, patience=20) == 22


def test_a_pause_within_the_patience_ends_nothing() -> None:
    assert ends_after(([0] * 19 + [256 * 20]) * 50, rate=256, patience=20) is None


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 1 << 40), st.integers(1, 1 << 20))
def test_no_silence_begins_in_the_future(since: float, now: float, moved: int, rate: int) -> None:
    assert credited(since, now, moved, rate) <= now
    assert credited(since, now, moved, rate) >= min(since, now)


@pytest.mark.parametrize(
    ("phase", "silent", "how", "found"),
    [
        (Phase.IDLE, 76, {}, Overdue.SILENT),
        (Phase.IDLE, 74, {}, None),
        (Phase.IDLE, 11, {"unwelcome": True}, Overdue.SILENT),
        (Phase.HEAD, 11, {}, Overdue.HEAD),
        (Phase.HEAD, 9, {}, None),
        (Phase.BODY, 21, {}, Overdue.BODY),
        (Phase.BODY, 19, {}, None),
        (Phase.BODY, 1e9, {"invited": False}, None),
        (Phase.LINGER, 3, {}, Overdue.SILENT),
        (Phase.ANSWER, 1e9, {}, None),
        (Phase.TUNNEL, 1e9, {}, None),
        (Phase.BROKEN, 1e9, {}, None),
        (Phase.LOST, 1e9, {}, None),
    ],
)
def test_each_phase_has_its_time(phase: Phase, silent: float, how: dict[str, bool], found: object) -> None:
    said = {"unwelcome": False, "invited": True} | how
    assert overdue(phase, silent, LIMITS, **said) is found
