"""Server-Timing: metrics as the W3C's grammar has them, and only those that are known."""

import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.server_timing import server_timing

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_METRIC = rb"%b(?:;(?:dur=[0-9]+\.[0-9]|desc=%b))?" % (_TOKEN, _TOKEN)
_field = re.compile(rb"%b(?:, %b)*" % (_METRIC, _METRIC)).fullmatch
_maybe = st.none() | st.floats(0, 1e9)


@given(st.sampled_from([None, "hit", "stale", "miss", "pass"]), st.floats(0, 1e9), _maybe, _maybe)
def test_every_metric_is_said_once_in_the_order_of_events_and_what_is_not_known_is_not_said(
    cache, total, upstream, auth
):
    said = server_timing(cache, total, upstream, auth)
    assert _field(said), said
    known = {"auth": auth, "cache": cache, "upstream": upstream, "total": total}
    names = [one.partition(b";")[0].decode() for one in said.split(b", ")]
    assert names == [name for name, value in known.items() if value is not None]


def test_milliseconds_have_one_digit_and_what_the_cache_did_is_a_word():
    assert server_timing("miss", 13.04, 12.5) == b"cache;desc=miss, upstream;dur=12.5, total;dur=13.0"
    assert server_timing("hit", 2.0, auth=1.26) == b"auth;dur=1.3, cache;desc=hit, total;dur=2.0"
