"""The form of values in Redis: what comes back is what was stored, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.verdict import Entry, HttpHead
from gateway.tiers import redis_values
from gateway.tiers.redis_values import MOST_ROWS, Stored, UnreadableError, packed, unpacked

ANY = st.binary(max_size=40)
TIMES = st.floats(0, 1e11)
ROWS = st.lists(st.integers(0, 4096), min_size=1, max_size=5).map(tuple)


@st.composite
def values(draw) -> Stored:
    rows = draw(ROWS)
    counters = st.lists(st.integers(0, 2**63 - 1), min_size=len(rows), max_size=len(rows)).map(tuple)
    head = st.none() | st.builds(
        HttpHead, st.integers(100, 999), ANY, st.lists(st.tuples(ANY, ANY), max_size=4).map(tuple), ANY
    )
    entry = Entry(
        key=draw(ANY),
        kind=draw(st.sampled_from(["result", "error", "http"])),
        body=draw(st.binary(max_size=300)),
        stored=draw(TIMES),
        fresh_until=draw(TIMES),
        stale_until=draw(TIMES),
        epoch=draw(st.integers(0, 2**63 - 1)),
        generations=draw(counters)[:-1],
        head=draw(head),
        aged=draw(st.integers(0, 2**31)),
        refresh_until=draw(TIMES),
        validate=draw(st.booleans()),
        strict=draw(st.booleans()),
        vary=draw(st.lists(ANY, max_size=3).map(tuple)),
        lineage=draw(st.lists(st.text(max_size=9), max_size=4).map(tuple)),
    )
    return Stored(entry, draw(ANY), rows, draw(counters))


@given(values())
def test_what_was_packed_comes_back_whole(stored):
    assert unpacked(packed(stored)) == stored


@given(values(), st.data())
def test_a_value_with_any_byte_altered_is_not_read(stored, data):
    value = bytearray(packed(stored))
    at = data.draw(st.integers(0, len(value) - 1))
    value[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UnreadableError):
        unpacked(bytes(value))


@given(values(), st.data())
def test_a_value_that_was_cut_or_continued_is_not_read(stored, data):
    value = packed(stored)
    cut = value[: data.draw(st.integers(0, len(value) - 1))]
    for broken in (cut, value + data.draw(st.binary(min_size=1, max_size=9))):
        with pytest.raises(UnreadableError):
            unpacked(broken)


@given(st.binary(max_size=400))
def test_bytes_that_nobody_packed_are_not_read(value):
    with pytest.raises(UnreadableError):
        unpacked(value)


@pytest.mark.parametrize("name", ["_MAGIC", "_SHAPE"])
def test_a_value_of_another_version_is_not_read_and_is_named_so(monkeypatch, name):
    entry = Entry(b"k", "result", b"[1]", 0.0, 1.0, 1.0, 0, ())
    with monkeypatch.context() as other:
        other.setattr(redis_values, name, b"labgate\x01")
        value = packed(Stored(entry, b"i", (4096,), (0,)))
    with pytest.raises(UnreadableError, match="of another version"):
        unpacked(value)


def test_an_entry_of_too_many_counters_is_refused_and_not_stored_in_part():
    entry = Entry(b"k", "result", b"[1]", 0.0, 1.0, 1.0, 0, ())
    rows = tuple(range(MOST_ROWS + 1))
    with pytest.raises(ValueError, match="more than 250 counters"):
        packed(Stored(entry, b"i", rows, rows))
    assert unpacked(packed(Stored(entry, b"i", rows[1:], rows[1:]))).rows == rows[1:]
