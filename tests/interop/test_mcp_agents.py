"""The official MCP client before the gate, in both revisions, with a real DVID-like and a real JSON-RPC server behind it."""

import asyncio
import hashlib
import json

import numpy as np
import pytest

import labgate
from tests.interop.callers.pasted import value_of

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CONFIG = """\
mcp: {{expose: ["up.*", "up.add"], hide: ["up.fail"], max_result: 1KiB}}
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
  - {{to: ["group:guests"], allow: ["up.count"]}}
services:
  up:
    url: {url}
    methods:
      "get_stats": {{safe: true, cache: {{fresh: 1h}}}}
      "count": {{safe: true, result: table}}
      "fail": {{safe: true}}
      "big": {{safe: true}}
      "echo": {{safe: true}}
"""


@pytest.fixture
async def asked(upstream, calls_of, gate_of, token_for):
    """`await asked(mode, calls, group)`: what the client got, by call."""
    server = await asyncio.to_thread(upstream, "openrpc")
    async with gate_of(CONFIG.format(url=server.url)) as gate:
        address = "http://{}:{}/mcp".format(*gate.address)

        async def ask(mode, *calls, group="lab"):
            words = [one for name, args in calls for one in (name, json.dumps(args))]
            token = token_for("ada", group)
            return await asyncio.to_thread(calls_of, "mcp", "mcp_client.py", mode, address, token, *words)

        yield ask


@pytest.mark.parametrize(
    ("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28"), ("2026-07-28", "2026-07-28")]
)
async def test_the_official_client_lists_and_calls_what_is_exposed(asked, mode, version):
    long = "word " * 600
    got = await asked(
        mode,
        ("up_get_stats", {"uid": "7", "binning": 2}),
        ("up_add", {"a": 2, "b": 3}),
        ("up_subtract", {"minuend": 2, "subtrahend": 3}),
        ("up_fail", {}),
        ("up_echo", {"value": long}),
        ("up_echo_2", {}),
        ("labgate:/rpc/up.echo?value=5", None),
        ("labgate:/rpc/up.add?a=1&b=2", None),
    )
    assert got["version"] == version
    # What may change something is there by its whole name alone; what is hidden is not there at all.
    assert set(got["tools"]) == {"up_get_stats", "up_add", "up_count", "up_big", "up_echo"}
    kind, result = got["up_get_stats"]
    assert kind == "value"
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    assert got["up_add"][1]["content"][0]["text"] == "5"
    for name in ("up_subtract", "up_fail", "up_echo_2"):
        assert got[name][0] == "error"
        assert f"Unknown tool: {name}" in got[name][1]
    text, more, link = got["up_echo"][1]["content"]
    assert len(text["text"]) == 1024
    assert f"{len(json.dumps(long))} bytes" in more["text"]
    assert link["type"] == "resource_link"
    assert "/rpc/up.echo?value=word" in link["uri"]
    assert got["labgate:/rpc/up.echo?value=5"][1]["contents"][0]["text"] == "5"
    assert got["labgate:/rpc/up.add?a=1&b=2"][0] == "error"


async def test_another_caller_sees_and_may_call_what_their_policies_say(asked):
    got = await asked("auto", ("up_echo", {"value": 1}), group="guests")
    assert got["tools"] == ["up_count"]
    assert "Unknown tool: up_echo" in got["up_echo"][1]


SOURCES = """\
mcp: {{max_result: 8KiB}}
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
  - {{to: ["group:guests"], allow: ["up.big"]}}
services:
  up: {{url: {up}, methods: {{"big": {{safe: true}}}}}}
  dvid: {{dialect: dvid, url: "{dvid}", nodes: {{prod: "{root}"}}}}
sources:
  mount: /sources
  entries:
    gray: {{method: dvid.read, params: {{node: prod, instance: gray}}, description: The tissue}}
    any:
      method: dvid.volume
      user_parameters: {{node: {{type: str, default: prod}}, instance: {{type: str, default: nothing}}}}
    numbers: {{method: up.big, container: ndarray, user_parameters: {{n: {{type: int, default: 3, max: 100}}}}}}
"""


