"""What are the methods of a catalog server, and what do they give?"""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import aiohttp
import msgpack
import numpy as np
import pyarrow
import pyarrow.csv
import pytest


def as_array(result: Any) -> Any:
    said = result["$ndarray"]
    return np.frombuffer(base64.b64decode(said["base64"]), said["dtype"]).reshape(said["shape"])


async def test_a_service_makes_five_methods_whatever_it_holds(bench: Any) -> None:
    document = await bench.result("rpc.discover")
    found = {one["name"]: one["x-labgate"] for one in document["methods"] if one["name"].startswith("data.")}
    assert sorted(found) == ["data.describe", "data.entries", "data.read", "data.search", "data.source"]
    assert (found["data.source"]["result"], found["data.source"]["item"]) == ("source", True)
    assert found["data.entries"]["page"] == {"size": "page_size", "offset": "page_offset", "items": "entries"}
    assert found["data.read"]["result"] == "table"
    assert all(one["safe"] for one in found.values())


async def test_entries_come_in_pages_and_of_nested_catalogs_too(bench: Any) -> None:
    whole = await bench.result("data.entries")
    page = await bench.result("data.entries", page_size=2, page_offset=1)
    assert page["entries"] == whole["entries"][1:3]
    assert (page["length"], page["metadata"]) == (len(whole["entries"]), {"lab": "demo", "week": 42})
    nested = await bench.result("data.entries", catalog="detectors")
    assert [one["name"] for one in nested["entries"]] == ["front", "back"]
    assert (await bench.call("data.entries", catalog="notes"))["error"]["code"] == -32602
    assert (await bench.call("data.entries", page_size=-1))["error"]["code"] == -32602


async def test_an_entry_is_described_without_where_its_data_lie(bench: Any) -> None:
    said = await bench.result("data.describe", name="frames")
    assert (said["name"], said["container"], said["args"]) == ("frames", "ndarray", {})
    moment = (await bench.result("data.describe", name="by_sample"))["user_parameters"][2]
    assert moment["default"] == "2024-05-01T00:00:00"
    error = (await bench.call("data.describe", name="nothing"))["error"]
    assert (error["code"], error["data"]["fault"]) == (-32602, "InvalidParams")


async def test_a_search_finds_entries(bench: Any) -> None:
    found = await bench.result("data.search", query="behind")
    assert "detectors.back" in [one["name"] for one in found["entries"]]


async def test_a_source_is_told_with_its_schema(bench: Any) -> None:
    said = await bench.result("data.source", name="frames")
    assert (said["container"], said["shape"], said["npartitions"]) == ("ndarray", [12, 96, 128], 16)
    assert (said["nested"], said["parameters"], said["arguments"]) == (False, [], {})
    curve = await bench.result("data.source", name="by_sample", run="2")
    assert curve["arguments"] == {"sample": "a", "run": 2, "day": "2024-05-01T00:00:00"}
    nested = await bench.result("data.source", name="detectors")
    assert (nested["container"], nested["nested"]) == ("catalog", True)
    dotted = await bench.result("data.source", name="detectors.back")
    assert dotted["shape"] == [96, 96]


async def test_parameters_stand_in_an_object_or_beside_the_name(bench: Any) -> None:
    one = await bench.result("data.read", name="by_sample", sample="b", run=2, day="2024-06-07")
    other = await bench.result(
        "data.read", name="by_sample", parameters={"sample": "b", "run": 2, "day": "2024-06-07"}
    )
    assert one == other
    assert bench.lab.reads("by_sample") == 1
    for wrong in ({"sample": "z"}, {"colour": "red"}, {"sample": "{{ 1 }}"}, {"urlpath": "/etc/passwd"}):
        assert (await bench.call("data.read", name="by_sample", **wrong))["error"]["code"] == -32602
    assert (await bench.call("data.read"))["error"]["code"] == -32602
    assert (await bench.call("data.read", name="by_sample", parameters=[1]))["error"]["code"] == -32602


