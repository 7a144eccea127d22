"""Laws of the last minutes: what is too old is forgotten, there is a bound, and how much is known is said."""

import numpy as np

from gateway.core.method_times import BUCKETS, WIDTH, Times, together
from gateway.telemetry.lately import KEPT, SPAN, Lately, due

NONE = Times([], np.zeros((0, WIDTH)))


def one_call(*names):
    cells = np.zeros((len(names), WIDTH))
    cells[:, BUCKETS] = 1
    return Times(names, cells)


def calls(known):
    times = together(known[1])
    return dict(zip(times.names, times.cells[:, BUCKETS].tolist(), strict=True))


def test_what_ended_before_the_time_that_is_asked_for_is_not_told():
    lately = Lately(0.0)
    for at in range(1, 11):
        lately.add(one_call("a.x"), at * SPAN)
    now = 10 * SPAN + 1
    assert calls(lately.over(60.0, NONE, now)) == {"a.x": 2}
    assert calls(lately.over(60.0, one_call("a.x", "b.x"), now)) == {"a.x": 3, "b.x": 1}
    assert calls(lately.over(KEPT, NONE, now)) == {"a.x": 10}


def test_the_seconds_that_are_told_of_are_those_since_it_began_or_a_little_more_than_was_asked_for():
    lately = Lately(1000.0)
    assert lately.over(300.0, NONE, 1007.0)[0] == 7.0
    for at in range(20):
        lately.add(NONE, 1020.0 + at * SPAN)
    known, _ = lately.over(300.0, NONE, 1600.0)
    assert 300.0 <= known < 300.0 + SPAN


def test_what_is_older_than_is_kept_is_forgotten():
    lately = Lately(0.0)
    lately.add(one_call("a.x"), SPAN)
    lately.add(one_call("b.x"), SPAN + KEPT)
    assert calls(lately.over(2 * KEPT, NONE, SPAN + KEPT)) == {"b.x": 1}


def test_where_more_is_called_than_there_is_room_for_fewer_minutes_are_known_and_that_is_said():
    lately = Lately(0.0, most=3)
    for at in range(1, 5):
        lately.add(one_call("a.x", "b.x"), at * SPAN)
    known, _ = lately.over(KEPT, NONE, 4 * SPAN)
    assert (known, calls(lately.over(KEPT, NONE, 4 * SPAN))) == (SPAN, {"a.x": 1, "b.x": 1})


def test_spans_end_at_the_same_moments_whenever_somebody_asks():
    assert {now + due(now) for now in (60.0, 61.0, 89.5)} == {90.0}
