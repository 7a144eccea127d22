"""Each write is written down once, at its end, however it ends; each refusal too; and no credential or value ever is."""

from __future__ import annotations

import asyncio
import json

import pytest
from mounting import Held, as_json, told, until

CONFIG = """\
telemetry: {{access_log: "off", audit: {audit}}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:few"], allow: ["up.get", "files.http", "GET /files/**"], rate: 2/d}}
services:
  up:
    dialect: listed
    url: "{url}"
    rpc_path: /
    mount: /up
    timeout: {timeout}
    methods: {{get: {{safe: true}}, put: {{params: [name, value]}}, fails: {{}}, stuck: {{}}}}
  files: {{dialect: listed, url: "{url}", mount: /files}}
"""


async def answers(asked):
    try:
        call = json.loads(asked.body)
    except ValueError:
        return told(b"file", status="404 Not Found" if "absent" in asked.path else "200 OK")
    if isinstance(call, list):
        return as_json([{"jsonrpc": "2.0", "result": 1, "id": one["id"]} for one in call])
    if call["method"] == "fails":
        return as_json({"jsonrpc": "2.0", "error": {"code": 7, "message": "no"}, "id": call["id"]})
    if call["method"] == "stuck":
        await asyncio.Event().wait()
    return as_json({"jsonrpc": "2.0", "result": 1, "id": call["id"]})


class Log:
    """What the audit log of the running gate says."""

    def __init__(self, file, stand) -> None:
        self.file, self.stand = file, stand

    async def lines(self, count):
        """All of it, when it has so many lines; and it gets no more by what was done before."""
        audit = self.stand.running.relay.auditor
        await until(lambda: audit.written >= count)
        said = [json.loads(line) for line in self.file.read_text().splitlines()]
        assert len(said) == count, said
        return said

    async def told(self, count, *names):
        """Some members of each line."""
        return [tuple(line.get(name) for name in names) for line in await self.lines(count)]


@pytest.fixture
def opened(stand, tmp_path):
    async def made(audit=None, timeout="300ms"):
        up = await stand.upstream()
        up.on("*", answers)
        file = tmp_path / "audit.jsonl"
        await stand.gate(CONFIG.format(url=up.url, audit=audit or file, timeout=timeout))
        return up, Log(file, stand)

    return made


async def test_a_write_is_written_down_with_how_it_ended_and_a_read_is_not(stand, opened):
    _, log = await opened()
    lab = stand.caller("lab")
    await lab.call("up.get")
    await lab.get("/files/x")
    await lab.call("up.put", ["a", "sesame"])
    await lab.call("up.fails")
    await lab.call("up.stuck")
    await lab.rpc("/rpc/up.put", {"name": "a", "value": "sesame"})
    await lab.ask("PUT", "/files/x?api_key=sesame", body=b"sesame")
    await lab.ask("DELETE", "/files/absent")
    await lab.rpc("/up/", {"jsonrpc": "2.0", "method": "put", "params": ["sesame"], "id": 1})
    assert await log.told(7, "kind", "subject", "method", "request", "outcome", "status", "code") == [
        ("write", "ada", "up.put", None, "ok", None, None),
        ("write", "ada", "up.fails", None, "error", None, 7),
        ("write", "ada", "up.stuck", None, "DeadlineExceeded", None, -32004),
        ("write", "ada", "up.put", None, "ok", None, None),
        ("write", "ada", "files.http", "PUT /files/x", "ok", 200, None),
        ("write", "ada", "files.http", "DELETE /files/absent", "error", 404, None),
        ("write", "ada", "up.put", "POST /up/", "ok", 200, None),
    ]
    text = log.file.read_text()
    assert "sesame" not in text
    assert str(lab.token) not in text
    first = (await log.lines(7))[0]
    assert (first["client"], first["service"], first["groups"], first["bytes"]) == (
        "127.0.0.1",
        "up",
        ["lab"],
        1,
    )
    assert first["request_id"]


async def test_each_write_of_a_batch_is_a_line(stand, opened):
    _, log = await opened()
    lab = stand.caller("lab")
    batch = [{"jsonrpc": "2.0", "method": name, "id": n} for n, name in enumerate(("put", "get", "put"))]
    await lab.rpc("/up/", batch)
    await lab.rpc("/rpc", [{**one, "method": f"up.{one['method']}"} for one in batch])
    assert await log.told(4, "method") == [("up.put",)] * 4