async def test_catalogs_with_parameters_lead_to_what_is_within(bench: Any) -> None:
    bench.lab.add_rooms()
    within = [{"name": "rooms", "parameters": {"room": "b"}}, {"name": "deep"}]
    told = await bench.result("data.source", name="pressure", within=within)
    assert (told["name"], told["within"], told["shape"]) == ("pressure", within, [4])
    found = [as_array(await bench.result("data.read", name="pressure", within=within)) for _ in range(2)]
    assert [one.tolist() for one in found] == [[98] * 4] * 2
    assert bench.lab.reads("rooms.deep.pressure") == 1
    listed = await bench.result("data.entries", within=within[:1])
    assert [one["name"] for one in listed["entries"]] == ["pressure", "deep", "only_b"]
    assert (await bench.result("data.entries", within=within[:1], catalog="deep"))["length"] == 1
    assert (await bench.result("data.describe", name="only_b", within=within[:1]))["container"] == "ndarray"
    assert (await bench.result("data.search", query="pressure", within=within))["length"] == 1
    for wrong, why in (
        ([{"name": "rooms", "parameters": {"room": "{{ 1 }}"}}], "templates"),
        ([{"name": "rooms", "parameters": {"path": "/etc"}}], "no parameter"),
        ([{"name": "notes"}], "is no catalog"),
        ([{}], "'name' is missing"),
        ([{"name": 3}], "'name' is the name of an entry: a text"),
        ([{"name": ""}], "'name' is the name of an entry: a text"),
        ("rooms", "must be a list"),
    ):
        error = (await bench.call("data.read", name="pressure", within=wrong))["error"]
        assert (error["code"], why in error["message"]) == (-32602, True), error


async def test_a_table_is_an_arrow_stream(bench: Any) -> None:
    result = await bench.result("data.read", name="runs", partition=1)
    table = pyarrow.ipc.open_stream(base64.b64decode(result["$binary"]["base64"])).read_all()
    assert (table.num_rows, table.column_names[0]) == (300, "run")
    error = (await bench.call("data.read", name="runs"))["error"]
    assert (error["code"], "4 partitions" in error["message"]) == (-32602, True)


async def test_a_text_is_json_and_its_partitions_are_joined(bench: Any) -> None:
    assert (await bench.result("data.read", name="notes"))[0].startswith("Mon 08:10")
    assert await bench.result("data.read", name="notes", partition=0) == await bench.result(
        "data.read", name="notes"
    )


async def test_an_array_is_a_block_or_the_whole_made_of_its_blocks(bench: Any) -> None:
    whole = as_array(await bench.result("data.read", name="frames"))
    expected = bench.lab.entry("frames").made().array
    assert np.array_equal(whole, expected)
    block = as_array(await bench.result("data.read", name="frames", partition=[1, 0, 1]))
    assert np.array_equal(block, expected[3:6, :48, 64:])
    assert bench.lab.reads("frames") == 16


