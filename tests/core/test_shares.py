"""Laws of shares: they add up, and nobody is left with nothing."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.shares import share


@given(st.integers(1, 10_000), st.integers(1, 64))
def test_shares_differ_by_one_at_most_and_add_up_where_there_is_enough(total, workers):
    parts = [share(total, number, workers) for number in range(1, workers + 1)]
    assert min(parts) >= 1
    assert max(parts) - min(parts) <= 1
    assert sum(parts) == max(total, workers)


def test_one_alone_has_it_all():
    assert share(7, 1, 1) == 7
