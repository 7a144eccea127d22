"""When does a date of HTTP mean (RFC 9110 section 5.6.7)?"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime
from email.utils import formatdate
from functools import lru_cache
from typing import Final

_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"), 1
    )
}
_MONTH: Final = b"(?P<month>%b)" % b"|".join(_MONTHS)
_TIME: Final = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS: Final = (
    # Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT; Sun Nov  6 08:49:37 1994
    re.compile(
        rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>[0-9]{2}) %b (?P<year>[0-9]{4}) %b GMT" % (_MONTH, _TIME)
    ),
    re.compile(
        rb"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>[0-9]{2})-%b-(?P<year>[0-9]{2}) %b GMT"
        % (_MONTH, _TIME)
    ),
    re.compile(
        rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) %b (?P<day>[0-9]{2}| [0-9]) %b (?P<year>[0-9]{4})"
        % (_MONTH, _TIME)
    ),
)
_AHEAD: Final = 50
"""Years ahead from which on a year of two digits is one of the past."""


@lru_cache(4096)
def seconds_of(value: bytes, year_now: int = 2000) -> int | None:
    """The date in seconds since 1970, None for what is no date; `year_now` tells which century two digits mean."""
    found = next((match for form in _FORMS if (match := form.fullmatch(value))), None)
    if found is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        year += year_now - year_now % 100
        year -= 100 if year > year_now + _AHEAD else 0
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"])
    if hour > 23 or minute > 59 or second > 60:  # a leap second is one
        return None
    try:
        day = datetime(year, _MONTHS[found["month"]], int(found["day"]), hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    return timegm(day.timetuple()) + second


def written(seconds: float) -> bytes:
    """The date as it is sent."""
    return formatdate(seconds, usegmt=True).encode()


def year_of(seconds: float) -> int:
    """The year that this moment lies in."""
    return datetime.fromtimestamp(seconds, UTC).year
