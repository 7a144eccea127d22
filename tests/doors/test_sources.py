"""Does the gate serve results of methods to Intake's clients, as tables and arrays, as their policies and caches have it?"""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from source_labs import ALL, CONFIG, LINES, MATRIX, RECORDS, ROWS, TISSUE, data_of, described

from gateway.core.intake.ids import SourceIds
from gateway.core.source_ids import OWN

# --- the catalog


async def test_the_catalog_lists_what_the_caller_may_read_in_the_order_of_the_file(sources):
    said = await sources.alice.get("/v1/info")
    assert [one["name"] for one in said["sources"]] == list(ALL)
    assert said["length"] == len(ALL)
    assert said["sources"][0] == {
        "name": "matrix",
        "container": "ndarray",
        "plugin": ["labgate"],
        "driver": ["labgate"],
        "description": "A matrix of twelve numbers",
        "direct_access": "forbid",
        "user_parameters": [],
        "metadata": {"unit": "volt"},
        "args": {},
    }
    assert await sources.alice.get("/v1/source?name=typed") == {"source": said["sources"][8]}
    assert said["sources"][8]["container"] == "dataframe"


async def test_what_a_caller_may_not_call_is_absent_and_refused(sources):
    assert await sources.gwen.names() == ["matrix", "chosen"]
    for said in ({"action": "open", "name": "rows"}, sources.alice.asks(await sources.alice.open("rows"), 0)):
        status, reason = await sources.gwen.refused(said)
        assert status == 403
        assert "'gwen' may not call 'lab.get_rows'" in reason
    for name in ("rows", "unsafe"):  # nor is anything else said of its method
        response, _ = await sources.gwen.ask("GET", f"/v1/source?name={name}")
        assert response.status == 403
    before = sources.service.calls.copy()
    await sources.gwen.refused({"action": "open", "name": "plates"})
    assert sources.service.calls == before


async def test_a_list_comes_in_pages_and_says_whether_it_is_still_the_same(sources):
    alice = sources.alice
    assert await alice.names("?page_size=3&page_offset=2") == list(ALL[2:5])
    assert await alice.names("?page_size=3&page_offset=99") == []
    response, _ = await alice.ask("GET", "/v1/info?page_size=3")
    again, body = await alice.ask("GET", "/v1/info?page_size=3", If_None_Match=response.headers["ETag"])
    assert (again.status, body) == (304, b"")
    other, _ = await alice.ask("GET", "/v1/info", If_None_Match=response.headers["ETag"])
    assert other.status == 200


async def test_a_search_is_a_catalog_of_what_it_finds(sources):
    alice = sources.alice
    found = (await alice.post({"action": "search", "query": [["twelve"], {}]}))["source_id"]
    assert await alice.names(source_id=found) == ["matrix"]
    both = (await alice.post({"action": "search", "query": [["matrix volt"], {}]}, source_id=found))[
        "source_id"
    ]
    assert await alice.names(source_id=both) == ["matrix"]
    none = (await alice.post({"action": "search", "query": [["粒子"], {}]}))["source_id"]
    assert await alice.names(source_id=none) == []
    assert (await alice.post({"action": "open", "name": "matrix"}, source_id=found))["shape"] == [3, 4]
    assert await alice.refused({"action": "open", "name": "rows"}, source_id=found) == (404, "No such entry")
    opened = await alice.open("matrix")
    response, _ = await alice.ask("GET", "/v1/info", source_id=opened["source_id"])
    assert (response.status, response.reason) == (400, "matrix is no catalog")


async def test_the_catalog_is_also_where_the_client_looks_that_replaces_a_word_too_often(sources):
    other = sources.caller(sources.alice.token, "/lab/http")
    assert await other.names() == list(ALL)
    response, _ = await sources.caller(sources.alice.token, "/lab/ftp").ask("GET", "/v1/info")
    assert response.status == 404


async def test_the_catalog_may_stand_below_the_mount_of_a_service(sources):
    """Also for those who were let pass to the service by the same header lines before."""
    called = b'{"jsonrpc": "2.0", "id": 1, "method": "get_matrix"}'
    other = sources.caller(sources.alice.token, "/lab")
    for _ in range(3):
        response, _ = await other.ask("GET", "/intake/v1/info")
        assert response.headers["Content-Type"] == "application/msgpack"
        response, body = await other.ask("POST", "/api", called, Content_Type="application/json")
        assert (response.status, b'"result"' in body) == (200, True)
        response, _ = await other.ask("GET", "/elsewhere")
        assert (response.status, "Labgate-Catalog" in response.headers) == (404, True)


# --- arrays


async def test_a_result_that_is_not_cut_is_one_partition(sources):
    opened = await sources.alice.open("matrix")
    assert {
        name: opened[name] for name in ("container", "dtype", "shape", "chunks", "npartitions", "metadata")
    } == {
        "container": "ndarray",
        "dtype": "<i8",
        "shape": [3, 4],
        "chunks": [[3], [4]],
        "npartitions": 1,
        "metadata": {"unit": "volt"},
    }
    for partition in (None, 0, [0, 0]):
        assert (await sources.alice.read(opened, partition) == MATRIX).all()