async def test_a_write_whose_caller_has_gone_is_written_down_as_it_ends(stand, opened):
    up, log = await opened(timeout="60s")
    held = Held(as_json({"jsonrpc": "2.0", "result": 1, "id": 1}))
    up.on("/", held)
    up.on("/x", held)
    lab = stand.caller("lab")
    for count, target in enumerate(("/rpc", "/files/x"), 1):
        asked = len(up.asked)
        line = await lab.line()
        body = b'{"jsonrpc":"2.0","method":"up.put","id":1}'
        line.writer.write(lab.request("POST", target, "Content-Type: application/json", body=body))
        await until(lambda asked=asked: len(up.asked) > asked)
        await line.close()
        # Until the gate has heard of it, too.
        await until(lambda: not any(server.connections for server in stand.running.servers))
        held.free.set()
        assert (await log.told(count, "outcome", "caller_gone"))[-1] == ("ok", True)
        held.free.clear()


async def test_a_write_that_is_repeated_is_written_down_once(stand, opened):
    up, log = await opened()
    lab = stand.caller("lab")
    said = {"jsonrpc": "2.0", "method": "put", "id": "3f1c9d1e-6a5b-4c9e-8c1d-0123456789ab"}
    for _ in range(3):
        assert (await lab.rpc("/up/", said)).status == 200
    assert len(up.asked) == 1
    assert await log.told(1, "method") == [("up.put",)]


async def test_every_refusal_is_written_down_with_who_it_was_as_far_as_that_is_known(stand, opened):
    _, log = await opened()
    few, nobody = stand.caller("few", name="eve"), stand.nobody()
    await few.call("up.put")
    await few.get("/rpc/up.fails")
    await few.ask("PUT", "/files/x", body=b"")
    await few.rpc("/up/", {"jsonrpc": "2.0", "method": "put", "id": 1})
    await nobody.call("up.put")
    await nobody.get("/files/x?token=sesame")
    nobody.token = "junk.junk.junk"
    await nobody.get("/files/x")
    for _ in range(3):
        await few.call("up.get")
    await stand.at(few).get("/-/status")
    assert await log.told(8, "kind", "subject", "outcome", "method", "request") == [
        ("refusal", "eve", "Forbidden", "up.put", None),
        ("refusal", "eve", "Forbidden", None, "PUT /files/x"),
        ("refusal", "eve", "Forbidden", None, "POST /up/"),
        ("refusal", None, "Unauthenticated", None, "POST /rpc"),
        ("refusal", None, "Unauthenticated", None, "GET /files/x"),
        ("refusal", None, "Unauthenticated", None, "GET /files/x"),
        ("refusal", "eve", "RateLimited", "up.get", None),
        ("refusal", "eve", "Forbidden", None, "GET /-/status"),
    ]
    assert "sesame" not in log.file.read_text()
    assert "junk" not in log.file.read_text()


async def test_what_operators_change_is_written_down(stand, opened):
    _, log = await opened()
    lab = stand.caller("lab")
    await stand.switch(lab, cache="off")
    await stand.at(lab).rpc("/-/cache/purge", {"all": True})
    await stand.at(lab).get("/-/status")
    assert await log.told(2, "request", "subject", "status") == [
        ("POST /-/switches", "ada", 200),
        ("POST /-/cache/purge", "ada", 200),
    ]


async def test_names_of_parameters_are_written_down_where_that_is_wanted_and_never_their_values(
    stand, opened, tmp_path
):
    _, log = await opened(f"{{file: {tmp_path}/audit.jsonl, params: names}}")
    lab = stand.caller("lab")
    await lab.call("up.put", ["sesame", "sesame"])
    await lab.call("up.put", {"name": "sesame", "more": 1})
    assert await log.told(2, "params") == [(["name", "value"],), (["name", "more"],)]
    assert "sesame" not in log.file.read_text()


async def test_with_required_nothing_is_changed_while_nobody_can_write_it_down(stand, opened, tmp_path):
    up, _ = await opened(f"{{file: {tmp_path}/absent/audit.jsonl, required: true}}")
    lab = stand.caller("lab")
    for answer in (
        await lab.call("up.put"),
        json.loads((await lab.rpc("/up/", {"jsonrpc": "2.0", "method": "put", "id": 1})).body),
        json.loads((await lab.ask("PUT", "/files/x", body=b"")).body),
        json.loads(
            (await lab.rpc("/rpc/up.put", {"name": 1})).body.replace(b'{"code"', b'{"error":{"code"') + b"}"
        ),
    ):
        assert answer["error"]["data"]["fault"] == "Unavailable"
        assert "audit log" in answer["error"]["message"]
    assert not up.asked
    assert (await lab.call("up.get"))["result"] == 1
    assert (await lab.get("/files/x")).status == 200
    (tmp_path / "absent").mkdir()
    audit = stand.running.relay.auditor
    await until(lambda: not audit.trouble)
    assert (await lab.call("up.put"))["result"] == 1
