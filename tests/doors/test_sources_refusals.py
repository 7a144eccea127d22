"""What is said to a caller of the gate's catalog who asks for what is not there, or in a way that nobody understands?"""

from __future__ import annotations

import aiohttp
import pytest
from source_labs import CONFIG, Caller, source_lab

from gateway.demo.catalog.encoding import pack

OPEN = {"action": "open", "name": "matrix"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "it is no msgpack"),
        (b"\xc1", "it is no msgpack"),
        (b'{"action": "open"}', "it is no msgpack"),
        (pack([1]), "the body is no msgpack map"),
        (pack({}), "action is missing"),
        (pack({"action": "delete"}), '"delete" not a valid source action'),
        (pack({"action": 7}), '"7" not a valid source action'),
        (pack({"action": "search"}), "query is no list of words and a map of named ones"),
        (pack({"action": "search", "query": ["a", {}]}), "query is no list of words and a map of named ones"),
        (pack({**OPEN, "parameters": [1]}), "parameters is no map"),
        (pack({"action": "read"}), "source_id is missing"),
        (pack({"action": "read", "source_id": 5}), "source_id is no text"),
        (pack({"action": "read", "source_id": "5"}), "unknown source id: open the entry again"),
        (pack({"action": "read", "source_id": "g1.粒子"}), "unknown source id: open the entry again"),
    ],
)
async def test_a_body_that_asks_nothing_is_a_400_with_its_reason(sources, body, words):
    assert await sources.alice.refused(body) == (400, words)


@pytest.mark.parametrize("name", ["nothing", "", None, 7, ["matrix"], "matrix.more"])
async def test_there_is_no_entry_but_those_of_the_file(sources, name):
    assert await sources.alice.refused({"action": "open", "name": name}) == (404, "No such entry")
    response, _ = await sources.alice.ask("GET", "/v1/source?name=nothing")
    assert (response.status, response.reason) == (404, "No such entry")
    response, _ = await sources.alice.ask("GET", "/v1/source")
    assert (response.status, response.reason) == (400, "name is missing")


async def test_a_long_body_is_not_read(sources):
    assert (await sources.alice.refused(b"\xc4" * (1 << 20) + b"\xc4"))[0] == 413


@pytest.mark.parametrize(
    ("name", "partition", "words"),
    [
        ("matrix", 1, "partition 1 is out of range: matrix has 1 partitions"),
        ("matrix", -1, "partition -1 is out of range"),
        ("matrix", [0, 1], "block [0, 1] is out of range: matrix has [1, 1] blocks"),
        ("matrix", [0], "a block of matrix has 2 indices, not 1"),
        ("matrix", "0", "neither a number nor a list"),
        ("matrix", [], "neither a number nor a list"),
        ("tissue", None, "tissue has 4 partitions: say which one"),
        ("tissue", 0, "a block of tissue has 3 indices, and is no number"),
        ("rows", 3, "partition 3 is out of range: rows has 3 partitions"),
        ("rows", [0], "a partition of rows is a number, not a list"),
        ("rows", None, "rows has 3 partitions: say which one"),
        ("rows", {"n": 1}, "neither a number nor a list"),
    ],
)
async def test_a_partition_that_is_not_there_is_a_400_that_says_what_is(sources, name, partition, words):
    opened = await sources.alice.open(name)
    sources.service.calls.clear()
    status, reason = await sources.alice.refused(sources.alice.asks(opened, partition))
    assert status == 400
    assert words in reason
    assert not sources.service.calls


async def test_what_was_found_by_a_search_is_no_source(sources):
    found = await sources.alice.post({"action": "search", "query": [["twelve"], {}]})
    wrong = (400, "a catalog cannot be read: open one of its entries")
    assert await sources.alice.refused(sources.alice.asks(found)) == wrong


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("unsafe", 400, "unsafe: lab.set_matrix may change something: say `safe: true` of it"),
        (
            "untold",
            400,
            "untold: lab.get_untold does not say whether it gives an array or a table: add `container`",
        ),
        ("gone", 404, "gone: the gate knows no method lab.get_nothing at present"),
        ("away", 404, "away: the gate knows no method missing.get at present"),
        ("broken", 502, "the result of lab.get_odd is no array of numbers"),
        ("mixed", 502, "lab.get_mixed: The column 'x' mixes values of several kinds"),
        ("torn", 502, "the table is no Arrow stream that can be read"),
        ("failing", 502, "lab.get_fail: it boomed"),
    ],
)
async def test_an_entry_that_cannot_be_read_says_why_and_whose_turn_it_is(sources, name, status, words):
    found, reason = await sources.alice.refused({"action": "open", "name": name})
    assert found == status
    assert words in reason


