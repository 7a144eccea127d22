"""A body that goes into its room is what llhttp alone reads, however its bytes are cut and received; or it is refused."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.room import Plain
from gateway.wire.upstream_answer import AnswerReader, AnswerTooLargeError, MalformedAnswerError
from gateway.wire.upstream_placing import WORTH, Placing
from gateway.wire.upstream_room import RoomReader

ROOM = 40
COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello, world"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n07\r\n, world\r\n0\r\nT: u\r\n\r\n"
LINES = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n\r\n\r\n\r\n\r\n0\r\n\r\n"
LONG = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n32\r\n"
    + b"x" * 50
    + b"\r\n5\r\nerror\r\n0\r\n\r\n"
)
WHOLE = [
    COUNTED,
    CHUNKED,
    LINES,
    LONG,
    b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + b"y" * 50,
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nA: c\r\n\r\n" + CHUNKED,
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone",
    b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
]


def read(data: bytes, cuts: list[int], room: int | None) -> tuple[object, ...] | None:
    """Status, fields, body, and whether the connection serves on; None for an answer that is refused, or has no end."""
    into = None if room is None else Plain(room)
    reader = AnswerReader() if into is None else RoomReader(into)
    reader.begin(max_body=60, bodiless=False)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    try:
        for start, end in pairwise(edges):
            reader.feed(data[start:end])
    except (MalformedAnswerError, AnswerTooLargeError):
        return None
    if not reader.complete and not reader.end():
        return None
    stays, answer = reader.reusable, reader.answer()
    placed = b"" if into is None else bytes(into.memory[: answer.placed])
    return answer.status, answer.fields, placed + answer.body, stays


@settings(max_examples=200)
@given(st.sampled_from(WHOLE), st.lists(st.integers(1, 200), max_size=8), st.integers(0, 80))
def test_however_its_bytes_are_cut_a_body_with_a_room_is_the_one_without(whole, cuts, room):
    assert read(whole, cuts, room) == read(whole, [], None)


@settings(max_examples=200)
@given(
    st.sampled_from(WHOLE),
    st.integers(0, 200),
    st.binary(max_size=6),
    st.lists(st.integers(1, 200), max_size=4),
)
@example(CHUNKED, 60, b"\n", [])
@example(COUNTED, len(COUNTED), b"HTTP/1.1 200 OK\r\n", [])
@example(CHUNKED, len(CHUNKED), b"x", [10])
@example(CHUNKED, CHUNKED.index(b"\r\n\r\n"), b"\t", [])
def test_any_bytes_are_read_as_llhttp_reads_them_or_refused(whole, at, junk, cuts):
    data = whole[:at] + junk + whole[at:]
    found = read(data, cuts, ROOM)
    if found is None:
        return
    expected = read(data, [], None)
    assert expected is not None
    assert found[:3] == expected[:3]
    assert expected[3] or not found[3]


@pytest.mark.parametrize(
    "body",
    [
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhelloX0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"5 5\r\nhello\r\n0\r\n\r\n",
        b"5" * 5000,
        b"0\r\n" + b"a: b\r\n" * 200,
        b"0\r\nbare\nline\r\n\r\n",
    ],
)
def test_chunks_that_two_readers_could_read_in_two_ways_are_refused(body):
    with pytest.raises(MalformedAnswerError):
        feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body)


def test_a_chunk_that_is_larger_than_may_be_is_refused_before_anything_of_it_comes():
    with pytest.raises(AnswerTooLargeError):
        feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"ffffffff\r\n")


def feed(*parts):
    reader = RoomReader(Plain(ROOM))
    reader.begin(max_body=1000, bodiless=False)
    for part in parts:
        reader.feed(part)


@settings(max_examples=50)
@given(
    st.lists(st.integers(1, 3 * WORTH), min_size=1, max_size=4),
    st.lists(st.integers(1, 2 * WORTH), min_size=1, max_size=5),
    st.integers(0, 6 * WORTH),
)
def test_what_is_received_straight_into_the_room_and_what_is_copied_there_make_one_body(sizes, reads, room):
    body = (bytes(range(251)) * (sum(sizes) // 251 + 1))[: sum(sizes)]
    sent, at = b"", 0
    for size in sizes:
        sent += b"%x\r\n%b\r\n" % (size, body[at : at + size])
        at += size
    sent += b"0\r\n\r\n"
    into = Plain(room)
    placing, at, turn = Placing(into, into.begin(), None, len(body)), 0, 0
    while at < len(sent):
        size = reads[turn % len(reads)]
        turn += 1
        space = placing.open()
        if space is not None:
            part = sent[at : at + min(size, len(space))]
            space[: len(part)] = part
            placing.came(len(part))
        else:
            part = sent[at : at + size]
            placing.feed(part)
        at += len(part)
    assert placing.complete
    assert not placing.behind
    assert bytes(into.memory[: placing.placed]) + placing.surplus == body
