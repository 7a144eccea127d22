"""Laws of what callers prefer (RFC 9110 section 12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.preference import takes_gzip, weight_of


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.1", True),
        ("*", True),
        ("gzip;q=1.0, *;q=0", True),
        ("gzip ; Q=0.5", True),
        ("", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000, *", False),
        ("gzip;q=0.5, identity;q=0.9", False),
        ("gzip;q=nonsense", False),
        ("gzipped", False),
        (",,;;", False),
    ],
)
def test_a_body_is_packed_for_who_prefers_that(accepted, taken):
    assert takes_gzip(accepted) is taken


@given(st.lists(st.text(max_size=20), max_size=4))
def test_a_weight_lies_between_not_at_all_and_above_all(parameters):
    assert 0 <= weight_of(parameters) <= 1


@given(st.text(max_size=60))
def test_any_text_says_whether(accepted):
    assert takes_gzip(accepted) in (True, False)
