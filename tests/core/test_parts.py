"""Parts of one representation are put together where a strong tag says that they are, and nowhere else."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.byte_ranges import Part
from gateway.core.keys import first_frame, framed
from gateway.core.parts import head_of_parts, joined, parts_in, root_of_parts, served_part
from gateway.core.verdict import Entry, HttpHead

TAG = b'"a"'
FIELDS = ((b"ETag", TAG), (b"Content-Type", b"x/y"), (b"Content-Range", b"bytes 0-0/1"))
WHOLE = bytes(range(40))
spans = st.tuples(st.integers(0, 39), st.integers(1, 40)).map(lambda two: (two[0], min(40, two[0] + two[1])))


def part(start: int, stop: int, body: bytes = WHOLE, tag: bytes = TAG) -> Part:
    return Part(start, body[start:stop], len(body), tag)


def entry_of(parts, fields=FIELDS) -> Entry:
    body = b"".join(one.data for one in parts)
    return Entry(b"k", "http", body, 1.0, 2.0, 2.0, 0, (), head_of_parts(fields, parts))


def asked(value: str, *others: tuple[bytes, bytes]):
    return ((b"Range", value.encode()), *others)


@given(st.lists(spans, min_size=1, max_size=8), spans)
def test_a_range_is_answered_exactly_when_every_byte_of_it_came_and_by_those_bytes(came, wanted):
    known: tuple[Part, ...] = ()
    for start, stop in came:
        known = joined(known, part(start, stop))
    have = {at for start, stop in came for at in range(start, stop)}
    start, stop = wanted
    made = served_part(entry_of(known), asked(f"bytes={start}-{stop - 1}"))
    assert (made is not None) == (set(range(start, stop)) <= have)
    if made is not None:
        head, body = made
        assert body == WHOLE[start:stop]
        assert head.status == 206
        told = [value for name, value in head.fields if name == b"Content-Range"]
        assert told == [b"bytes %d-%d/40" % (start, stop - 1)]


@given(st.lists(spans, min_size=1, max_size=8))
def test_what_is_stored_says_what_it_is(came):
    known: tuple[Part, ...] = ()
    for start, stop in came:
        known = joined(known, part(start, stop))
    assert parts_in(entry_of(known)) == known
    assert all(one.stop < other.start for one, other in pairwise(known))


@given(st.lists(spans, min_size=1, max_size=4), spans, st.sampled_from(["tag", "length", "bytes"]))
def test_a_part_of_another_version_ends_what_was_known(came, new, how):
    known: tuple[Part, ...] = ()
    for start, stop in came:
        known = joined(known, part(start, stop))
    other = part(*new, bytes(one ^ 1 for one in WHOLE)) if how == "bytes" else part(*new)
    if how == "tag":
        other = part(*new, tag=b'"b"')
    elif how == "length":
        other = part(*new, body=WHOLE + b"x")
    have = {at for start, stop in came for at in range(start, stop)}
    made = joined(known, other)
    if how != "bytes" or have & set(range(*new)):
        assert made == (other,)


def test_suffixes_and_open_ranges_are_of_the_whole_and_not_of_what_is_known():
    entry = entry_of([part(30, 40)])
    assert served_part(entry, asked("bytes=-5"))[1] == WHOLE[35:]
    assert served_part(entry, asked("bytes=32-"))[1] == WHOLE[32:]
    assert served_part(entry, asked("bytes=-11")) is None
    assert served_part(entry_of([part(0, 10)]), asked("bytes=5-")) is None


def test_what_is_no_plain_question_for_known_bytes_goes_to_the_service():
    entry = entry_of([part(0, 10)])
    assert served_part(entry, asked("bytes=0-1", (b"If-Range", TAG))) is not None
    for others in (
        ((b"If-Range", b'"b"'),),
        ((b"If-Range", b"W/" + TAG),),
        ((b"If-None-Match", TAG),),
        ((b"If-Modified-Since", b"x"),),
        ((b"Range", b"bytes=0-1"),),
    ):
        assert served_part(entry, asked("bytes=0-1", *others)) is None
    for value in ("bytes=0-1,3-4", "items=0-1", "bytes=99-", "bytes=3-1", ""):
        assert served_part(entry, asked(value)) is None
    assert served_part(entry, ()) is None


def test_a_whole_reply_is_no_row_of_parts():
    head = HttpHead(200, b"OK", FIELDS)
    whole = Entry(b"k", "http", b"x", 1.0, 2.0, 2.0, 0, (), head)
    assert parts_in(whole) == ()
    assert served_part(whole, asked("bytes=0-0")) is None


def test_parts_lie_under_a_key_that_no_reply_can_have_and_that_begins_with_the_service():
    root = framed(b"s", b"lab") + framed(b"m", b"http") + framed(b"p", b"*") + b"t:/x"
    assert root_of_parts(root) != root
    assert first_frame(root_of_parts(root)) == first_frame(root)
