"""Do we take the same reply from the same bytes as `http.client` does, whatever they are, or none at all?"""

from __future__ import annotations

import http.client
import io
import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labgate._at_once import at_once
from labgate._wire import Feed, MalformedReply, ReplyCut, Response, whole_reply


class Pieces(Feed):
    """Bytes that come in pieces of these lengths, again and again, and then end."""

    def __init__(self, data: bytes, lengths: list[int]) -> None:
        super().__init__()
        self._data = data
        self._lengths = itertools.cycle(lengths)

    async def more(self) -> bytes:
        piece = self._take(next(self._lengths))
        if not piece:
            raise ReplyCut(started=self.started)
        self.started = True
        return piece

    async def receive(self, view: memoryview) -> int:
        piece = self._take(min(len(view), next(self._lengths)))
        view[: len(piece)] = piece
        return len(piece)

    def left(self) -> bytes:
        """What nobody has used."""
        return bytes(self.buffer) + self._data

    def _take(self, length: int) -> bytes:
        piece, self._data = self._data[:length], self._data[length:]
        return piece


class Kept(io.BytesIO):
    """Bytes that stay open while one reply after the other is read from them."""

    def close(self) -> None:
        """Not yet."""

    def makefile(self, _: str) -> Kept:
        """What `http.client` asks of a socket."""
        return self


class Theirs:
    """What `http.client` reads: the first reply that is not an interim one, and what is left behind it."""

    def __init__(self, data: bytes) -> None:
        file = Kept(data)
        while True:
            reply = http.client.HTTPResponse(file)  # type: ignore[arg-type]
            reply.begin()
            if reply.status >= 200:
                break
        self.status = reply.status
        self.body = reply.read()
        self.rest = file.read()
        names = {name.lower() for name in reply.headers}
        self.fields = {
            name: ", ".join(one.strip(" \t") for one in reply.headers.get_all(name, [])) for name in names
        }


def ours(data: bytes, lengths: list[int]) -> tuple[Response, bytes] | None:
    """Our reply and what is left behind it, None where we refuse it."""
    feed = Pieces(data, lengths)
    try:
        return at_once(whole_reply(feed)), feed.left()
    except (MalformedReply, ReplyCut):
        return None


def agree(data: bytes, lengths: list[int]) -> None:
    """Whatever we take, they take the same."""
    read = ours(data, lengths)
    if read is None:
        return
    found, rest = read
    theirs = Theirs(data)
    assert (found.status, bytes(found.body), rest) == (theirs.status, theirs.body, theirs.rest)
    joined = {name.decode(): value.decode("latin-1") for name, value in found.fields.items()}
    for name, value in joined.items():
        if name != "content-length":  # equal ones are one
            assert theirs.fields[name] == value
    assert joined.keys() == theirs.fields.keys()


