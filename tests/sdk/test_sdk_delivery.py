"""Is a call sent again only where that is harmless, and does every failure say what it may have left behind?"""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

import labgate
from labgate import errors
from tests.sdk.conftest import Gate, http, read_request, result, scripted

SAFE = {"params": [], "x-labgate": {"safe": True}}
UNSAFE = {"params": []}
OPENRPC = {
    "openrpc": "1.3.2",
    "methods": [
        {"name": "s.safe", **SAFE},
        {"name": "s.write", **UNSAFE},
        {"name": "s.put", "params": [{"name": "x", "required": True}]},
    ],
}


def document(connection: socket.socket) -> None:
    """Answer the list of methods, then end the connection."""
    read_request(connection)
    connection.sendall(http(json.dumps(OPENRPC).encode(), "200 OK", "Connection: close"))


def answers(*replies: bytes) -> Callable[[socket.socket], None]:
    """Answer one request after the other with these bytes, then end the connection."""

    def script(connection: socket.socket) -> None:
        for reply in replies:
            read_request(connection)
            connection.sendall(reply)

    return script


def ends_unread(connection: socket.socket) -> None:
    """Take the request, and answer nothing."""
    read_request(connection)


def connected(url: str, **options: Any) -> Any:
    return labgate.connect(url, **{"timeout": 10, **options})


def test_a_safe_call_whose_connection_breaks_is_sent_again() -> None:
    with scripted(document, ends_unread, answers(http(result(7)))) as url:
        assert connected(url).s.safe() == 7


def test_a_call_that_may_have_been_carried_out_is_never_sent_again_and_says_so() -> None:
    seen: list[bytes] = []

    def takes(connection: socket.socket) -> None:
        seen.append(read_request(connection))

    with scripted(document, takes, takes) as url:
        with pytest.raises(errors.GateUnreachable) as caught:
            connected(url).s.write()
        assert caught.value.maybe_executed is True
        assert (caught.value.method, caught.value.service) == ("s.write", "s")
        assert len(seen) == 1


def test_a_safe_call_that_failed_for_good_says_that_nothing_is_left_behind() -> None:
    with scripted(document, ends_unread, ends_unread) as url, pytest.raises(errors.GateUnreachable) as caught:
        connected(url, retries=1).s.safe()
    assert caught.value.maybe_executed is False


def test_a_gate_that_is_not_there_is_a_clear_error_and_nothing_was_executed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(errors.GateUnreachable, match=f"127.0.0.1:{port}") as caught:
        connected(f"http://127.0.0.1:{port}", retries=0)
    assert caught.value.maybe_executed is False


def test_a_refused_connection_is_tried_again_even_for_calls_that_write() -> None:
    with scripted(document) as url:
        lab = connected(url, retries=8)
    port = int(url.rpartition(":")[2])
    opened = threading.Event()

    def serve() -> None:
        opened.wait(0.2)  # the first attempts find nobody
        with socket.create_server(("127.0.0.1", port)) as listener:
            connection, _ = listener.accept()
            with connection:
                answers(http(result("done")))(connection)

    server = threading.Thread(target=serve)
    server.start()
    try:
        assert lab.s.write() == "done"
    finally:
        server.join()


def test_a_kept_connection_that_the_gate_has_closed_is_noticed_before_a_call_leaves() -> None:
    with scripted(document, answers(http(result(1))), answers(http(result(2)))) as url:
        lab = connected(url, retries=0)
        assert lab.s.write() == 1
        sock, _ = lab._session.link.pool.idle[0]
        sock.settimeout(5)
        assert sock.recv(1, socket.MSG_PEEK) == b""  # the end has arrived
        assert lab.s.write() == 2


def test_a_kept_connection_with_bytes_that_nobody_asked_for_is_not_used() -> None:
    with scripted(document, answers(http(result(1)), b""), answers(http(result(2)))) as url:
        lab = connected(url, retries=0)
        assert lab.s.write() == 1
        pool = lab._session.link.pool
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(http(result("a lie")))
            old, since = pool.idle.pop()
            old.close()
            pool.idle.append((ours, since))
            assert lab.s.write() == 2


def test_a_kept_connection_that_ends_just_now_does_not_cost_a_safe_call_one_of_its_tries() -> None:
    with scripted(document, answers(http(result(1)), b""), answers(http(result(2)))) as url:
        lab = connected(url, retries=0)
        assert lab.s.safe() == 1
        assert lab.s.safe() == 2


