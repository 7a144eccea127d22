"""Does the demo's DVID answer on the wire as DVID does, and can a test make it fail as DVID fails?"""

import http.client
import json
import re
import socket
import threading
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from gateway.demo.dvid.kinds import KINDS
from gateway.demo.dvid.routes import ENDPOINTS

BLOCK = "gray/raw/0_1_2/32_32_32/0_0_0"


def raw(dvid: Any, request: bytes) -> bytes:
    """All bytes that answer, until the connection is closed."""
    split = urlsplit(dvid.server.url)
    with socket.create_connection((split.hostname, split.port), timeout=60) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_body_beyond_2_kib_is_chunked_and_a_smaller_one_has_a_length(dvid) -> None:
    _, fields, body = dvid.ask("GET", dvid.node("root", "gray/raw/0_1_2/32_64_1/0_0_0"))
    assert (fields["Content-Length"], fields["Transfer-Encoding"], len(body)) == ("2048", None, 2048)
    _, fields, body = dvid.ask("GET", dvid.node("root", "gray/raw/0_1_2/2049_1_1/0_0_0"))
    assert (fields["Content-Length"], fields["Transfer-Encoding"], len(body)) == (None, "chunked", 2049)
    assert fields["Content-Type"] == "application/octet-stream"
    assert not {"ETag", "Last-Modified", "Cache-Control", "Server"} & set(fields)


def test_http_1_0_gets_the_whole_body_without_chunks(dvid) -> None:
    answer = raw(dvid, f"GET {dvid.node('root', BLOCK)} HTTP/1.0\r\n\r\n".encode())
    assert answer.partition(b"\r\n\r\n")[2] == dvid.get("root", BLOCK)


def test_a_connection_carries_one_request_after_the_other_with_bodies_in_chunks(dvid) -> None:
    pieces = [b"{}", b"x" * 5000, b"y"]
    with closing(http.client.HTTPConnection(urlsplit(dvid.server.url).netloc, timeout=60)) as connection:
        for _ in range(3):
            connection.request("POST", dvid.node("open", "keys/key/k"), iter(pieces))
            assert connection.getresponse().read() == b""
            connection.request("HEAD", dvid.node("root", BLOCK))
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"")
    assert dvid.get("open", "keys/key/k") == b"".join(pieces)


@pytest.mark.parametrize(
    ("verb", "path", "text"),
    [
        ("GET", "/api/node/zzz/gray/info", "could not find UUID with partial match to zzz!"),
        ("GET", "NODE/nope/info", "invalid data instance name"),
        ("GET", "NODE/gray/raw/0_1_2/0_1_1/0_0_0", "illegal size '0_1_1'"),
        ("GET", "NODE/gray/raw/0_1_2/1_1/0_0_0", "illegal point specification"),
        ("GET", "NODE/gray/raw/0_1_2/1_1_x/0_0_0", "illegal point specification"),
        ("GET", "NODE/gray/raw/0_3/1_1/0_0_0", "illegal data shape"),
        ("GET", "NODE/gray/raw/0_1_2/1_1_1", "must follow the data name"),
        ("GET", "NODE/gray/raw/0_1_2/2048_2048_2048/0_0_0", "exceeds this DVID server's set limit"),
        ("GET", "NODE/gray/raw/xy/4_4/0_0_0/tiff", "unknown image format"),
        ("GET", "NODE/gray/raw/vol/4_4_4/0_0_0?roi=none", "no ROI data"),
        ("GET", "NODE/gray/nope", "unrecognized API call 'nope' for uint8blk data 'gray'"),
        ("DELETE", "NODE/gray/raw/0_1_2/32_32_32/0_0_0", "DELETE is not possible"),
        ("GET", "/api/help/nope", "no help for unknown data type"),
        ("POST", "/api/repos", "this needs admin rights"),
        ("GET", "/api/server/token", "this server issues no tokens"),
    ],
)
def test_a_refusal_is_a_400_in_text_with_the_path_in_brackets(dvid, verb, path, text) -> None:
    where = path.replace("NODE", f"/api/node/{dvid.content.open.uuid}")
    assert text in dvid.refused(verb, where)


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/api/nope", "/api/node", "/api/node/REPO", "/api/server/nope"]
)
def test_what_is_not_routed_is_a_404(dvid, path) -> None:
    status, fields, body = dvid.ask("GET", path.replace("REPO", dvid.content.root.uuid))
    assert (status, body) == (404, b"404 page not found\n")
    assert fields["X-Content-Type-Options"] == "nosniff"


def test_help_lists_every_endpoint_of_every_type(dvid) -> None:
    _, fields, body = dvid.ask("GET", "/api/help")
    assert (fields["Content-Type"], body.startswith(b"<html>")) == ("text/html", True)
    line = re.compile(
        r"^(GET|POST|DEL|DELETE|HEAD) +<api URL>/node/<UUID>/<data name>/([a-z-]+)", re.MULTILINE
    )
    for name in KINDS:
        _, fields, body = dvid.ask("GET", f"/api/help/{name}")
        assert fields["Content-Type"] == "text/plain"
        found = {(verb.replace("DELETE", "DEL"), call) for verb, call in line.findall(body.decode())}
        assert found == {(verb.replace("DELETE", "DEL"), call) for verb, call in ENDPOINTS[name]}
    assert dvid.get("root", "gray/help") == dvid.ask("GET", "/api/help/uint8blk")[2]