async def test_boxes_are_asked_for_by_their_corner_and_size_in_the_methods_own_order(sources):
    opened = await sources.alice.open("tissue")
    assert (opened["dtype"], opened["npartitions"]) == ("|u1", 4)
    assert opened["chunks"] == [[4, 2], [5], [3, 1]]
    found = np.block([[[await sources.alice.read(opened, [z, 0, x]) for x in (0, 1)]] for z in (0, 1)])
    assert (found == TISSUE).all()
    assert sources.service.asked[-1] == {"name": "tissue", "offset": [33, 20, 14], "size": [1, 5, 2]}


async def test_rows_of_an_array_are_its_first_axis(sources):
    opened = await sources.alice.open("lines")
    assert (opened["shape"], opened["chunks"]) == ([10, 3], [[4, 4, 2], [3]])
    parts = [await sources.alice.read(opened, [at, 0]) for at in range(3)]
    assert (np.concatenate(parts) == LINES).all()
    assert sources.service.asked[-1] == {"offset": 8, "limit": 2}


async def test_arrays_of_several_values_are_stacked(sources):
    opened = await sources.alice.open("images")
    assert (opened["shape"], opened["chunks"], opened["npartitions"]) == ([3, 2, 2], [[1, 1, 1], [2], [2]], 3)
    assert (await sources.alice.read(opened, [1, 0, 0])).tolist() == [[[98, 98], [98, 98]]]


async def test_records_and_single_numbers_are_arrays(sources):
    records = await sources.alice.open("records")
    assert records["dtype"] == [["id", "<i4"], ["x", "<f8"]]
    assert (await sources.alice.read(records)).tolist() == RECORDS.tolist()
    number = await sources.alice.open("number")
    assert (number["shape"], number["chunks"], number["npartitions"]) == ([], [], 1)
    for partition in (None, []):
        assert await sources.alice.read(number, partition) == 42


# --- tables


@pytest.mark.parametrize("name", ["rows", "counted", "paged"])
async def test_a_table_comes_page_by_page(sources, name):
    opened = await sources.alice.open(name)
    assert (opened["npartitions"], opened["shape"]) == (3, [None, 3])
    assert opened["dtype"] == {"id": "int64", "name": "object", "size": "float64"}
    rows = [row for at in range(3) for row in await sources.alice.read(opened, at)]
    assert rows == ROWS
    assert "chunks" not in opened


async def test_a_table_of_several_values_has_a_partition_for_each(sources):
    opened = await sources.alice.open("plates")
    assert opened["npartitions"] == 2
    assert await sources.alice.read(opened, 1) == [{"plate": 2, "well": "A1"}, {"plate": 2, "well": "A2"}]


async def test_a_table_that_is_an_arrow_stream_already_passes_as_it_is(sources):
    opened = await sources.alice.open("typed")
    assert opened["dtype"] == {"n": "int16", "s": "object"}
    assert await sources.alice.read(opened) == [{"n": 1, "s": "x"}, {"n": 2, "s": None}]


# --- parameters


async def test_parameters_are_the_declared_ones_under_the_methods_names(sources):
    listed = {one["name"]: one for one in (await sources.alice.get("/v1/info"))["sources"]}["chosen"]
    assert listed["user_parameters"][0] == {
        "name": "times",
        "description": "What it is multiplied with",
        "type": "int",
        "default": 1,
        "min": 1,
        "max": 9,
    }
    opened = await sources.alice.open("chosen", times=3)
    assert (await sources.alice.read(opened) == MATRIX * 3).all()
    assert sources.service.asked[-1] == {"factor": 3, "day": "2024-05-01T00:00:00"}
    for wrong in ({"times": 10}, {"times": "many"}, {"factor": 2}, {"name": "x"}):
        status, reason = await sources.alice.refused(
            {"action": "open", "name": "chosen", "parameters": wrong}
        )
        assert status == 400
        assert next(iter(wrong)) in reason


# --- one relay


async def test_reads_are_calls_of_the_caller_and_share_what_the_relay_has(sources):
    alice, service = sources.alice, sources.service
    opened = await alice.open("matrix")
    first, _ = await alice.posted(alice.asks(opened))
    await sources.gwen.read(await sources.gwen.open("matrix"))
    assert service.calls["get_matrix"] == 1
    assert first.headers["Cache-Status"].startswith("labgate; hit")
    url = f"{sources.address}/rpc/lab.get_matrix"
    async with sources.session.get(url, headers={"Authorization": f"Bearer {alice.token}"}) as answer:
        assert answer.headers["Cache-Status"].startswith("labgate; hit")


