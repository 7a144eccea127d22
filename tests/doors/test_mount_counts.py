"""What do the metrics and the log tell of requests through mounts?"""

import asyncio
import json
import logging

import pytest
from mounted_labs import PLAIN
from mounting import PATIENCE, Upstream, stream, told

from gateway.app import running
from gateway.settings import load


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    await stand.gate(PLAIN.format(url=upstream.url))
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


async def test_bytes_and_calls_through_mounts_are_counted_by_service_and_method(stand, up, ada):
    up.on("/thing", told(b"x" * 100))
    up.on("/thing/7", told(b"y" * 10))
    for _ in range(3):
        await ada.get("/up/thing")
    await ada.ask("PUT", "/up/thing/7", body=b"z" * 1000)
    await ada.get("/up/else")
    up.on("/500", told(b"", status="500 Oh"))
    await ada.get("/up/500")
    numbers = await stand.numbers(ada)
    moved = 'labgate_mount_bytes_total{direction="%s",service="up"}'
    assert numbers[moved % "received"] == 1000
    assert numbers[moved % "sent"] == 300 + 10 + len(b"ok 6")
    calls = 'labgate_calls_total{method="up.%s",outcome="%s",service="up"}'
    for method, outcome, count in (
        ("get", "miss", 1),
        ("get", "hit", 2),
        ("put", "pass", 1),
        ("http", "pass", 1),
        ("http", "error", 1),
    ):
        assert numbers[calls % (method, outcome)] == count, (method, outcome)
    assert numbers['labgate_requests_total{door="mount",status="200"}'] == 5
    assert numbers['labgate_requests_total{door="mount",status="500"}'] == 1


async def test_what_a_stream_has_moved_is_seen_while_it_is_open(stand, up, ada):
    up.on("/stream", stream)
    line = await ada.line()
    line.writer.write(ada.request("GET", "/up/stream"))
    sent = 'labgate_mount_bytes_total{direction="sent",service="up"}'
    async with asyncio.timeout(PATIENCE):
        while (await stand.numbers(ada)).get(sent, 0) < 10:
            pass
    assert (await stand.numbers(ada))[sent] >= 10
    assert not line.reader.at_eof()


async def test_the_log_tells_of_an_answer_that_breaks_off(up, ada, caplog):
    async def half(asked):
        asked.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await asked.writer.drain()

    up.on("/half", half)
    line = await ada.line()
    with caplog.at_level(logging.WARNING, "labgate.doors"):
        line.writer.write(ada.request("GET", "/up/half", "X-Request-Id: this-one"))
        await line.ended()
    (record,) = [one for one in caplog.records if one.name == "labgate.doors"]
    assert (record.request_id, "broke off" in record.getMessage()) == ("this-one", True)


async def test_the_log_has_a_line_for_each_request_with_what_it_was_and_no_secret(stand, tmp_path, capsys):
    up = await stand.upstream()
    up.on("/api", told(b'{"jsonrpc":"2.0","result":1,"id":1}'))
    file = tmp_path / "labgate.yaml"
    file.write_text(f"""\
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0}}
state_dir: {tmp_path / "state"}
shutdown_seconds: 0.5
policies: [{{to: ["group:lab"], allow: ["*", "/**"]}}]
services:
  up:
    dialect: listed
    url: "{up.url}"
    rpc_path: /api
    mount: /up
    methods: {{one: {{safe: true, cache: {{fresh: 1h}}}}, get: {{http: "GET /thing", cache: {{fresh: 1h}}}}, two: {{}}}}
""")
    async with running(load(file, {})) as gate:
        stand.running = gate
        ada = stand.caller("lab")
        capsys.readouterr()
        call = {"jsonrpc": "2.0", "method": "one", "params": ["secret"], "id": 1}
        await ada.get("/up/thing?token=secret", "X-Request-Id: the-first")
        await ada.get("/up/thing?token=secret")
        await ada.ask("PUT", "/up/a%20b", body=b"secret")
        await ada.get("/up/../secret")
        await stand.nobody().get("/up/x")
        await ada.rpc("/up/api", call)
        await ada.rpc("/up/api", [call, call | {"method": "two", "id": 2}])
    lines = [
        json.loads(line) for line in capsys.readouterr().err.splitlines()
    ]  # the gate has written all of it
    keys = ("verb", "path", "status", "subject", "method", "entries", "fault", "cache", "bytes")
    assert [tuple(line.get(key) for key in keys) for line in lines] == [
        ("GET", "/up/thing", 200, "ada", "up.get", None, None, "miss", 4),
        ("GET", "/up/thing", 200, "ada", "up.get", None, None, "hit", 4),
        ("PUT", "/up/a%20b", 200, "ada", "up.http", None, None, "pass", 4),
        ("GET", "/up/../secret", 400, None, None, None, "BadRequest", None, lines[3]["bytes"]),
        ("GET", "/up/x", 401, None, None, None, "Unauthenticated", None, lines[4]["bytes"]),
        ("POST", "/up/api", 200, "ada", "up.one", None, None, "miss", 35),
        ("POST", "/up/api", 200, "ada", None, 2, None, "pass", 35),
    ]
    assert lines[0]["request_id"] == "the-first"
    assert {line["door"] for line in lines} == {"mount"}
    assert {line["peer"] for line in lines} == {"127.0.0.1"}
    text = json.dumps(lines).replace("/up/../secret", "")
    assert "secret" not in text
    assert str(ada.token) not in text