def test_the_server_tells_of_itself_in_strings(dvid) -> None:
    info = dvid.json("/api/server/info")
    assert all(isinstance(value, str) for value in info.values())
    assert "Mode" not in info
    home = "github.com/janelia-flyem/dvid/datatype"
    assert dvid.json("/api/server/compiled-types")["uint16blk"] == f"{home}/imageblk"
    assert set(dvid.json("/api/server/types")) == {"uint8blk", "labelmap", "keyvalue", "annotation", "roi"}
    assert isinstance(dvid.json("/api/load")["handlers active"], int)
    assert dvid.ask("GET", "/api/heartbeat?u=ada")[2] == b"OK"
    assert dvid.ask("HEAD", f"/api/repo/{dvid.content.root.uuid[:9]}")[0] == 200
    assert dvid.ask("HEAD", "/api/repo/nope")[0] == 400


def test_other_origins_may_read(dvid) -> None:
    _, fields, _ = dvid.ask("GET", "/api/load", fields={"Origin": "https://viewer.example"})
    assert fields["Access-Control-Allow-Origin"] == "*"


def test_modes_refuse_writes_or_allow_them_at_locked_nodes(dvid) -> None:
    dvid.content.store.mode = "read only"
    assert dvid.json("/api/server/info")["Mode"] == "read only"
    assert "read-only mode" in dvid.refused("POST", dvid.node("open", "keys/key/a"), b"1")
    dvid.content.store.mode = "allow writes on committed nodes"
    assert dvid.ask("POST", dvid.node("root", "keys/key/a"), b"1")[0] == 200


def test_a_blocked_user_is_answered_429(dvid) -> None:
    dvid.server.access.blocked.add("eve")
    assert dvid.ask("GET", "/api/load?u=eve")[0] == 429
    assert dvid.ask("GET", "/api/load?u=ada")[0] == 200


def test_throttled_requests_run_one_at_a_time_and_others_are_not_counted(dvid) -> None:
    path = dvid.node("root", BLOCK)
    with dvid.server.throttle:
        status, _, body = dvid.ask("GET", path + "?throttle=true")
        assert (status, body) == (503, b"Server already running maximum of 1 throttled operations\n")
        assert dvid.ask("GET", path)[0] == 200
    for _ in range(2):
        assert dvid.ask("GET", path + "?throttle=true")[0] == 200


def test_requests_bytes_and_writes_are_counted_by_the_kind_of_path(dvid) -> None:
    dvid.get("root", BLOCK)
    dvid.ask("HEAD", dvid.node("root", BLOCK))
    dvid.json("/api/repos/info")
    dvid.json(dvid.node("root", "status"))
    dvid.json(f"/api/repo/{dvid.content.root.uuid}/log")
    dvid.ask("POST", dvid.node("open", "keys/key/a/b"), b"1")
    dvid.ask("POST", dvid.node("root", "keys/key/a/b"), b"1")
    expected = {"raw": 2, "repos/info": 1, "status": 1, "repo/log": 1, "key": 2}
    assert dict(dvid.server.requests) == expected
    assert (dvid.server.sent["raw"], dvid.server.writes) == (32**3, 1)
    dvid.server.forget()
    assert (dict(dvid.server.requests), dvid.server.writes, dvid.server.seen) == ({}, 0, [])


def test_a_server_can_be_busy_for_so_many_requests(dvid, dvid_lab) -> None:
    with dvid.server.fault(dvid_lab.busy(2), "raw"):
        found = [dvid.ask("GET", dvid.node("root", BLOCK))[0] for _ in range(4)]
        assert dvid.ask("GET", "/api/load")[0] == 200
    assert found == [503, 503, 200, 200]


def test_bodies_can_be_torn_short_too_long_or_end_in_an_error(dvid, dvid_lab) -> None:
    path, whole = dvid.node("root", BLOCK), dvid.get("root", BLOCK)
    with dvid.server.fault(dvid_lab.torn(1000)):
        with pytest.raises(http.client.IncompleteRead) as caught:
            dvid.ask("GET", path)
        assert caught.value.partial == whole[:1000]
    for fault, expected in (
        (dvid_lab.short(7), whole[:-7]),
        (dvid_lab.surplus(b"xyz"), whole + b"xyz"),
        (dvid_lab.late(5000, "Error"), whole[:5000] + f"Error ({path}).\n".encode()),
    ):
        with dvid.server.fault(fault, "raw"):
            status, _, body = dvid.ask("GET", path)
            assert (status, body) == (200, expected)
    assert dvid.get("root", BLOCK) == whole


def test_an_answer_can_be_held_back(dvid, dvid_lab) -> None:
    held = dvid_lab.Held()
    found: list[Any] = []
    with dvid.server.fault(held, "status"):
        path = dvid.node("root", "status")
        caller = threading.Thread(target=lambda: found.append(dvid.json(path)))
        caller.start()
        assert held.waiting.wait(30)
        assert dvid.json("/api/load")
        assert (found, dvid.server.peak) == ([], 2)
        held.release()
        caller.join()
    assert found == [json.loads('{"Locked": true}')]
