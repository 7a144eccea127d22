"""The gate's sources as resources of agents: each is read by calls of its methods, and shown to those who may make them."""

import asyncio
import base64
import csv
import io
import json
from types import SimpleNamespace

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from source_labs import ALL, CONFIG, MANY, MATRIX, TISSUE, UNREAD, Agent, described, source_lab

import labgate


@pytest.fixture
def agent(sources):
    return Agent(sources)


# --- who sees what ----------------------------------------------------------------------------------------


async def test_what_a_caller_may_read_is_listed_and_nothing_else(agent, sources):
    assert await agent.names() == set(ALL)
    assert await agent.names("resources/templates/list", "resourceTemplates") == set(ALL)
    guest = Agent(sources, token=sources.gwen.token)
    assert await guest.names() == {"matrix", "chosen"}
    (one,) = [
        one for one in (await agent.ask("resources/list"))["result"]["resources"] if one["name"] == "matrix"
    ]
    assert one == {
        "uri": "labgate:/sources/matrix",
        "name": "matrix",
        "mimeType": "application/json",
        "description": "A matrix of twelve numbers. An array in the lab's catalog.",
    }


async def test_what_may_not_be_called_is_refused_as_what_there_is_not(sources):
    guest = Agent(sources, token=sources.gwen.token)
    unknown = await guest.refused("nothing")
    before = sources.service.calls.copy()
    for name in ("rows", "rows/0", "tissue", *UNREAD):
        error = await guest.refused(name)
        assert (error["code"], error["message"]) == (
            unknown["code"],
            f"Resource not found: labgate:/sources/{name}",
        )
    assert sources.service.calls == before


@pytest.mark.parametrize("mcp", ["hide: [lab.get_rows]", 'expose: ["lab.get_m*"]'])
async def test_a_method_that_is_no_tool_has_no_sources_either(gate_of, token_for, mcp):
    async with source_lab(gate_of, token_for, f"mcp: {{{{{mcp}}}}}\n{CONFIG}") as lab:
        agent = Agent(lab)
        assert not await agent.names() & {"rows", "counted"}
        assert "matrix" in await agent.names()
        assert (await agent.refused("rows"))["message"].startswith("Resource not found")
        assert not lab.service.calls


async def test_many_sources_are_listed_in_pages_as_tools_are(sources, gate_of, token_for):
    names = {f"plate_{number}" for number in range(300)}
    entries = json.dumps({name: {"method": "tiles.get_rows"} for name in names})
    async with gate_of(MANY.format(url=sources.service.url, entries=entries)) as gate:
        await described(gate)
        lab = SimpleNamespace(address="http://{}:{}".format(*gate.address), session=sources.session)
        agent, found, cursor = Agent(lab, token=token_for("ada", "lab")), [], {}
        for _ in range(2):
            said = (await agent.ask("resources/list", **cursor))["result"]
            found += [one["name"] for one in said["resources"] if "/sources/" in one["uri"]]
            cursor = {"cursor": said.get("nextCursor")}
        assert cursor == {"cursor": None}
        assert len(found) == len(names)
        assert set(found) == names


# --- what is told -----------------------------------------------------------------------------------------


async def test_a_small_array_is_told_with_its_values(agent):
    said, (values, picture) = await agent.about("matrix")
    assert (said["dtype"], said["shape"], said["bytes"]) == ("<i8", [3, 4], 96)
    assert (said["description"], said["metadata"]) == ("A matrix of twelve numbers", {"unit": "volt"})
    assert said["note"] == "All of it follows."
    assert json.loads(values["text"])["values"] == MATRIX.tolist()
    assert base64.b64decode(picture["blob"]).startswith(b"\x89PNG")


async def test_an_array_in_partitions_is_told_by_one_of_the_middle_and_each_can_be_read(agent):
    said, (shown, *_) = await agent.about("tissue")
    assert (said["shape"], said["grid"], said["partition_shape"]) == ([6, 5, 4], [2, 1, 2], [4, 5, 3])
    assert said["shown"] == shown["uri"] == "labgate:/sources/tissue/1,0,1"
    assert said["read"]["partition"] == "labgate:/sources/tissue/{i0},{i1},{i2}"
    # What the method is always given is the operator's matter.
    assert "labgate" not in said["read"]
    assert "offset" not in json.dumps(said)
    got = np.zeros_like(TISSUE)
    for z in range(2):
        for x in range(2):
            part = json.loads((await agent.read(f"/sources/tissue/{z},0,{x}"))[0]["text"])
            got[z * 4 : z * 4 + 4, :, x * 3 : x * 3 + 3] = part["values"]
    assert (got == TISSUE).all()


