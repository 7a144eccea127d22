"""Is a reply read exactly as RFC 9112 frames it, whatever pieces it arrives in?"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgate._wire import MalformedReply, ReplyCut, Response, read_response

OK = b"HTTP/1.1 200 OK\r\n"


def read(data: bytes, *, close: bool = True, step: int = 0) -> Response:
    """The reply in these bytes, sent at once or in steps of some bytes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:

        def send() -> None:
            with suppress(BrokenPipeError):  # what is refused early is not read to its end
                for at in range(0, len(data), step or len(data) or 1):
                    theirs.sendall(data[at : at + (step or len(data))])
                if close:
                    theirs.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=send)
        writer.start()
        try:
            return read_response(ours, time.monotonic() + 20)
        finally:
            ours.close()
            writer.join()


def test_a_body_of_a_length_is_read_and_leaves_the_connection_usable() -> None:
    response = read(OK + b"Content-Length: 5\r\nX-A:  b \r\n\r\nhello", close=False)
    assert (response.status, response.body, response.reusable) == (200, b"hello", True)
    assert response.fields[b"x-a"] == b"b"


def test_a_reply_that_comes_byte_by_byte_is_the_same_reply() -> None:
    data = OK + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n"
    whole, pieces = read(data), read(data, step=1)
    assert (whole.body, whole.reusable) == (pieces.body, pieces.reusable) == (b"hello", True)


@given(st.lists(st.binary(min_size=1, max_size=200), max_size=20), st.integers(1, 50))
def test_any_chunks_in_any_pieces_are_their_concatenation(chunks: list[bytes], step: int) -> None:
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    response = read(OK + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n", step=step)
    assert response.body == b"".join(chunks)


@given(st.binary(max_size=300))
def test_no_bytes_whatever_make_anything_but_a_reply_or_a_clear_refusal(data: bytes) -> None:
    for start in (b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n"):
        try:
            assert read(start + data).status >= 200
        except (MalformedReply, ReplyCut):
            pass


def test_interim_replies_are_skipped() -> None:
    data = (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + OK
        + b"Content-Length: 1\r\n\r\nx"
    )
    assert read(data).body == b"x"


def test_a_body_without_a_length_ends_with_the_connection_which_is_then_used_up() -> None:
    response = read(OK + b"\r\nall of it")
    assert (response.body, response.reusable) == (b"all of it", False)


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_a_reply_that_can_have_no_body_ends_with_its_head(status: bytes) -> None:
    response = read(b"HTTP/1.1 " + status + b"\r\nContent-Length: 9\r\n\r\n", close=False)
    assert (response.body, response.reusable) == (b"", True)


@pytest.mark.parametrize(
    "data",
    [
        OK + b"Content-Length: 1\r\nConnection: close\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        OK + b"Content-Length: 1\r\n\r\nxleft over",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ],
)
def test_a_connection_whose_state_is_in_doubt_is_not_used_again(data: bytes) -> None:
    response = read(data)
    assert (response.body, response.reusable) == (b"x", False)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 40,
        OK + b"no colon\r\n\r\n",
        OK + b" folded: line\r\n\r\n",
        OK + b"Name : space\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        OK + b"Content-Length: +1\r\n\r\nx",
        OK + b"Content-Length: 9999999999999999999\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        OK + b"X: " + b"y" * 200_000,
        OK + b"X: y\r\n" * 300 + b"\r\n",
    ],
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedReply):
        read(data)


@pytest.mark.parametrize(
    ("data", "started"),
    [
        (b"", False),
        (b"HTTP/1.1 2", True),
        (OK + b"Content-Length: 5\r\n\r\nhel", True),
        (OK + b"Content-Length: 500000\r\n\r\nhel", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", True),
    ],
)
def test_a_reply_that_is_cut_says_whether_it_had_begun(data: bytes, started: bool) -> None:
    with pytest.raises(ReplyCut) as caught:
        read(data)
    assert caught.value.started is started


def test_a_length_that_no_memory_has_is_refused() -> None:
    with pytest.raises(MalformedReply, match="memory"):
        read(OK + b"Content-Length: 99999999999999999\r\n\r\n")


def test_equal_lengths_count_once_and_other_fields_are_joined() -> None:
    response = read(OK + b"Content-Length: 1\r\nContent-Length: 1\r\nX: a\r\nX: b\r\n\r\nx")
    assert (response.body, response.fields[b"x"]) == (b"x", b"a, b")


def test_a_reply_that_never_ends_is_given_up_at_the_deadline() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(OK)
        with pytest.raises(TimeoutError):
            read_response(ours, time.monotonic() + 0.05)
        with pytest.raises(TimeoutError):
            read_response(ours, time.monotonic() - 1)
