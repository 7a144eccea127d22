"""Pieces: what comes after a place is told without a gap, and what nobody reads any more goes."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.pieces import after, size_of, without_first

PIECES = st.lists(st.binary(max_size=9), max_size=12)


@given(PIECES, st.integers(0, 5), st.integers(0, 120), st.integers(1, 40))
def test_what_comes_after_a_place_is_told_from_there_on_and_as_much_as_was_asked_for(
    pieces, begin, gone, most
):
    whole = b"".join(pieces)
    at = begin + min(gone, len(whole))
    found = after(pieces, begin, at, most)
    told = b"".join(bytes(one) for one in found)
    rest = whole[at - begin :]
    assert rest.startswith(told)
    assert len(told) >= min(most, len(rest))
    assert sum(map(size_of, found[:-1])) < most


@given(PIECES, st.integers(0, 5), st.integers(0, 120))
def test_of_what_is_forgotten_nothing_goes_that_comes_after_the_place(pieces, begin, upto):
    whole, left = b"".join(pieces), list(pieces)
    now = without_first(left, begin, upto)
    assert b"".join(left) == whole[now - begin :]
    assert now <= max(begin, upto)
    assert not left or now + len(left[0]) > upto