async def test_a_table_is_told_by_its_first_rows_and_each_partition_can_be_read(agent, sources):
    said, (shown,) = await agent.about("rows")
    assert said["columns"] == {"id": "int64", "name": "object", "size": "float64"}
    assert (said["partitions"], said["shown"]) == (3, "labgate:/sources/rows/0")
    assert [row["id"] for row in csv.DictReader(io.StringIO(shown["text"]))] == ["0", "1", "2", "3"]
    (last,) = await agent.read("/sources/rows/2")
    assert last["mimeType"] == "text/csv"
    assert [row["name"] for row in csv.DictReader(io.StringIO(last["text"]))] == ["cell 8", "cell 9"]


async def test_the_line_of_the_sdk_does_what_it_says(agent, sources, monkeypatch):
    said, _ = await agent.about("rows")
    monkeypatch.setenv("LABGATE_TOKEN", sources.alice.token)
    found = await asyncio.to_thread(eval, said["read"]["labgate"], {"labgate": labgate})
    assert [row["id"] for row in found["items"]] == [0, 1, 2, 3]


async def test_parameters_are_checked_and_reach_the_method(agent, sources):
    said, (values, _) = await agent.about("chosen?times=3")
    assert said["chosen"]["times"] == 3
    assert json.loads(values["text"])["values"] == (MATRIX * 3).tolist()
    assert said["read"]["intake"].endswith("['chosen'](times=3).read()")
    assert sources.service.asked[-1]["factor"] == 3
    before = sources.service.calls.copy()
    for query in ("times=30", "times=x", "times=1&times=2", "nothing=1", "day=%7B%7Bx%7D%7D"):
        assert (await agent.refused(f"chosen?{query}"))["code"] == -32602
    assert sources.service.calls == before


async def test_a_partition_that_there_is_not_is_refused_with_those_there_are(agent):
    assert "rows has 3 partitions" in (await agent.refused("rows/9"))["message"]
    assert "tissue has [2, 1, 2] blocks" in (await agent.refused("tissue/9,9,9"))["message"]
    assert (await agent.refused("tissue/0"))["code"] == -32602
    assert (await agent.refused("rows/x"))["message"].startswith("Resource not found")


async def test_what_a_service_does_wrong_is_told_as_its_fault(agent):
    for name, words in (
        ("broken", "no array of numbers"),
        ("torn", "no Arrow stream"),
        ("failing", "boomed"),
    ):
        error = await agent.refused(name)
        assert (error["code"], words in error["message"]) == (-32006, True)
    # What it is was found out before a part of it could not be read.
    said, rest = await agent.about("changing")
    assert (said["shape"], rest) == ([4, 2], [])
    assert "labgate:/sources/changing/1,0 could not be read" in said["problem"]


LARGE = """\
mcp: {{max_result: 2KiB}}
policies:
  - {{to: ["group:lab"], allow: ["big.*", "fly1/tiles.*"]}}
  - {{to: ["group:few"], allow: ["big.*"], rate: 1/d}}
telemetry: {{access_log: "off", audit: {audit}}}
services:
  big:
    dialect: listed
    url: {url}
    methods:
      get_box: {{http: "GET /box", result: array, cache: {{fresh: 1h}}}}
      get_rows: {{http: "GET /rows", result: table}}
datastacks:
  fly1: {{services: {{tiles: {{dialect: listed, url: "{url}", methods: {{get_rows: {{http: "GET /rows", result: table}}}}}}}}}}
sources:
  mount: /sources
  entries:
    cube: {{method: big.get_box, partitions: {{boxes: {{shape: [8, 64, 64], chunks: [4, 64, 64], start: start, stop: stop, dtype: "|u1"}}}}}}
    vast: {{method: big.get_box, partitions: {{boxes: {{shape: [65536, 65536], chunks: [32768, 32768], start: start, stop: stop, dtype: "|u1"}}}}}}
    rows: {{method: big.get_rows}}
    local: {{method: fly1/tiles.get_rows}}
"""
COLUMNS = [f"column_{number}" for number in range(200)]