async def test_calls_for_an_entry_count_as_those_of_its_method(sources):
    opened = await sources.alice.open("matrix")
    await sources.alice.read(opened)
    await sources.alice.refused({"action": "open", "name": "failing"})
    counted = sources.gate.status()["cache"]["by_method"]
    calls = {name: {how: n for how, n in one["calls"].items() if n} for name, one in counted.items()}
    assert calls == {"lab.get_matrix": {"miss": 1, "hit": 1}, "lab.get_fail": {"failed": 1}}


async def test_what_has_no_rule_is_not_kept_here_either(sources):
    opened = await sources.alice.open("fleeting")
    for _ in range(3):
        await sources.alice.read(opened)
    assert sources.service.calls["now"] == 4
    response, _ = await sources.alice.posted(sources.alice.asks(opened))
    assert response.headers["Cache-Status"] == 'labgate; fwd=miss; detail="no rule"'
    assert response.headers["Cache-Control"] == "no-store"


async def test_a_caller_who_wants_it_fresh_gets_it_fresh(sources):
    opened = await sources.alice.open("matrix")
    await sources.alice.posted(sources.alice.asks(opened), Cache_Control="no-cache")
    assert sources.service.calls["get_matrix"] == 2


async def test_ids_outlive_the_process_and_are_of_one_secret(sources, gate_of, token_for):
    opened = await sources.alice.open("tissue")
    text = CONFIG.format(url=sources.service.url)
    async with gate_of(text) as second:
        await described(second)
        caller = sources.alice.__class__(
            sources.session, "http://{}:{}/lab/intake".format(*second.address), sources.alice.token
        )
        assert (await caller.read(opened, [0, 0, 0]) == TISSUE[:4, :, :3]).all()
    moved = text.replace("size: 4, start", "size: 5, start")
    rows = await sources.alice.open("rows")
    async with gate_of(moved) as third:
        await described(third)
        caller.address = "http://{}:{}/lab/intake".format(*third.address)
        status, reason = await caller.refused(caller.asks(rows, 0))
        assert (status, reason.partition(":")[0]) == (410, "rows is read in another way since it was opened")


async def test_ids_of_another_gate_or_another_catalog_are_unknown(sources):
    opened = await sources.alice.open("matrix")
    own = SourceIds(sources.gate.local.id)
    chain = own.read(OWN, opened["source_id"])
    assert own.made(OWN, chain) == opened["source_id"]
    for forged in (SourceIds(b"another").made(OWN, chain), own.made("lab", chain)):
        unknown = (400, "unknown source id: open the entry again")
        assert await sources.alice.refused(sources.alice.asks({"source_id": forged})) == unknown


# --- forms


async def test_the_answer_is_compressed_for_those_who_take_nothing_else(sources):
    opened = await sources.alice.open("matrix")
    answer = await sources.alice.post(sources.alice.asks(opened, accepted_compression=["gzip"]))
    assert answer["compression"] == "gzip"
    assert (data_of(answer | {"data": gzip.decompress(answer["data"])}) == MATRIX).all()
    both = await sources.alice.post(sources.alice.asks(opened, accepted_compression=["gzip", "none"]))
    assert both["compression"] == "none"
    rows = await sources.alice.open("rows")
    table = await sources.alice.post(sources.alice.asks(rows, 2, accepted_compression=["gzip"]))
    assert data_of(table | {"data": gzip.decompress(table["data"])}) == ROWS[8:]


async def test_nobody_is_given_a_pickle(sources):
    opened = await sources.alice.open("matrix")
    status, reason = await sources.alice.refused(
        sources.alice.asks(opened, accepted_formats=["pickle2", "pickle1"])
    )
    assert (status, "install msgpack-numpy and pyarrow" in reason) == (400, True)


# --- who comes


async def test_the_clients_own_secret_is_the_gates_token(sources):
    caller = sources.caller(None)
    secret = {"intake_secret": sources.alice.token}
    assert await caller.names(**secret) == list(ALL)
    assert (await caller.post({"action": "open", "name": "matrix"}, **secret))["shape"] == [3, 4]


@pytest.mark.parametrize("token", [None, "nobody's"])
async def test_who_is_not_known_is_refused_in_the_words_of_the_protocol(sources, token):
    caller = sources.caller(token)
    opened = await sources.alice.open("matrix")
    for verb, path, body in (("GET", "/v1/info", None), ("GET", "/v1/source?name=matrix", None)):
        response, text = await caller.ask(verb, path, body)
        assert (response.status, text[:18]) == (403, b"<html><title>403: ")
        assert "oken" in response.reason
    for said in (
        {"action": "open", "name": "matrix"},
        {"action": "search", "query": [["a"], {}]},
        caller.asks(opened),
    ):
        assert (await caller.refused(said))[0] == 403


async def test_the_operators_port_has_no_sources(sources):
    url = "http://{}:{}/lab/intake/v1/info".format(*sources.gate.operator_address)
    async with sources.session.get(url, headers={"Authorization": f"Bearer {sources.alice.token}"}) as answer:
        assert answer.status == 404
