"""Byte ranges: which bytes a request wants, and when parts are a whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.byte_ranges import Part, Span, Unsatisfiable, part_of, wanted, whole_of

TAG = b'"a"'


@given(st.binary(max_size=50), st.integers(0, 60), st.none() | st.integers(0, 60))
def test_a_range_is_the_slice_that_it_names(body, first, last):
    found = wanted(b"bytes=%d-%b" % (first, b"" if last is None else b"%d" % last), len(body))
    if last is not None and last < first:
        assert found is None
    elif first >= len(body):
        assert found == Unsatisfiable()
    else:
        assert body[found.start : found.stop] == body[first : None if last is None else last + 1]
        assert found.start < found.stop <= len(body)


@given(st.binary(max_size=50), st.integers(0, 60))
def test_a_suffix_is_the_end(body, count):
    found = wanted(b"bytes=-%d" % count, len(body))
    if not count or not body:
        assert found == Unsatisfiable()
    else:
        assert body[found.start : found.stop] == body[-count:]


@given(st.binary(max_size=20))
def test_whatever_else_is_said_means_the_whole(value):
    found = wanted(value, 10)
    assert found is None or isinstance(found, Unsatisfiable) or 0 <= found.start < found.stop <= 10


@pytest.mark.parametrize(
    "value",
    [b"bytes=0-1,2-3", b"items=0-1", b"bytes", b"bytes=-", b"bytes=1-0", b"bytes=" + b"9" * 30 + b"-"],
)
def test_several_ranges_and_other_units_mean_the_whole(value):
    assert wanted(value, 10) is None


def test_the_first_bytes_are_those_of_the_examples():
    assert wanted(b"bytes=0-499", 10_000) == Span(0, 500)
    assert wanted(b"bytes=9500-", 10_000) == Span(9500, 10_000)


@given(st.binary(min_size=1, max_size=60), st.data())
def test_parts_make_the_whole_exactly_when_together_they_are_all_of_it(body, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=4)) | {0, len(body)})
    parts = [Part(max(0, start - data.draw(st.integers(0, 3))), b"", len(body), TAG) for start in cuts[:-1]]
    parts = [
        Part(part.start, body[part.start : stop], len(body), TAG)
        for part, stop in zip(parts, cuts[1:], strict=True)
    ]
    shuffled = data.draw(st.permutations(parts))
    assert whole_of(shuffled) == body
    for missing in range(len(parts)):
        rest = parts[:missing] + parts[missing + 1 :]
        covered = {at for part in rest for at in range(part.start, part.stop)}
        made = whole_of(rest)
        assert made == (body if len(covered) == len(body) else None)


def test_parts_of_other_versions_or_lengths_never_meet():
    one = Part(0, b"ab", 4, TAG)
    assert whole_of([one, Part(2, b"cd", 4, TAG)]) == b"abcd"
    assert whole_of([one, Part(2, b"cd", 4, b'"b"')]) is None
    assert whole_of([one, Part(2, b"cde", 5, TAG)]) is None
    assert whole_of([one, Part(1, b"Xcd", 4, TAG)]) is None
    weak = b'W/"a"'
    assert whole_of([Part(0, b"ab", 4, weak), Part(2, b"cd", 4, weak)]) is None
    assert whole_of([]) is None


@pytest.mark.parametrize(
    ("said", "data", "tag", "part"),
    [
        (b"bytes 0-1/4", b"ab", TAG, Part(0, b"ab", 4, TAG)),
        (b"Bytes 2-3/4", b"cd", TAG, Part(2, b"cd", 4, TAG)),
        (b"bytes 0-1/*", b"ab", TAG, None),
        (b"bytes */4", b"", TAG, None),
        (b"bytes 0-2/4", b"ab", TAG, None),
        (b"bytes 3-4/4", b"ab", TAG, None),
        (b"bytes 1-0/4", b"", TAG, None),
        (b"bytes 0-1/4", b"ab", b'W/"a"', None),
        (b"bytes 0-1/4", b"ab", None, None),
        (b"items 0-1/4", b"ab", TAG, None),
    ],
)
def test_a_206_is_a_part_if_it_says_which_and_of_what(said, data, tag, part):
    assert part_of(said, data, tag) == part
