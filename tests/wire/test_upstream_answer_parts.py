"""An answer given part by part: however its bytes are cut, it is what llhttp alone reads, or it is refused.

An answer whose head comes whole may be read without llhttp. One whose first byte comes alone never is.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.core.heads import AnswerHead
from gateway.core.reply import Fields
from gateway.wire.upstream import Connection
from gateway.wire.upstream_answer import MAX_FIELDS, MAX_INTERIM, MalformedAnswerError


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of the bytes of an upstream; `whole` = the answer came to its end."""

    head: tuple[int, bytes, Fields] | None
    body: bytes
    whole: bool
    refused: bool
    interim: tuple[int, ...]


class Parts:
    """A receiver that keeps what it is given, and checks that it is given in order."""

    def __init__(self) -> None:
        self.heads: list[AnswerHead] = []
        self.body = b""
        self.interims: list[int] = []
        self.ended = False
        self.failure: Exception | None = None

    @property
    def over(self) -> bool:
        return self.ended or self.failure is not None

    def interim(self, status: int) -> None:
        assert not self.heads
        self.interims.append(status)

    def head(self, head: AnswerHead) -> None:
        assert not self.heads
        self.heads.append(head)

    def piece(self, data: bytes) -> None:
        assert self.heads
        assert not self.over
        self.body += data

    def whole(self, head: AnswerHead, body: bytes) -> None:
        self.head(head)
        self.body = body
        self.end()

    def end(self) -> None:
        assert self.heads
        assert not self.over
        self.ended = True

    def failed(self, failure: Exception) -> None:
        assert not self.over
        self.failure = failure

    def tunnel(self, data: bytes) -> None:
        raise AssertionError("no answer here may switch protocols")

    def fed(self) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def answered(self) -> Answered:
        head = None
        if self.heads:
            head = (self.heads[0].status, self.heads[0].reason, self.heads[0].fields)
        refused = isinstance(self.failure, MalformedAnswerError)
        return Answered(head, self.body, self.ended, refused, tuple(self.interims))


class Wire(asyncio.Transport):
    """A transport without a socket."""

    closed = False

    def write(self, data: Any) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as running:
        yield running


def read(
    runner: asyncio.Runner, parts: list[bytes], *, bodiless: bool = False, eof: bool = True
) -> tuple[Answered, bool]:
    """What is read, and whether the connection was left to carry another request before it ended."""

    async def exchange() -> tuple[Answered, bool]:
        connection, receiver = Connection(lambda _: None), Parts()
        connection.connection_made(Wire())
        connection.start(b"", receiver, whole=False, bodiless=bodiless)
        connection.finish()
        for part in parts:
            if not (receiver.failure or part == b""):
                connection.data_received(part)
        reusable = connection.reusable
        if eof and not receiver.failure:
            connection.eof_received()
        return receiver.answered(), reusable

    return runner.run(exchange())


def strictly(runner: asyncio.Runner, data: bytes, *, bodiless: bool = False) -> tuple[Answered, bool]:
    """What llhttp reads."""
    return read(runner, [data[:1], data[1:]], bodiless=bodiless)


def check(runner: asyncio.Runner, data: bytes, parts: list[bytes], *, bodiless: bool = False) -> None:
    expected, stays = strictly(runner, data, bodiless=bodiless)
    answered, reusable = read(runner, parts, bodiless=bodiless)
    assert answered == expected
    assert stays or not reusable


# --- any answer ----------------------------------------------------------------------------------------------