def test_a_call_that_writes_does_not_use_a_connection_that_was_idle_for_long() -> None:
    with scripted(
        document, answers(http(result(1)), http(result("old"))), answers(http(result("new")))
    ) as url:
        lab = connected(url, retries=0)
        assert lab.s.write() == 1
        idle = lab._session.link.pool.idle
        sock, since = idle.pop()
        idle.append((sock, since - 60))
        assert lab.s.write() == "new"


def test_connections_are_kept_and_used_again(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    for _ in range(5):
        lab.jobs.list_lanes()
    assert len(lab._session.link.pool.idle) == 1


def test_a_refusal_in_msgpack_is_understood_as_well() -> None:
    data = {"fault": "Unavailable"}
    refused = msgpack.packb(
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32008, "message": "draining", "data": data}}
    )
    reply = http(refused, "503 Service Unavailable", "Retry-After: 0", kind="application/msgpack")
    with scripted(document, answers(reply, http(result("then")))) as url:
        assert connected(url).s.put(b"bytes") == "then"


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_what_the_gate_refused_unread_is_sent_again_even_if_it_writes(status: str) -> None:
    fault = "RateLimited" if status[0] == "4" else "Unavailable"
    refused = (
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"slow","data":{"fault":"%b"}}}'
        % fault.encode()
    )
    replies = (http(refused, status, "Retry-After: 0"), http(result("then")))
    with scripted(document, answers(*replies)) as url:
        assert connected(url).s.write() == "then"


def test_a_proxys_503_says_nothing_of_the_call_so_that_one_that_writes_is_not_repeated() -> None:
    page = http(b"<html>no server</html>", "503 Service Unavailable", kind="text/html")
    with scripted(document, answers(page, page)) as url, pytest.raises(errors.Unavailable) as caught:
        connected(url).s.write()
    assert caught.value.http_status == 503


def test_a_wait_that_is_longer_than_the_calls_time_is_not_begun() -> None:
    body = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32005,"message":"slow","data":{"fault":"RateLimited","retry_after":99}}}'
    with scripted(document, answers(http(body, "429 Too Many Requests", "Retry-After: 99"))) as url:
        with pytest.raises(errors.RateLimited, match="99 s") as caught:
            connected(url).s.safe()
        assert caught.value.retry_after == 99


def test_a_call_ends_at_its_deadline_and_the_connection_is_closed() -> None:
    closed = threading.Event()

    def silent(connection: socket.socket) -> None:
        read_request(connection)
        if connection.recv(1) == b"":
            closed.set()

    with scripted(document, silent, silent) as url:
        lab = connected(url)
        with pytest.raises(errors.DeadlineExceeded, match=r"0\.5 s") as caught:
            lab(timeout=0.5).s.write()
        assert caught.value.maybe_executed is True
        assert closed.wait(10)
        with pytest.raises(errors.DeadlineExceeded) as caught:
            lab(timeout=0.5).s.safe()
        assert caught.value.maybe_executed is False


def test_the_first_try_sends_the_whole_timeout_and_later_ones_what_is_left() -> None:
    seen: list[bytes] = []

    def drops(connection: socket.socket) -> None:
        seen.append(read_request(connection))

    def replies(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(http(result(None)))

    with scripted(document, drops, replies) as url:
        connected(url, timeout=10).s.safe()
    times = [
        float(line.split(b":")[1])
        for head in seen
        for line in head.split(b"\r\n")
        if b"Labgate-Timeout" in line
    ]
    assert times[0] == 10
    assert 0 < times[1] < 10


def test_no_timeout_sends_none() -> None:
    seen: list[bytes] = []

    def replies(connection: socket.socket) -> None:
        seen.append(read_request(connection))
        connection.sendall(http(result(None)))

    with scripted(document, replies) as url:
        assert connected(url)(timeout=None).s.safe() is None
    assert b"labgate-timeout" not in seen[0].lower()


def test_a_redirect_is_not_followed_and_is_named() -> None:
    moved = http(b"", "308 Permanent Redirect", "Location: https://elsewhere.org/rpc")
    with (
        scripted(document, answers(moved)) as url,
        pytest.raises(errors.BadReply, match=r"elsewhere\.org") as caught,
    ):
        connected(url).s.write()
    assert caught.value.http_status == 308


def test_a_reply_in_html_is_named_as_no_answer_of_a_gate() -> None:
    with scripted(document, answers(http(b"<html>", kind="text/html"))) as url:
        with pytest.raises(errors.BadReply, match="labgate") as caught:
            connected(url).s.write()
        assert caught.value.maybe_executed is True


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'"x"', b"{}", b'{"jsonrpc":"2.0","id":1}', b"[" * 200_000, b"\xff"]
)
def test_a_body_that_is_no_json_rpc_answer_is_a_bad_reply(body: bytes) -> None:
    with scripted(document, answers(http(body))) as url, pytest.raises(errors.BadReply):
        connected(url).s.safe()


