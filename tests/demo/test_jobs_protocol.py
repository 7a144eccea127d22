"""Does the job manager speak JSON-RPC 2.0 and HTTP as its callers expect?"""

import http.client
import json
import socket
from contextlib import closing
from typing import Any

import pytest

from gateway.demo.jobs.http import MAX_BODY

CALL = {"jsonrpc": "2.0", "id": 1, "method": "echo", "params": ["hello"]}
NOTE = {"jsonrpc": "2.0", "method": "create_project", "params": ["made by a notification"]}


def error(code: int, identity: Any = None) -> tuple[int, Any]:
    return (code, identity)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ([], error(-32600)),
        (1, error(-32600)),
        ("text", error(-32600)),
        (None, error(-32600)),
        ({"foo": "boo"}, error(-32600)),
        (CALL | {"jsonrpc": "1.0"}, error(-32600, 1)),
        (CALL | {"jsonrpc": 2.0}, error(-32600, 1)),
        (CALL | {"method": 1}, error(-32600, 1)),
        (CALL | {"params": "x"}, error(-32600, 1)),
        (CALL | {"id": True}, error(-32600)),
        (CALL | {"id": []}, error(-32600)),
        (CALL | {"id": {}}, error(-32600)),
        (CALL | {"method": "nope"}, error(-32601, 1)),
        (CALL | {"method": "__init__"}, error(-32601, 1)),
        (CALL | {"method": "call", "id": "a"}, error(-32601, "a")),
        (CALL | {"params": []}, error(-32602, 1)),
        (CALL | {"params": {}}, error(-32602, 1)),
        (CALL | {"params": None}, error(-32602, 1)),
        (CALL | {"params": {"Value": 1}}, error(-32602, 1)),
    ],
)
def test_a_wrong_request_is_an_error_with_its_id_where_that_is_known(
    request_: Any, expected: tuple[int, Any], jobs: Any
) -> None:
    answer = jobs.answer(request_)
    assert answer["jsonrpc"] == "2.0"
    assert (answer["error"]["code"], answer["id"]) == expected


@pytest.mark.parametrize("identity", ["a", "", 0, -1, 1.5, 10**30, None, "\ud800"])
def test_an_id_is_echoed_and_null_is_an_id(identity: Any, jobs: Any) -> None:
    assert jobs.answer(CALL | {"id": identity}) == {"jsonrpc": "2.0", "id": identity, "result": "hello"}


@pytest.mark.parametrize(
    "value", [None, False, 0, "", [], {}, 2**70, -(2**63), 1e300, "\ud800", "ä", {"$": 1}]
)
def test_values_come_back_as_they_were_sent(value: Any, jobs: Any) -> None:
    assert jobs.call("echo", value) == value
    assert jobs.call("echo", value=value) == value


def test_nan_and_infinity_come_back_as_pythons_json_writes_them(jobs: Any) -> None:
    status, body = jobs.post(b'{"jsonrpc":"2.0","id":1,"method":"echo","params":[[NaN,-Infinity]]}')
    assert status == 200
    assert b"[NaN, -Infinity]" in body


def test_an_error_has_a_name_which_its_message_repeats(jobs: Any) -> None:
    failed = jobs.call("get_project", "P0")
    assert (failed.code, failed.name) == (404, "NotFoundError")
    assert failed.message == "NotFoundError: there is no project called 'P0'"


def test_a_batch_is_answered_in_order_without_its_notifications(jobs: Any) -> None:
    batch = [CALL | {"id": 3}, NOTE, 1, CALL | {"id": 1, "method": "nope"}, CALL | {"id": 2}]
    assert [answer["id"] for answer in jobs.answer(batch)] == [3, None, 1, 2]


def test_notifications_are_carried_out_and_answered_with_nothing(fresh_jobs: Any) -> None:
    assert fresh_jobs.answer(NOTE) is None
    assert fresh_jobs.answer([NOTE, NOTE]) is None
    assert fresh_jobs.answer(NOTE | {"method": "nope"}) is None
    assert [project["uid"] for project in fresh_jobs.call("list_projects")] == ["P1", "P2", "P3", "P4"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a":1}{"b":2}', b"[" * 100_000])
def test_what_is_no_json_is_a_parse_error_and_the_service_lives_on(body: bytes, jobs: Any) -> None:
    status, answer = jobs.post(body)
    assert status == 200
    assert json.loads(answer)["error"]["code"] == -32700
    assert jobs.call("test_connection") is True


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 404),
        ("/api/", {}, 404),
        ("/api?x=1", {}, 200),
        ("/api", {"Content_Type": "text/plain"}, 415),
        ("/api", {"Content_Type": "application/x-www-form-urlencoded"}, 415),
        ("/api", {"Content_Type": "application/json; charset=utf-8"}, 200),
        ("/api", {"Content_Type": "application/json-rpc"}, 200),
        ("/api", {"Content_Length": "-5"}, 411),
        ("/api", {"Content_Length": str(MAX_BODY + 1)}, 413),
        ("/api", {"Content_Length": "9" * 5000}, 411),
    ],
)
def test_http_says_what_is_wrong_with_a_post(
    path: str, headers: dict[str, str], status: int, jobs: Any
) -> None:
    assert jobs.post(json.dumps(CALL).encode(), path, **headers)[0] == status


def test_a_chunked_body_is_refused_with_length_required(jobs: Any) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", jobs.port, timeout=30)) as connection:
        connection.request("POST", "/api", iter([b"{}"]), {"Content-Type": "application/json"})
        assert connection.getresponse().status == 411


def test_get_greets_at_the_root_and_nowhere_else(jobs: Any) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", jobs.port, timeout=30)) as connection:
        connection.request("GET", "/")
        response = connection.getresponse()
        assert (response.status, b"system.describe" in response.read()) == (200, True)
        connection.request("GET", "/api")
        assert connection.getresponse().status == 404


def test_a_connection_serves_many_calls(jobs: Any) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", jobs.port, timeout=30)) as connection:
        connection.connect()
        local = connection.sock.getsockname()
        for request in (CALL, NOTE, CALL):
            connection.request("POST", "/api", json.dumps(request), {"Content-Type": "application/json"})
            connection.getresponse().read()
        assert connection.sock.getsockname() == local


def test_a_caller_who_hangs_up_half_way_leaves_nothing_behind(fresh_jobs: Any) -> None:
    with socket.create_connection(("127.0.0.1", fresh_jobs.port)) as caller:
        head = (
            b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
        )
        caller.sendall(head + json.dumps(NOTE).encode())
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(100) == b""
    assert len(fresh_jobs.call("list_projects")) == 1