async def test_operators_see_which_entries_nobody_can_read(sources):
    warnings = sources.gate.status()["catalog"]["warnings"]
    told = sorted(one.split(":")[0] for one in warnings if one.startswith("source "))
    assert told == ["source away", "source gone", "source unsafe", "source untold"]


async def test_a_part_that_is_not_as_it_was_when_it_was_opened_is_never_passed_on(sources):
    opened = await sources.alice.open("changing")
    assert (await sources.alice.read(opened, [0, 0])).tolist() == [[1, 2], [3, 4]]
    status, reason = await sources.alice.refused(sources.alice.asks(opened, [1, 0]))
    assert status == 502
    assert (
        "lab.get_changing gave float64 [1, 3] for partition [1, 0] of changing and not <i8 [2, 2]" in reason
    )


@pytest.mark.parametrize(
    ("verb", "path", "status"),
    [
        ("PUT", "/v1/source", 405),
        ("POST", "/v1/info", 405),
        ("HEAD", "/v1/info", 405),
        ("GET", "/v1/info?page_size=many", 400),
        ("GET", "/v1/info?page_offset=-1", 400),
        ("GET", "/v1/info/", 404),
        ("GET", "", 404),
    ],
)
async def test_other_requests_are_refused_as_such(sources, verb, path, status):
    response, _ = await sources.alice.ask(verb, path)
    assert response.status == status


async def test_an_id_in_the_header_that_is_none_is_refused(sources):
    response, _ = await sources.alice.ask("GET", "/v1/info", source_id="root-[['a'], {}]")
    assert (response.status, response.reason) == (400, "unknown source id: open the entry again")


async def test_a_service_that_cannot_be_reached_is_a_502_and_its_entries_stay(sources):
    opened = await sources.alice.open("rows")
    await sources.stop()
    status, reason = await sources.alice.refused(sources.alice.asks(opened, 1))
    assert (status, "lab" in reason) == (502, True)
    assert "rows" in await sources.alice.names()


async def test_a_service_that_is_down_at_the_start_costs_its_own_entries_and_no_others(gate_of, token_for):
    """And the gate no start."""
    config = """\
    policies:
      - {to: ["group:lab"], allow: ["*"]}
    services:
      down: {dialect: jsonrpc, url: "http://127.0.0.1:1"}
    sources: {mount: /sources, entries: {away: {method: down.get, container: ndarray}}}
    """
    async with gate_of(config) as gate, aiohttp.ClientSession() as session:
        address = "http://{}:{}/sources".format(*gate.address)
        alice = Caller(session, address, token_for("alice", "lab"))
        assert await alice.names() == []
        status, reason = await alice.refused({"action": "open", "name": "away"})
        assert (status, reason) == (502, "service down has not told its methods yet: try again later")


async def test_the_catalog_may_stand_at_the_root_of_a_gate_without_services(gate_of, token_for):
    config = """\
    policies:
      - {to: ["group:lab"], allow: ["*"]}
    sources: {mount: /}
    """
    async with gate_of(config) as gate, aiohttp.ClientSession() as session:
        alice = Caller(session, "http://{}:{}".format(*gate.address), token_for("alice", "lab"))
        assert await alice.get("/v1/info") == {"version": "0.7.0", "sources": [], "length": 0, "metadata": {}}
        response, _ = await alice.ask("GET", "/-/whoami")
        assert response.status == 200


async def test_what_is_read_is_charged_as_every_call_is_and_whoever_had_enough_is_told_when_to_come(
    gate_of, token_for
):
    limited = CONFIG + "limits: {{per_principal: {{rate: 3/d, bytes: 1MB/d}}}}\n"
    async with source_lab(gate_of, token_for, limited) as lab:
        opened = await lab.alice.open("matrix")
        read = lab.alice.asks(opened)
        answers = [await lab.alice.posted(read) for _ in range(4)]
        statuses = [response.status for response, _ in answers]
        assert statuses[-1] == 429
        assert statuses == sorted(statuses)
        assert "caller" in answers[0][0].headers["RateLimit"]
        last = answers[-1][0]
        assert int(last.headers["Retry-After"]) > 0
        assert "calls more often than caller allows" in last.reason
        other = lab.caller(lab.token_for("bob", "lab"))
        assert (await other.open("matrix"))["source_id"]
