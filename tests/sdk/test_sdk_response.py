"""Is the reply to a raw request all there, and a refusal the error of its kind?"""

from __future__ import annotations

import json
import os
import socket
import tracemalloc
from typing import Any

import numpy as np
import pytest

import labgate
from labgate import errors
from tests.sdk.conftest import Gate, Handler, mounted, read_request, scripted


def answering(files: Gate, status: int, body: bytes = b"", *fields: tuple[str, str]) -> Any:
    """The namespace of a service that answers this to everything."""

    def answers(asked: Handler) -> None:
        asked.body()
        asked.reply(status, body, *fields)

    files.service = answers
    return labgate.connect(files.url).files


def test_fields_are_found_by_names_in_capitals_or_not_and_repeated_ones_are_all_there(files: Gate) -> None:
    service = answering(
        files, 299, b"", ("X-One", "1"), ("x-two", "a"), ("X-Two", "b"), ("Set-Cookie", "c=\xfc")
    )
    with labgate.request(service, "GET", "/f") as response:
        headers = response.headers
    assert (response.status, headers["x-one"], headers.get("X-TWO"), headers.getall("x-TWO")) == (
        299,
        "1",
        "a",
        ["a", "b"],
    )
    assert (headers.get("no"), headers.get("no", "d"), headers.getall("no"), "No" in headers) == (
        None,
        "d",
        [],
        False,
    )
    assert ("x-two", "a") in headers.items()
    assert dict(headers)["Set-Cookie"] == "c=\xfc"
    assert "X-One" in repr(headers)
    with pytest.raises(KeyError):
        _ = headers["no"]


def test_a_body_is_read_in_numbers_into_buffers_in_pieces_and_whole(files: Gate) -> None:
    data = os.urandom(700_000)
    service = answering(files, 200, data)
    with labgate.request(service, "GET", "/f") as response:
        assert response.length == len(data)
        assert response.read(10) == data[:10]
        array = np.zeros((10, 5), np.uint16)
        assert response.readinto(array) == 100
        assert array.tobytes() == data[10:110]
        assert response.read(0) == b""
        assert response.read(300_000) == data[110:300_110]
        assert response.read(10**12) == data[300_110:]
        assert (response.read(), response.read(5), response.readinto(bytearray(5))) == (b"", b"", 0)
    with labgate.request(service, "GET", "/f") as response:
        assert b"".join(response) == data


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_a_body_in_chunks_is_their_concatenation_whatever_pieces_it_is_read_in(step: int) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: 1\r\n\r\n"

    def answers(connection: socket.socket) -> None:
        for _ in range(2):
            read_request(connection)
            connection.sendall(chunked)

    with scripted(mounted, answers) as url:
        lab = labgate.connect(url)
        for _ in range(2):  # the connection serves on
            with labgate.request(lab, "POST", "/files/x") as response:
                assert response.length is None
                assert b"".join(iter(lambda: response.read(step), b"")) == b"hello world"


def test_a_body_that_is_unfinished_closes_the_connection_and_a_finished_one_gives_it_back(
    files: Gate,
) -> None:
    service = answering(files, 200, b"0123456789")
    lab = labgate.connect(files.url)  # held: a client that is collected closes the connections it shared
    pool = lab._session.link.pool
    with labgate.request(service, "GET", "/f") as response:
        response.read(9)
        assert not response.closed
    assert (response.closed, len(pool.idle)) == (True, 0)
    with pytest.raises(ValueError, match="closed"):
        response.read()
    with labgate.request(service, "GET", "/f") as response:
        response.read(10)
        assert (response.closed, len(pool.idle)) == (True, 1)
    assert response.read() == b""


def test_replies_without_a_body_leave_their_connection_usable(files: Gate) -> None:
    lab = labgate.connect(files.url)  # held: a client that is collected closes the connections it shared
    pool = lab._session.link.pool
    for verb, status in (("HEAD", 200), ("GET", 204), ("GET", 304)):
        service = answering(files, status, b"body" if verb == "HEAD" else b"")
        with labgate.request(service, verb, "/f") as response:
            assert (response.status, response.read(), len(pool.idle)) == (status, b"", 1)


def test_json_and_text_are_read_as_the_reply_says(files: Gate) -> None:
    service = answering(
        files, 200, b'{"a": {"$binary": {"base64": "eA=="}}}', ("Content-Type", "application/json")
    )
    assert labgate.request(service, "GET", "/f").json() == {"a": b"x"}
    service = answering(files, 200, b"\xfc", ("Content-Type", 'text/plain; charset="latin-1"'))
    assert labgate.request(service, "GET", "/f").text() == "ü"
    with pytest.raises(errors.BadReply, match="JSON"):
        labgate.request(service, "GET", "/f").json()
    service = answering(files, 200, b"x", ("Content-Type", "text/plain; charset=nonsense"))
    with pytest.raises(errors.BadReply, match="nonsense"):
        labgate.request(service, "GET", "/f").text()