@pytest.fixture
async def read(upstream, calls_of, gate_of, token_for, dvid_lab):
    """`await read(mode, addresses, group)`: what the client got, by address, and what the volume has."""
    server, content = await asyncio.to_thread(upstream, "openrpc"), dvid_lab.small()
    with dvid_lab.running(content.store) as dvid:
        config = SOURCES.format(up=server.url, dvid=dvid.url, root=content.root.uuid)
        async with gate_of(config) as gate:
            async with asyncio.timeout(30):
                while gate.status()["catalog"]["warnings"]:
                    await asyncio.sleep(0.01)
            address = "http://{}:{}/mcp".format(*gate.address)

            async def ask(mode, *addresses, group="lab", tools=()):
                token = token_for("ada", group)
                words = [word for one in addresses for word in (f"labgate:/sources/{one}", "null")]
                words += tools
                got = await asyncio.to_thread(calls_of, "mcp", "mcp_client.py", mode, address, token, *words)
                return {
                    name.removeprefix("labgate:/sources/"): outcome for name, outcome in got.items()
                }, token

            ask.gray = content.gray
            yield ask


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_official_client_reads_the_gates_sources(read, mode, calls_of):
    got, token = await read(mode, "gray", "gray/0,0,0", "gray/9,9,9", "numbers", "numbers?n=5", "nothing")
    assert {"gray", "numbers"} <= {one["name"] for one in got["resources"][1]["resources"]}
    templates = {one["uriTemplate"] for one in got["templates"][1]["resourceTemplates"]}
    assert {"labgate:/sources/gray{/part}", "labgate:/sources/numbers{/part}{?n}"} <= templates
    about, values, picture = got["gray"][1]["contents"]
    said = json.loads(about["text"])
    assert (np.dtype(said["dtype"]), said["shape"]) == (read.gray.dtype, list(read.gray.shape))
    assert said["bytes"] == read.gray.nbytes
    assert "too much for an agent" in said["note"]
    assert json.loads(values["text"])["max"] == int(read.gray.max())
    assert picture["mimeType"] == "image/png"
    whole = got["gray/0,0,0"][1]["contents"]
    assert json.loads(whole[0]["text"])["shape"] == list(read.gray.shape)
    assert got["gray/9,9,9"][0] == got["nothing"][0] == "error"
    assert "Resource not found" in got["nothing"][1]
    for name, numbers in (("numbers", [0, 1, 2]), ("numbers?n=5", [0, 1, 2, 3, 4])):
        _, shown = got[name][1]["contents"]
        assert json.loads(shown["text"])["values"] == numbers
    # The line for programs is one that the real Intake client takes.
    line = said["read"]["intake"].replace("TOKEN", token)
    done = await asyncio.to_thread(calls_of, "intake", "intake_line.py", line)
    digest = hashlib.sha256(read.gray.tobytes()).hexdigest()[:16]
    assert done["line"] == ["value", ["array", str(read.gray.dtype), list(read.gray.shape), digest]]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_official_client_reads_sources_by_tools_alone(read, mode):
    wanted = json.dumps({"name": "gray", "part": "0,0,0"})
    got, _ = await read(mode, tools=("labgate_list_sources", "{}", "labgate_read_source", wanted))
    assert {"labgate_list_sources", "labgate_read_source"} <= set(got["tools"])
    listed = got["labgate_list_sources"][1]["structuredContent"]["sources"]
    assert {"gray", "numbers"} <= {one["name"] for one in listed}
    values, picture, *_ = got["labgate_read_source"][1]["content"]
    assert json.loads(values["text"])["shape"] == list(read.gray.shape)
    assert picture["mimeType"] == "image/png"


async def test_the_line_of_the_sdk_is_the_handle_of_the_volume_that_was_chosen(read, monkeypatch):
    got, token = await read("auto", "any?instance=gray", "any")
    assert got["any"][0] == "error"
    line = json.loads(got["any?instance=gray"][1]["contents"][0]["text"])["read"]["labgate"]
    monkeypatch.setenv("LABGATE_TOKEN", token)
    volume = await asyncio.to_thread(value_of, line, {"labgate": labgate})
    assert (await asyncio.to_thread(lambda: volume[:, :, :]) == read.gray).all()


async def test_another_client_finds_only_the_sources_whose_methods_they_may_call(read):
    got, _ = await read("auto", "gray", "numbers", group="guests")
    assert {one["name"] for one in got["resources"][1]["resources"]} == {"numbers"}
    assert got["gray"][0] == "error"
    assert got["numbers"][0] == "value"