async def test_an_array_is_a_numpy_file_at_its_plain_address(bench: Any) -> None:
    url = f"http://127.0.0.1:{bench.port}/rpc/data.read?name=frames&format=npy"
    fields = {"Authorization": f"Bearer {bench.token}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=fields) as response:
        found = np.load(io.BytesIO(await response.read()))
    assert np.array_equal(found, bench.lab.entry("frames").made().array)


async def test_an_array_of_one_block_has_the_shape_that_its_source_says_though_its_service_says_another(
    bench: Any,
) -> None:
    source = await bench.open("by_sample")
    said = msgpack.unpackb((await bench.read(source))["data"])
    assert said[b"shape"] == [1, 200, 2]
    told = await bench.result("data.source", name="by_sample")
    assert list(as_array(await bench.result("data.read", name="by_sample")).shape) == told["shape"]


async def test_a_batch_of_partitions_loses_none_to_one_that_fails(bench: Any) -> None:
    calls = [
        {"jsonrpc": "2.0", "id": at, "method": "data.read", "params": {"name": "runs", "partition": at}}
        for at in (0, 9, 1)
    ]
    fields = {"Authorization": f"Bearer {bench.token}"}
    url = f"http://127.0.0.1:{bench.port}/rpc"
    async with bench.session.post(url, json=calls, headers=fields) as response:
        first, failed, last = await response.json()
    assert (first["id"], failed["id"], last["id"]) == (0, 9, 1)
    assert ("result" in first, failed["error"]["code"], "result" in last) == (True, -32602, True)


async def test_what_the_mount_has_read_a_method_need_not_read_again(bench: Any) -> None:
    opened = await bench.open("frames")
    await bench.read(opened, [0, 0, 0])
    bench.lab.forget()
    await bench.result("data.read", name="frames", partition=[0, 0, 0])
    assert bench.lab.asked("") == 0


async def test_a_driver_that_fails_is_an_error_with_its_reason(bench: Any) -> None:
    error = (await bench.call("data.source", name="lost"))["error"]
    assert (error["data"]["status"], "Input/output error" in error["message"]) == (400, True)


async def test_an_entry_that_is_not_there_is_named_and_so_is_the_method_that_lists_those_that_are(
    bench: Any,
) -> None:
    for method in ("data.source", "data.describe", "data.read"):
        error = (await bench.call(method, name="nothing"))["error"]
        assert (error["code"], "`nothing`" in error["message"], "data.entries" in error["message"]) == (
            -32602,
            True,
            True,
        )


async def test_who_may_not_call_a_method_is_refused(bench: Any) -> None:
    error = (await bench.call("data.read", name="notes", _token=bench.guest))["error"]
    assert error["code"] == -32002


@pytest.mark.parametrize("dialect", ["auto", "intake"])
async def test_a_catalog_server_is_found_by_asking(dialect: str, bench_of: Any) -> None:
    config = """
policies: [{{to: ["group:lab"], allow: ["*"]}}]
services: {{data: {{dialect: DIALECT, url: {url}}}}}
"""
    bench = await bench_of(config=config.replace("DIALECT", dialect))
    assert (await bench.result("data.entries", page_size=1))["entries"][0]["name"] == "runs"


async def test_a_table_is_the_same_bytes_in_every_form_and_is_kept_by_its_tag(bench: Any) -> None:
    fields = {"Authorization": f"Bearer {bench.token}"}
    url = f"http://127.0.0.1:{bench.port}/rpc"
    forms = {}
    for form in ("arrow", "bytes", "json"):
        address = f"{url}/data.read?name=runs&partition=1&format={form}"
        async with bench.session.get(address, headers=fields) as response:
            forms[form], tag = await response.read(), response.headers["ETag"]
            assert response.status == 200, form
        async with bench.session.get(address, headers={**fields, "If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
    asked = {"jsonrpc": "2.0", "id": 7, "method": "data.read", "params": {"name": "runs", "partition": 1}}
    kind = {"Content-Type": "application/msgpack"}
    async with bench.session.post(url, data=msgpack.packb([asked, asked]), headers=fields | kind) as response:
        answers = msgpack.unpackb(await response.read())
    assert [one["result"] for one in answers] == [forms["arrow"], forms["arrow"]]
    assert forms["bytes"] == forms["arrow"]
    assert base64.b64decode(json.loads(forms["json"])["$binary"]["base64"]) == forms["arrow"]
    assert bench.lab.reads("runs") == 1


async def test_what_is_no_table_is_refused_in_the_form_of_one(bench: Any) -> None:
    fields = {"Authorization": f"Bearer {bench.token}"}
    url = f"http://127.0.0.1:{bench.port}/rpc/data.read?name=runs&partition=1&format=npy"
    async with bench.session.get(url, headers=fields) as response:
        assert (response.status, "no array" in await response.text()) == (406, True)


@pytest.mark.parametrize("form", ["arrow", "csv"])
async def test_a_table_is_an_arrow_stream_or_csv_at_its_plain_address(form: str, bench: Any) -> None:
    url = f"http://127.0.0.1:{bench.port}/rpc/data.read?name=runs&partition=1&format={form}"
    async with bench.session.get(url, headers={"Authorization": f"Bearer {bench.token}"}) as response:
        body = await response.read()
        assert response.status == 200
    table = (
        pyarrow.ipc.open_stream(body).read_all()
        if form == "arrow"
        else pyarrow.csv.read_csv(io.BytesIO(body))
    )
    assert (table.num_rows, table.column("run")[0].as_py()) == (300, 102)
