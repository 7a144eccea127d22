"""The dates of HTTP, in their three forms."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.http_dates import seconds_of, written, year_of

moments = st.integers(0, 253_402_300_799).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(moments)
def test_a_date_is_read_in_each_form_as_the_same_moment(moment):
    seconds = int(moment.timestamp())
    assert (
        seconds_of(
            moment.strftime("%a, %d %b %Y %H:%M:%S GMT")
            .replace(moment.strftime("%Y"), f"{moment.year:04}")
            .encode()
        )
        == seconds
    )
    assert seconds_of(moment.strftime(f"%a %b {moment.day:2} %H:%M:%S {moment.year:04}").encode()) == seconds
    assert seconds_of(moment.strftime("%A, %d-%b-%y %H:%M:%S GMT").encode(), moment.year) == seconds
    assert seconds_of(written(seconds)) == seconds
    assert year_of(seconds) == moment.year


@given(st.binary(max_size=40))
def test_what_is_no_date_is_none(value):
    assert seconds_of(value) is None


@pytest.mark.parametrize(
    ("digits", "now", "year"),
    [
        (b"94", 2026, 1994),
        (b"76", 2026, 2076),
        (b"77", 2026, 1977),
        (b"00", 1999, 1900),
        (b"49", 1999, 1949),
        (b"99", 2099, 2099),
    ],
)
def test_a_year_of_two_digits_is_at_most_fifty_years_ahead(digits, now, year):
    day = datetime(year, 11, 6, 8, 49, 37, tzinfo=UTC)
    said = day.strftime("%A, 06-Nov-").encode() + digits + b" 08:49:37 GMT"
    assert seconds_of(said, now) == int(day.timestamp())


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"Sun, 06 Nov 1994 24:00:00 GMT",
            b"Sun, 06 Nov 1994 08:60:00 GMT",
            b"Sun, 06 Nov 1994 08:49:61 GMT",
        ),
        *(
            b"Sun, 31 Feb 1994 08:49:37 GMT",
            b"Sun, 00 Nov 1994 08:49:37 GMT",
            b"Sun, 06 Nov 0000 08:49:37 GMT",
        ),
        *(b"Sun, 6 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:37", b"sun, 06 nov 1994 08:49:37 gmt"),
        *(b" Sun, 06 Nov 1994 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:37 +0000", b"784111777"),
    ],
)
def test_times_and_days_that_there_are_not_are_none(value):
    assert seconds_of(value) is None


def test_a_leap_second_is_the_next_one():
    assert seconds_of(b"Sat, 31 Dec 2016 23:59:60 GMT") == seconds_of(b"Sun, 01 Jan 2017 00:00:00 GMT")
