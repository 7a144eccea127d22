"""Age and lifetime of replies, by their fields and the time that their trip took."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cache_control import MOST_SECONDS, reply_control
from gateway.core.http_dates import written
from gateway.core.http_freshness import Heuristic, initial_age, lifetime

NOW = 1_700_000_000.0
ages = st.integers(0, 100_000)


@given(st.none() | ages, st.none() | st.integers(-100_000, 100_000), st.floats(0, 100))
def test_an_age_is_the_larger_of_what_it_says_and_what_its_date_says(said, since, delay):
    fields = ()
    if said is not None:
        fields += ((b"Age", b"%d" % said),)
    if since is not None:
        fields += ((b"Date", written(NOW - since)),)
    found = initial_age(fields, NOW - delay, NOW)
    assert found >= (said or 0) + delay - 0.001
    assert found >= (since if since is not None and since >= 1 else 0)
    assert found <= max((said or 0) + delay, 0, since or 0) + 0.001


@pytest.mark.parametrize(
    ("value", "age"),
    [
        (b"7", 7),
        (b"7, 9", 7),
        (b" 7 ", 7),
        (b"-7", 0),
        (b"7.5", 0),
        (b"", 0),
        (b"x, 7", 0),
        (b"9" * 50, MOST_SECONDS),
        (b"0" * 50 + b"7", 7),
    ],
)
def test_an_age_field_is_a_number_of_seconds_or_nothing(value, age):
    assert initial_age(((b"age", value),), NOW, NOW) == age


def life(*fields, status=200, on=False, most=1000.0):
    return lifetime(reply_control(fields), status, fields, NOW, Heuristic(on, most))


CC, EXPIRES, CHANGED = b"Cache-Control", b"Expires", b"Last-Modified"


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ((), None),
        (((CC, b"max-age=5"),), 5),
        (((CC, b"max-age=5, s-maxage=7"),), 7),
        (((EXPIRES, written(NOW + 9)),), 9),
        (((EXPIRES, written(NOW + 9)), (b"Date", written(NOW - 1))), 10),
        (((EXPIRES, written(NOW - 9)),), 0),
        (((EXPIRES, b"0"),), 0),
        (((EXPIRES, written(NOW + 9)), (EXPIRES, written(NOW + 8))), 0),
        (((EXPIRES, written(NOW + 9)), (CC, b"max-age=5")), 5),
        (((EXPIRES, written(NOW + 9)), (b"CDN-Cache-Control", b"public")), None),
        (((CC, b"no-cache"),), None),
    ],
)
def test_a_lifetime_is_what_is_said_first_in_this_order(fields, seconds):
    assert life(*fields) == seconds


def test_the_heuristic_speaks_only_where_nothing_else_does():
    changed = (CHANGED, written(NOW - 100))
    assert life(changed) is None
    assert life(changed, on=True) == pytest.approx(10)
    assert life(changed, on=True, most=3) == 3
    assert life((CHANGED, written(NOW + 100)), on=True) == 0
    assert life((CHANGED, b"x"), on=True) is None
    assert life(changed, on=True, status=201) is None
    assert life(changed, (CC, b"public"), on=True, status=201) == pytest.approx(10)
    assert life(changed, (CC, b"no-cache"), on=True) is None
    assert life(changed, (CC, b"max-age=1"), on=True) == 1
