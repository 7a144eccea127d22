"""The gate's sources for agents that see tools alone: two tools list and read them, as resources are listed and read."""

import base64
import json
from types import SimpleNamespace

import pytest
from source_labs import ALL, CONFIG, MANY, MATRIX, UNREAD, Agent, described, source_lab

LIST, READ = "labgate_list_sources", "labgate_read_source"


class Caller(Agent):
    """An agent that calls tools."""

    async def tools(self):
        return {one["name"] for one in (await self.ask("tools/list"))["result"]["tools"]}

    async def call(self, tool, **arguments):
        """The result of a tool."""
        said = await self.ask("tools/call", name=tool, arguments=arguments)
        assert "error" not in said, said
        return said["result"]

    async def problem(self, **arguments):
        """Why nothing was read."""
        result = await self.call(READ, **arguments)
        assert result["isError"]
        return result["content"][0]["text"]


@pytest.fixture
def agent(sources):
    return Caller(sources)


async def test_the_two_tools_are_there_for_whoever_may_read_a_source(agent, gate_of, token_for):
    assert {LIST, READ} <= await agent.tools()
    async with source_lab(gate_of, token_for, f"mcp: {{{{hide: ['lab.*']}}}}\n{CONFIG}") as lab:
        hidden = Caller(lab)
        assert not {LIST, READ} & await hidden.tools()
        said = await hidden.ask("tools/call", name=LIST, arguments={})
        assert said["error"]["message"] == f"Unknown tool: {LIST}"


async def test_each_caller_is_told_the_sources_that_they_may_read(agent, sources):
    result = await agent.call(LIST)
    found = {one["name"]: one for one in result["structuredContent"]["sources"]}
    assert set(found) == set(ALL)
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    assert found["matrix"]["description"] == "A matrix of twelve numbers. An array in the lab's catalog."
    assert found["matrix"]["uri"] == "labgate:/sources/matrix"
    assert {"name": "times", "type": "int"}.items() <= found["chosen"]["parameters"][0].items()
    guest = Caller(sources, token=sources.gwen.token)
    told = (await guest.call(LIST))["structuredContent"]["sources"]
    assert {one["name"] for one in told} == {"matrix", "chosen"}


async def test_a_source_is_told_as_its_resource_is_with_a_picture(agent):
    about, values, picture = (await agent.call(READ, name="matrix"))["content"]
    assert json.loads(about["text"])["shape"] == [3, 4]
    assert json.loads(values["text"])["values"] == MATRIX.tolist()
    assert (picture["type"], picture["mimeType"]) == ("image", "image/png")
    assert base64.b64decode(picture["data"]).startswith(b"\x89PNG")


@pytest.mark.parametrize("part", ["1,0,1", "[1, 0, 1]", [1, 0, 1]])
async def test_a_part_is_read_however_a_model_writes_its_index(agent, part):
    (text, *_) = (await agent.call(READ, name="tissue", part=part))["content"]
    assert text["text"] == (await agent.read("/sources/tissue/1,0,1"))[0]["text"]


async def test_parameters_are_values_and_are_checked(agent, sources):
    for times in (3, "3"):
        about, values, _ = (await agent.call(READ, name="chosen", parameters={"times": times}))["content"]
        assert json.loads(about["text"])["chosen"]["times"] == 3
        assert json.loads(values["text"])["values"] == (MATRIX * 3).tolist()
    before = sources.service.calls.copy()
    for wrong in ({"times": 30}, {"times": [1, 2]}, {"nothing": 1}, {"day": "{{x}}"}):
        assert await agent.problem(name="chosen", parameters=wrong)
    assert sources.service.calls == before


async def test_what_may_not_be_read_is_refused_as_what_there_is_not(sources):
    guest = Caller(sources, token=sources.gwen.token)
    before = sources.service.calls.copy()
    for name in ("rows", "nothing", *UNREAD):
        assert (
            await guest.problem(name=name)
            == f"There is no source {name} for you: {LIST} tells which there are."
        )
    assert sources.service.calls == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "`name` must be"),
        ({"name": 7}, "`name` must be"),
        ({"name": "rows", "part": "last"}, "`part` must be"),
        ({"name": "rows", "part": -1}, "`part` must be"),
        ({"name": "rows", "parameters": [1]}, "`parameters` must be an object"),
        ({"name": "rows", "page": 1}, "no argument page"),
        ({"name": "rows", "part": 9}, "rows has 3 partitions"),
        ({"name": "failing"}, "boomed"),
    ],
)
async def test_what_cannot_be_read_is_told_so_that_a_model_does_better_next_time(agent, arguments, words):
    assert words in await agent.problem(**arguments)


async def test_many_sources_are_told_page_by_page(sources, gate_of, token_for):
    names = {f"plate_{number}" for number in range(300)}
    entries = json.dumps({name: {"method": "tiles.get_rows"} for name in names})
    async with gate_of(MANY.format(url=sources.service.url, entries=entries)) as gate:
        await described(gate)
        lab = SimpleNamespace(address="http://{}:{}".format(*gate.address), session=sources.session)
        agent = Caller(lab, token=token_for("ada", "lab"))
        first = (await agent.call(LIST))["structuredContent"]
        second = (await agent.call(LIST, cursor=first["nextCursor"]))["structuredContent"]
        assert "nextCursor" not in second
        assert {one["name"] for one in first["sources"] + second["sources"]} == names
        for wrong in ("x", 7):
            result = await agent.call(LIST, cursor=wrong)
            assert result["isError"]