LINE_ENDS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\n\r\n", b"\n\n", b"\0", b""])
NAMES = st.sampled_from([b"X-A", b"x-a", b"Server", b"ETag", b"Connection", b"X Y", b"X-B ", b" X", b""])
VALUES = st.one_of(
    st.sampled_from([b"", b"close", b"keep-alive", b"a, b", b"\xe4", b'";"', b"a\rb", b"a\nb", b"a\tb"]),
    st.binary(max_size=6).filter(lambda one: not {*one} & {*b"\x0b\x0c\x1c\x1d\x1e\x85"}),
)
LENGTHS = st.sampled_from(
    [b"0", b"3", b"5", b"05", b"5", b"+5", b"-1", b"5, 5", b"0x5", b"5_0", b"", b"99", b"5 5"]
)
CODINGS = st.sampled_from(
    [b"chunked"] * 3 + [b"Chunked", b"identity", b"gzip, chunked", b"chunked, chunked", b""]
)
FIELDS = st.one_of(
    st.tuples(NAMES, VALUES),
    st.tuples(st.just(b"Content-Length"), LENGTHS),
    st.tuples(st.just(b"Transfer-Encoding"), CODINGS),
)
STATUS = st.sampled_from(
    [b"HTTP/1.1 200 OK"] * 6
    + [b"HTTP/1.0 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.1 200", b"HTTP/1.1 200 ", b"HTTP/1.1 304 x"]
    + [
        b"HTTP/1.1 101 Switch",
        b"HTTP/1.2 200 OK",
        b"HTTP/1.1 0200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/2 200",
        b"200 OK",
    ]
    + [b"HTTP/1.1  200 OK", b"http/1.1 200 OK", b"HTTP/1.1 200 O\nK", b"HTTP/1.1 999 ?", b"HTTP/1.1 600 ?"]
)
INTERIM = st.sampled_from(
    [b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"]
)
SIZES = st.sampled_from(
    [b"5"] * 6
    + [b"05", b" 5", b"5 ", b"5;a=b", b'5;a="\r"', b"5;a\nb", b"0x5", b"+5", b"-5", b"5_", b"", b"g", b"A"]
)
CHUNKS = st.tuples(
    SIZES, LINE_ENDS, st.sampled_from([b"hello"] * 6 + [b"hell", b"hello!", b"0\r\n\r\n"]), LINE_ENDS
)
LAST = st.sampled_from(
    [b"0\r\n\r\n"] * 4
    + [b"0\r\nX: y\r\n\r\n", b"0\r\nX: y\n\r\n\r\n", b"0;x\r\n\r\n", b"000\r\n\r\n", b"0\n\n", b"0\r\n", b""]
)


@st.composite
def replies(draw: st.DrawFn) -> bytes:
    """A reply that is nearly right: each part of it may be one of those that have fooled somebody."""
    line = draw(STATUS)
    fields = draw(st.lists(FIELDS, max_size=4))
    if b" 304" in line or b" 204" in line:
        # http.client looks for chunks behind a reply that can have no body (RFC 9112 section 6.3).
        fields = [one for one in fields if one[0] != b"Transfer-Encoding"]
    head = line + draw(LINE_ENDS)
    for name, value in fields:
        head += name + b":" + draw(st.sampled_from([b" ", b"", b"\t "])) + value + draw(LINE_ENDS)
    chunks = b"".join(b"".join(one) for one in draw(st.lists(CHUNKS, max_size=3)))
    body = draw(
        st.one_of(st.just(chunks + draw(LAST)), st.sampled_from([b"", b"hello", b"hello, you", b"hel"]))
    )
    more = draw(st.sampled_from([b""] * 4 + [b"HTTP/1.1 200 OK\r\n\r\n", b"\r\n"]))
    return draw(INTERIM) + head + draw(st.sampled_from([b"\r\n"] * 8 + [b"\n", b""])) + body + more


@given(replies(), st.lists(st.integers(1, 9), min_size=1, max_size=3))
@settings(max_examples=1500)
def test_of_replies_that_are_nearly_right_we_take_what_http_client_takes_or_none(
    data: bytes, lengths: list[int]
) -> None:
    agree(data, lengths)


@given(replies(), st.data())
@settings(max_examples=500)
def test_a_reply_with_a_byte_changed_is_the_same_for_both_or_refused(
    data: bytes, more: st.DataObject
) -> None:
    at = more.draw(st.integers(0, max(len(data) - 1, 0)))
    byte = more.draw(st.sampled_from([b"\r", b"\n", b"\0", b" ", b":", b"0", b"9", b"a", b""]))
    changed = data[:at] + byte + data[at + 1 :]
    read = ours(changed, [4])
    if read is not None and read[0].status in (204, 304) and b"transfer-encoding" in read[0].fields:
        return  # see above
    agree(changed, [4])


@given(replies())
@settings(max_examples=500)
def test_the_pieces_that_a_reply_comes_in_change_nothing(data: bytes) -> None:
    outcomes: list[Any] = []
    for length in (1, 3, len(data) + 1):
        read = ours(data, [length])
        outcomes.append(
            None if read is None else (read[0].status, read[0].fields, bytes(read[0].body), read[1])
        )
    assert outcomes[0] == outcomes[1] == outcomes[2]


@given(replies(), st.integers(0, 400))
@settings(max_examples=500)
def test_half_a_reply_is_taken_only_where_it_is_whole_for_http_client(data: bytes, length: int) -> None:
    agree(data[:length], [5])


@pytest.mark.parametrize("fields", [1, 98])
@pytest.mark.parametrize("length", [1, 600])
def test_large_heads_are_read_as_http_client_reads_them(fields: int, length: int) -> None:
    lines = b"".join(b"X-%d: %b\r\n" % (at, b"v" * length) for at in range(fields))
    data = b"HTTP/1.1 200 OK\r\n" + lines + b"Content-Length: 2\r\n\r\nok"
    assert ours(data, [7]) is not None
    agree(data, [7])


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 0\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 0\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;\nabc\r\n0\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n\r\n",
    ],
)
def test_a_line_end_that_is_one_only_for_some_is_refused(data: bytes) -> None:
    assert ours(data, [100]) is None