STATUS_LINES = [
    *(b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not  Found \t", b"HTTP/1.1 200", b"HTTP/1.1 200 "),
    *(b"HTTP/1.1 200  OK", b"HTTP/1.1 599 caf\xc3\xa9 \xff", b"HTTP/1.1 204 None", b"HTTP/1.1 304 Same"),
    *(b"HTTP/1.1 205 Reset", b"HTTP/1.1 206 Partial", b"HTTP/1.0 200 OK", b"HTTP/1.1 600 What"),
    *(b"HTTP/1.1 999", b"HTTP/1.1 101 Switching", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 OK", b"ICY 200 OK"),
    *(b"HTTP/1.1  200 OK", b"HTTP/2.0 200 OK", b"HTTP/1.2 200 OK", b"http/1.1 200 OK", b""),
    *(b"HTTP/1.1\t200 OK", b"HTTP/1.1 200OK"),
]
LENGTHS = [
    *(b" 3", b"3", b"\t 3", b" 0", b" 003", b" 3 ", b" 3\t", b" +3", b" -1", b"", b" 3, 3", b" 0x3", b" 3 3"),
    *(b" 1", b" 3;a", b" \x0b3", b" 99999999999999999999999"),
]
CODINGS = [
    *(b" chunked", b"chunked ", b" gzip, chunked", b" identity", b" chunked, chunked", b"", b" \x0bchunked"),
]
FRAMES = [
    *(b"Content-Length:" + value for value in LENGTHS),
    *(b"content-LENGTH: 3", b"Content-Length : 3", b"transfer-encoding:chunked"),
    *(b"Transfer-Encoding:" + value for value in CODINGS),
]
CONNECTIONS = [
    *(b" close", b"keep-alive", b" Keep-Alive", b" keep-alive, close", b" x", b"", b" close ", b" upgrade"),
    b" Content-Length",
]
LINES = [
    *(b"Connection:" + value for value in CONNECTIONS),
    *(
        b"A: b",
        b"A:b",
        b"A:\t b c",
        b"A: b  ",
        b"A:",
        b"A: ",
        b"a: \t",
        b"Server: caf\xe9",
        b"X-Content-Length: 9",
    ),
    *(b"Proxy-Connection: close", b"Keep-Alive: timeout=5", b"Upgrade: h2c", b"Trailer: T", b"Date: now"),
    *(b"A : b", b" A: b", b"\tA: b", b"A b", b": b", b"A\0: b", b"A: \0", b"A: b\x7f", b"A: b\x01"),
    *(b"A\x80: b", b"A: b\n C: d", b"A: b\r\n c", b"A: b\rC: d", b"A: b\nContent-Length: 3", b"A: b\nC: d"),
]
BODIES = [
    *(
        b"abc",
        b"",
        b"ab",
        b"abcd",
        b"abc\r\n",
        b"\r\nabc",
        b"abcHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ),
    *(b"3\r\nabc\r\n0\r\n\r\n", b"3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n", b"3\nabc\n0\n\n", b"0\r\n\r\n"),
    *(b"1\r\na\r\n0\r\n\r\nx", b"3 \r\nabc\r\n0\r\n\r\n", b"-1\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3\r\nab"),
]
INTERIMS = [
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nA: b\r\n\r\n",
    b"HTTP/1.1 102 P\r\nContent-Length: 3\r\n\r\n",
]
SCRAPS = [
    *(bytes([byte]) for byte in b'\r\n\t :;,0123\0\x80\x7f"'),
    *(b"\r\n", b"\n\n", b"\r\n\r\n", b"Content-Length: 3\r\n"),
]


def answer(status_line: bytes, lines: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join([status_line, *lines, b"", body])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """An answer, right or nearly so."""
    usual = draw(st.booleans())
    line = STATUS_LINES[0] if usual else draw(st.sampled_from(STATUS_LINES))
    frames = draw(st.lists(st.sampled_from(FRAMES), max_size=2)) if draw(st.booleans()) else [FRAMES[0]]
    others = draw(st.lists(st.sampled_from(LINES), max_size=3))
    data = bytearray(answer(line, draw(st.permutations([*frames, *others])), draw(st.sampled_from(BODIES))))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(data)))
        scrap = draw(st.sampled_from(SCRAPS))
        data[at : at + draw(st.sampled_from([0, 1, len(scrap)]))] = scrap
    before = draw(st.lists(st.sampled_from(INTERIMS), max_size=2)) if draw(st.integers(0, 5)) == 0 else []
    return b"".join(before) + bytes(data)


MANY = settings(max_examples=600)


@MANY
@given(data=answers(), bodiless=st.booleans())
@example(
    data=answer(b"HTTP/1.1 200 OK", [b"Content-Length: 3", b"Content-Length: +3"], b"abc"), bodiless=False
)
@example(data=answer(b"HTTP/1.1 200 OK", [b"Content-Length:", b"Content-Length: 3"], b"abc"), bodiless=False)
@example(data=answer(b"HTTP/1.1 200 OK", [b"Content-Length: 3", b"Content-Length: 3"], b"abc"), bodiless=True)
def test_an_answer_that_comes_at_once_is_what_llhttp_reads_or_both_refuse(runner, data, bodiless):
    check(runner, data, [data], bodiless=bodiless)


@MANY
@given(data=answers(), bodiless=st.booleans(), cuts=st.data())
def test_an_answer_is_the_same_however_it_is_cut(runner, data, bodiless, cuts):
    head = data.find(b"\r\n\r\n") + 4
    places = st.one_of(st.integers(0, len(data)), st.integers(head, max(head, len(data))))
    ends = [0, *sorted(cuts.draw(st.lists(places, max_size=5))), len(data)]
    parts = [data[start:end] for start, end in pairwise(ends)]
    check(runner, data, parts, bodiless=bodiless)


@MANY
@given(
    st.binary(max_size=60), st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"])
)
def test_any_bytes_are_read_as_llhttp_reads_them(runner, junk, before):
    check(runner, before + junk, [before + junk])


@pytest.mark.parametrize("status_line", STATUS_LINES)
@pytest.mark.parametrize("bodiless", [False, True])
def test_each_frame_and_each_line_is_read_alike_beside_a_good_one(runner, status_line, bodiless):
    for odd in FRAMES + LINES:
        for lines in ([odd], [odd, FRAMES[0]], [FRAMES[0], odd], [b"A: b", odd, b"C: d", FRAMES[0]]):
            data = answer(status_line, lines, b"abc")
            check(runner, data, [data], bodiless=bodiless)


@pytest.mark.parametrize(
    "lines",
    [
        [b"Connection: keep-alive", b"Connection: close"],
        [b"Connection: close", b"Connection: keep-alive"],
        [b"Connection: keep-alive", b"Connection: x, close"],
        [b"Connection: keep-alive", b"connection: \tclose "],
        [b"Connection: keep-alive, close"],
        [b"Connection: CLOSE"],
        [b"Proxy-Connection: close"],
    ],
)
def test_an_upstream_that_closes_by_any_of_its_fields_gets_no_other_request(runner, lines):
    data = answer(b"HTTP/1.1 200 OK", [*lines, b"Content-Length: 3"], b"abc")
    for parts in ([data], [data[:-2], data[-2:]], [data[:1], data[1:]]):
        answered, reusable = read(runner, parts)
        assert answered.whole
        assert not reusable


# --- what is read --------------------------------------------------------------------------------------------

OK = answer(b"HTTP/1.1 200 OK", [b"A:b", b"content-LENGTH: 3", b"a: "], b"abc")


@pytest.mark.parametrize(
    "parts", [[OK], [OK[:1], OK[1:]], [OK[:-2], OK[-2:]], [OK[:-3], b"abc"], [*OK.partition(b"\r")]]
)
def test_status_reason_fields_and_body_are_as_they_were_sent(runner, parts):
    answered, reusable = read(runner, parts)
    assert answered == Answered(
        (200, b"OK", ((b"A", b"b"), (b"content-LENGTH", b"3"), (b"a", b""))), b"abc", True, False, ()
    )
    assert reusable


@pytest.mark.parametrize("more", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\0"])
@pytest.mark.parametrize("bodiless", [False, True])
def test_what_comes_behind_an_answer_spoils_the_connection_and_not_the_answer(runner, more, bodiless):
    data = OK[:-3] if bodiless else OK
    for parts in ([data + more], [data, more], [data[:1], data[1:] + more], [data[:1], data[1:], more]):
        answered, reusable = read(runner, parts, bodiless=bodiless)
        assert answered == read(runner, [data], bodiless=bodiless)[0]
        assert answered.whole
        assert not reusable


@pytest.mark.parametrize("line", [b"HTTP/1.1 204 None", b"HTTP/1.1 304 Same"])
def test_an_answer_that_has_no_body_ends_with_its_head_whatever_length_it_names(runner, line):
    data = answer(line, [b"Content-Length: 3"], b"")
    for parts in ([data], [data[:1], data[1:]]):
        answered, reusable = read(runner, parts)
        assert answered.whole
        assert answered.body == b""
        assert reusable
    assert not read(runner, [data + b"abc"])[1]


@pytest.mark.parametrize("cut", range(len(OK)))
def test_half_an_answer_is_never_a_whole_one(runner, cut):
    for parts in ([OK[:cut]], [OK[:1], OK[1:cut]]):
        answered, reusable = read(runner, parts)
        assert not answered.whole
        assert not reusable


def test_an_answer_without_a_length_ends_with_its_connection(runner):
    data = answer(b"HTTP/1.0 200 OK", [b"A: b"], b"abc")
    assert not read(runner, [data], eof=False)[0].whole
    answered, reusable = read(runner, [data])
    assert answered.whole
    assert answered.body == b"abc"
    assert not reusable


# --- bounds --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "refused"), [(MAX_FIELDS, False), (MAX_FIELDS + 1, True), (5000, True)])
def test_an_answer_with_too_many_fields_is_refused_however_it_comes(runner, count, refused):
    data = answer(b"HTTP/1.1 200 OK", [*[b"A: b"] * (count - 1), b"Content-Length: 3"], b"abc")
    for parts in ([data], [data[:1], data[1:]]):
        assert read(runner, parts)[0].refused is refused


@pytest.mark.parametrize(("size", "refused"), [(60 << 10, False), (70 << 10, True)])
def test_an_answer_with_too_long_a_head_is_refused_however_it_comes(runner, size, refused):
    data = answer(b"HTTP/1.1 200 OK", [b"A: " + b"b" * size, b"Content-Length: 3"], b"abc")
    for parts in ([data], [data[:1], data[1:]]):
        assert read(runner, parts)[0].refused is refused


@pytest.mark.parametrize(("count", "refused"), [(MAX_INTERIM, False), (MAX_INTERIM + 1, True)])
def test_no_more_interim_answers_come_than_may(runner, count, refused):
    answered, _ = read(runner, [INTERIMS[1] * count, OK])
    assert answered.refused is refused
    assert answered.whole is not refused


def test_a_body_of_any_size_is_passed_on_as_it_comes(runner):
    size = 5 << 20
    head = answer(b"HTTP/1.1 200 OK", [b"Content-Length: %d" % size], b"")
    for first in ([head], [head[:1], head[1:]]):
        answered, reusable = read(runner, [*first, *[b"x" * (1 << 20)] * 5])
        assert answered.whole
        assert len(answered.body) == size
        assert reusable