def test_a_redirect_is_a_reply_that_is_not_followed(files: Gate) -> None:
    service = answering(files, 307, b"", ("Location", "https://elsewhere.org/x"))
    before = len(files.requests)
    with labgate.request(service, url="/f", data=b"x") as response:
        assert (response.status, response.headers["location"]) == (307, "https://elsewhere.org/x")
    assert len(files.requests) == before + 1


def test_a_large_body_passes_in_little_memory_both_ways(files: Gate) -> None:
    size = 64 << 20

    def swallows(asked: Handler) -> None:
        left = int(asked.headers["Content-Length"])
        while left:
            left -= len(asked.rfile.read(min(left, 1 << 18)))
        asked.send_response(200)
        asked.send_header("Content-Length", str(size))
        asked.end_headers()
        for _ in range(size >> 18):
            asked.wfile.write(bytes(1 << 18))

    files.service = swallows
    lab = labgate.connect(files.url)
    data, room, came = bytes(size), bytearray(1 << 18), 0
    tracemalloc.start()
    try:
        with labgate.request(lab.files, "PUT", "/f", data=data) as response:
            while got := response.readinto(room):
                came += got
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert came == size
    assert peak < 8 << 20


def test_a_stale_reply_warns_at_the_callers_line_and_is_the_last_one(files: Gate) -> None:
    lab = labgate.connect(files.url)
    service = answering(files, 200, b"x", ("Cache-Status", 'labgate; hit; ttl=-3; detail="stale"'))
    with pytest.warns(labgate.StaleWarning, match="GET /files/f") as caught:
        labgate.request(service, "GET", "/f", query={"token": "secret"}).close()
    assert caught[0].filename == __file__
    assert "secret" not in str(caught[0].message)
    assert (labgate.last(lab).cache, labgate.last(lab).status) == ("stale", 200)
    labgate.request(service, "GET", "/f").close()  # once


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidParams),
        (401, errors.Unauthenticated),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (405, errors.MethodNotAllowed),
        (409, errors.RemoteError),
        (413, errors.TooLarge),
        (415, errors.UnsupportedMediaType),
        (422, errors.InvalidParams),
        (429, errors.RateLimited),
        (500, errors.RemoteError),
        (502, errors.Unreachable),
        (503, errors.Unavailable),
        (504, errors.DeadlineExceeded),
    ],
)
def test_a_status_of_400_or_more_is_the_error_of_its_kind(
    files: Gate, status: int, kind: type[errors.Error]
) -> None:
    service = answering(
        files, status, b"no \x1b[31msuch thing" + b"." * 70_000, ("Retry-After", "7"), ("X-Request-Id", "r-5")
    )
    with pytest.raises(kind, match=rf"POST /files/f was answered {status}: no \[31msuch thing") as caught:
        labgate.request(service, url="/f?token=secret", data=b"x")
    error = caught.value
    assert (error.http_status, error.retry_after, error.request_id, error.service) == (
        status,
        7,
        "r-5",
        "files",
    )
    assert error.maybe_executed is (status in (500, 502, 504))
    assert "secret" not in str(error)
    with labgate.request(service, url="/f", raise_for_status=False) as response:
        assert response.status == status


def test_what_a_service_says_in_json_is_the_errors_data_and_the_connection_serves_on(files: Gate) -> None:
    service = answering(files, 422, b'{"detail": [{"loc": ["uid"]}]}', ("Content-Type", "application/json"))
    with pytest.raises(errors.RemoteInvalidParams) as caught:
        labgate.request(service, "GET", "/f")
    assert caught.value.data == {"detail": [{"loc": ["uid"]}]}
    assert len(labgate.connect(files.url)._session.link.pool.idle) == 1


def test_a_json_rpc_error_in_the_body_is_understood_as_in_calls(files: Gate) -> None:
    def refuses(code: int, **data: Any) -> Any:
        error = {"code": code, "message": "because", "data": data}
        body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()
        return answering(files, 403, body, ("Content-Type", "application/json"))

    with pytest.raises(errors.Forbidden, match="because") as caught:
        labgate.request(refuses(-32002, fault="Forbidden", request_id="r-9"), "GET", "/f")
    assert caught.value.request_id == "r-9"
    with pytest.raises(errors.NoSuchAddress):
        labgate.request(refuses(-32015, fault="NoSuchAddress"), "GET", "/f")
    with pytest.raises(errors.RemoteError) as remote:
        labgate.request(refuses(422, slots=[1]), "GET", "/f")
    assert (remote.value.code, remote.value.data) == (422, {"slots": [1]})
