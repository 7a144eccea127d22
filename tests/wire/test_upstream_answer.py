"""Are an answer's parts and its end found, however its bytes are cut?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.upstream import Answer
from gateway.wire.upstream_answer import AnswerReader, AnswerTooLargeError, MalformedAnswerError

WHOLE = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nA: c\r\n\r\nHTTP/1.1 404 Not Found\r\na: B\r\nContent-Length: 1\r\n\r\nx",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
]


def read(*parts: bytes, max_body: int = 1000, bodiless: bool = False, end: bool = False) -> AnswerReader:
    reader = AnswerReader()
    reader.begin(max_body=max_body, bodiless=bodiless)
    for part in parts:
        reader.feed(part)
    if end:
        reader.end()
    return reader


@pytest.mark.parametrize("whole", WHOLE)
@given(data=st.data())
def test_where_the_bytes_are_cut_makes_no_difference(whole: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=8)))
    parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    cut, uncut = read(*parts), read(whole)
    assert cut.complete
    assert cut.reusable
    assert uncut.reusable
    assert cut.answer() == uncut.answer()


@pytest.mark.parametrize("whole", WHOLE)
def test_no_beginning_of_an_answer_is_complete(whole: bytes) -> None:
    for length in range(len(whole)):
        reader = read(whole[:length]) if length else read()
        assert not reader.complete
        assert reader.begun == (length > 0)
        # After a head of known length the connection's end is no answer's end.
        assert not reader.end()


@given(junk=st.binary(max_size=200), whole=st.sampled_from(WHOLE), at=st.integers(0, 200))
def test_any_bytes_are_read_or_refused_and_a_body_is_never_too_large(
    junk: bytes, whole: bytes, at: int
) -> None:
    try:
        reader = read(whole[:at] + junk + whole[at:], max_body=20, end=True)
    except (MalformedAnswerError, AnswerTooLargeError):
        return
    if reader.complete:
        assert len(reader.answer().body) <= 20


def test_one_reader_reads_many_answers_also_those_to_head() -> None:
    reader = AnswerReader()
    for bodiless in (False, True, True, False):
        reader.begin(max_body=10, bodiless=bodiless)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
        assert reader.feed(head if bodiless else head + b"hello")
        assert reader.reusable
        expected = b"" if bodiless else b"hello"
        assert reader.answer() == Answer(200, "OK", ((b"Content-Length", b"5"),), expected)


def test_a_body_of_two_byte_chunks_takes_no_more_room_than_its_bytes() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", max_body=1 << 20)
    for _ in range(20):
        reader.feed(b"2\r\nab\r\n" * 1000)
    assert reader.feed(b"0\r\n\r\n")
    assert reader.answer().body == b"ab" * 20_000


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nA: ", *[b"b" * 10_000] * 7],
        [b"HTTP/1.1 200 OK\r\n", *[b"A: " + b"b" * 1000 + b"\r\n"] * 70],
        [b"HTTP/1.1 200 ", *[b"b" * 10_000] * 7],
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            *[b"A: " + b"b" * 1000 + b"\r\n"] * 70,
        ],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2;", *[b"b" * 10_000] * 7],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"0" * 10_000] * 7],
    ],
)
def test_no_part_beside_the_body_is_gathered_without_end(parts: list[bytes]) -> None:
    with pytest.raises(MalformedAnswerError):
        read(*parts)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_chunks_in_http_1_0_leave_a_doubt_about_where_the_answer_ends(version: bytes) -> None:
    reader = read(
        b"HTTP/%b 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        % version
    )
    assert reader.complete
    assert reader.reusable == (version == b"1.1")


def test_a_length_beyond_the_limit_is_refused_before_any_body_has_come() -> None:
    with pytest.raises(AnswerTooLargeError):
        read(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")


def test_the_fields_of_interim_answers_and_trailers_are_not_the_answers() -> None:
    assert read(WHOLE[2]).answer().fields == ((b"a", b"B"), (b"Content-Length", b"1"))
    assert read(WHOLE[1]).answer().fields == ((b"A", b"b"), (b"Transfer-Encoding", b"chunked"))
