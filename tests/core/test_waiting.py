"""Laws of waiting for what somebody else is fetching."""

import math

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.waiting import MOST, SOON, UNSEEN, Coming, patience

MIB = 1 << 20
seconds = st.floats(0, 1000)


def waited_for(length: int, rate: float, *, joined: float = 0.0) -> float:
    """For how long somebody waits who came so many seconds after an answer had begun that brings so many bytes a second."""
    now = joined
    while now * rate < length:
        more = patience(Coming(0.0, length, int(now * rate)), now - joined, now)
        if more <= 0:
            return now - joined
        now += min(more, 1.0)
    return now - joined


def test_while_nothing_tells_how_long_it_takes_it_is_waited_for_some_seconds():
    assert patience(None, 0.0, 100.0) == UNSEEN
    assert patience(None, UNSEEN, 100.0) == 0


def test_what_is_here_soon_is_waited_for_to_its_end():
    assert waited_for(100 * MIB, 10 * MIB) >= 10
    assert waited_for(100 * MIB, 10 * MIB, joined=6) >= 4


def test_what_takes_long_is_not_waited_for_as_soon_as_that_can_be_told():
    assert waited_for(1000 * MIB, 10 * MIB) <= 1
    assert waited_for(1000 * MIB, 10 * MIB, joined=5) == 0


def test_of_what_takes_long_the_end_is_waited_for():
    assert waited_for(1000 * MIB, 10 * MIB, joined=90) >= 10


def test_an_answer_that_stands_still_is_given_up():
    now, waited = 2.0, 0.0
    while (more := patience(Coming(0.0, 100 * MIB, 50 * MIB), waited, now)) > 0:
        now, waited = now + min(more, 1.0), waited + min(more, 1.0)
    assert waited <= SOON + 1


def test_of_what_is_as_long_as_nobody_knows_some_seconds_are_waited_for_from_its_beginning():
    begun = Coming(100.0, None, 50 * MIB)
    assert patience(begun, 99.0, 100.0) == UNSEEN
    assert patience(begun, 99.0, 100.0 + UNSEEN) == 0


def test_what_a_rule_stores_is_waited_for_until_it_begins():
    assert patience(None, 100.0, 100.0, math.inf) == math.inf
    assert patience(Coming(100.0, MIB, 0), 100.0, 100.5, math.inf) > 0


@given(st.integers(0, 1 << 50), st.integers(0, 1 << 50), seconds, seconds, seconds)
def test_nobody_waits_for_longer_than_may_be(length, received, began, passed, waited):
    more = patience(Coming(began, length, received), waited, began + passed)
    assert more <= max(0.0, MOST - min(waited, passed)) + 1e-9


@given(st.integers(0, 1 << 40), seconds)
def test_what_is_all_here_and_is_not_stored_yet_is_waited_for(length, passed):
    assert patience(Coming(0.0, length, length), 0.0, passed) > 0