@pytest.fixture
async def large(gate_of, token_for, tmp_path):
    """An agent before arrays and tables that are more than it is told."""
    asked = []

    async def box(request):
        asked.append(request.query)
        start, stop = ([*map(int, request.query.getall(name))] for name in ("start", "stop"))
        made = np.zeros([b - a for a, b in zip(start, stop, strict=True)], np.uint8)
        made[...] = start[0]
        said = {"base64": base64.b64encode(made.tobytes()).decode(), "dtype": "|u1", "shape": made.shape}
        return web.json_response({"$ndarray": said})

    async def rows(request):
        asked.append(request.query)
        return web.json_response([dict.fromkeys(COLUMNS, row) for row in range(100)])

    app = web.Application()
    app.router.add_get("/box", box)
    app.router.add_get("/rows", rows)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    config = LARGE.format(url=f"http://127.0.0.1:{runner.addresses[0][1]}", audit=tmp_path / "audit.jsonl")
    async with gate_of(config) as gate, aiohttp.ClientSession() as session:
        lab = SimpleNamespace(
            address="http://{}:{}".format(*gate.address),
            token_for=token_for,
            session=session,
            asked=asked,
            audit=tmp_path / "audit.jsonl",
        )
        yield Agent(lab, token=token_for("ada", "lab"))
    await runner.cleanup()


def length(contents):
    return sum(len(one.get("text", "").encode()) for one in contents)


async def test_what_is_too_large_for_an_agent_says_so_and_how_a_program_reads_it(large):
    said, (values, picture) = await large.about("cube")
    assert "32768 bytes, which is too much for an agent" in said["note"]
    assert said["read"]["intake"] == (
        f"intake.open_catalog('intake://{large.lab.address[7:]}/sources', "
        "http_args={'headers': {'Authorization': 'Bearer TOKEN'}})['cube'].to_dask()"
    )
    assert said["read"]["labgate"].endswith(".big.get_box(start=[4, 0, 0], stop=[8, 64, 64])")
    assert json.loads(values["text"]) == {"dtype": "|u1", "shape": [4, 64, 64], "min": 4, "max": 4}
    assert picture["mimeType"] == "image/png"
    part = await large.read("/sources/cube/0,0,0")
    assert part[-1]["text"].startswith("This is not all: the partition has 16384 bytes.")
    assert "intake.open_catalog" in part[-1]["text"]
    # A repeat is one of the method's: it is answered from memory.
    assert len(large.lab.asked) == 2
    await large.about("cube")
    assert len(large.lab.asked) == 2


async def test_a_partition_that_is_too_large_to_be_looked_at_is_not_read(large):
    said, (words,) = await large.about("vast")
    assert said["bytes"] == 1 << 32
    assert "1073741824 bytes, too many to be looked at" in words["text"]
    (words, more) = await large.read("/sources/vast/0,1")
    assert "1073741824 bytes" in words["text"]
    assert "['vast'].to_dask()" in more["text"]
    assert not large.lab.asked


async def test_what_is_told_of_a_source_is_no_more_than_a_result_may_hold(large):
    said, (shown,) = await large.about("rows")
    assert said["left_out"] == ["columns"]
    assert shown["mimeType"] == "text/csv"
    contents = await large.read("/sources/rows")
    assert length(contents) <= 2048
    # The one partition is asked for once, though it is what says which columns there are.
    assert len(large.lab.asked) == 2


async def test_the_result_of_a_method_that_is_too_large_says_how_a_program_has_it(large):
    text, rest = await large.read("/rpc/big.get_rows")
    assert text["mimeType"] == "text/csv"
    lines = rest["text"].splitlines()
    assert lines[1] == f"The whole is at {large.lab.address}/rpc/big.get_rows?format=csv"
    assert lines[2] == f"In Python: labgate.connect('{large.lab.address}').big.get_rows()"


async def test_limits_and_the_audit_log_are_those_of_the_calls(large):
    few = Agent(large.lab, token=large.lab.token_for("bob", "few"))
    await few.about("rows")
    error = await few.refused("rows")
    assert error["data"]["fault"] == "RateLimited"
    async with asyncio.timeout(20):
        while not (written := large.lab.audit.read_text()).endswith("\n"):
            await asyncio.sleep(0.01)
    lines = [json.loads(one) for one in written.splitlines()]
    assert [(one["kind"], one["method"], one["subject"], one["outcome"]) for one in lines] == [
        ("refusal", "big.get_rows", "bob", "RateLimited")
    ]


async def test_a_source_of_a_datastack_is_read_without_naming_it(large):
    assert "local" in await large.names()
    said, (shown,) = await large.about("local")
    assert shown["text"].startswith('"column_0"')
    assert said["read"]["labgate"] == (
        f"labgate.connect('{large.lab.address}', datastack='fly1').tiles.get_rows()"
    )
    few = Agent(large.lab, token=large.lab.token_for("bob", "few"))
    assert "local" not in await few.names()
    assert (await few.refused("local"))["message"] == "Resource not found: labgate:/sources/local"