def test_bytes_that_are_no_http_are_a_bad_reply_and_may_have_been_executed() -> None:
    with scripted(document, answers(b"hello\r\n\r\n")) as url, pytest.raises(errors.BadReply) as caught:
        connected(url).s.write()
    assert caught.value.maybe_executed is True


def test_a_reply_that_comes_before_a_large_request_was_read_is_the_answer() -> None:
    refusal = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32007,"message":"over 1 MiB","data":{"fault":"TooLarge"}}}'

    def refuses(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(http(refusal, "413 Content Too Large", "Connection: close"))
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass

    with scripted(document, refuses) as url, pytest.raises(errors.TooLarge, match="1 MiB"):
        connected(url).s.put("x" * 5_000_000)


def test_an_interrupt_closes_the_connection_so_that_the_gate_can_stop_the_work() -> None:
    closed = threading.Event()

    def silent(connection: socket.socket) -> None:
        read_request(connection)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        if connection.recv(1) == b"":
            closed.set()

    with scripted(document, silent) as url:
        lab = connected(url)
        with pytest.raises(KeyboardInterrupt):
            lab.s.safe()
        assert closed.wait(10)
        assert not lab._session.link.pool.idle


def test_an_empty_reply_to_a_notification_like_status_is_no_result() -> None:
    with (
        scripted(document, answers(b"HTTP/1.1 204 No Content\r\n\r\n")) as url,
        pytest.raises(errors.BadReply),
    ):
        connected(url).s.safe()


KEYED = json.dumps({**OPENRPC, "x-labgate": {"idempotency": {"seconds": 600}}}).encode()
NO_AGREEMENT = {
    "jsonrpc": "2.0",
    "id": None,
    "error": {
        "code": -32008,
        "message": "away",
        "data": {"fault": "Unavailable", "keyed": False, "retry_after": 1},
    },
}
REFUSED = http(json.dumps(NO_AGREEMENT).encode(), "503 Service Unavailable", "Retry-After: 1")


def keyed_document(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(http(KEYED, "200 OK", "Connection: close"))


def heard(seen: list[bytes], *replies: bytes) -> Callable[[socket.socket], None]:
    """Answer with these, and note the requests; nothing is the end of the connection."""

    def script(connection: socket.socket) -> None:
        for reply in replies:
            seen.append(read_request(connection))
            if not reply:
                return
            connection.sendall(reply)

    return script


def keys(seen: list[bytes]) -> list[bool]:
    return [b"\r\nIdempotency-Key: " in request for request in seen]


def test_where_the_gates_cannot_agree_on_a_key_of_our_own_the_call_is_made_without_one_at_once() -> None:
    seen: list[bytes] = []
    with scripted(keyed_document, heard(seen, REFUSED, http(result(7)))) as url:
        assert connected(url, retries=0).s.write() == 7
    assert keys(seen) == [True, False]


def test_what_went_without_its_key_is_not_sent_again_when_its_connection_breaks() -> None:
    seen: list[bytes] = []
    with scripted(keyed_document, heard(seen, REFUSED, b""), heard(seen, http(result(7)))) as url:
        with pytest.raises(errors.GateUnreachable) as caught:
            connected(url).s.write()
        assert caught.value.maybe_executed is True
    assert keys(seen) == [True, False]


def test_a_key_that_the_user_has_given_is_kept_and_the_refusal_is_told() -> None:
    seen: list[bytes] = []
    with scripted(keyed_document, heard(seen, REFUSED)) as url:
        with pytest.raises(errors.Unavailable):
            connected(url, retries=0)(idempotency_key="mine").s.write()
    assert keys(seen) == [True]


def test_a_call_that_may_have_been_made_under_its_key_is_not_made_without_one() -> None:
    seen: list[bytes] = []
    with scripted(keyed_document, heard(seen, b""), heard(seen, REFUSED, REFUSED)) as url:
        with pytest.raises((errors.Unavailable, errors.GateUnreachable)):
            connected(url, retries=1, timeout=3).s.write()
    assert all(keys(seen))
    assert len(seen) >= 2
