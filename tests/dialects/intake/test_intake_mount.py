"""What do callers of Intake's protocol get through the gate?"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np
import pytest

from gateway.demo.catalog.encoding import unpack


def as_array(answer: Any) -> Any:
    said = msgpack.unpackb(answer["data"])
    return np.frombuffer(said[b"data"], said[b"type"]).reshape(said[b"shape"])


def names(listed: Any) -> list[str]:
    return [one["name"] for one in listed["sources"]]


async def test_what_is_listed_opened_and_read_is_what_the_service_has(bench: Any) -> None:
    listed, caller = await bench.get("/v1/info"), bench.lab.caller()
    direct = caller.get("/v1/info")
    assert listed.keys() == direct.keys()
    assert names(listed) == names(direct)
    assert [listed[key] for key in ("version", "length", "metadata")] == [
        direct[key] for key in ("version", "length", "metadata")
    ]
    opened, straight = await bench.open("frames"), caller.open("frames")
    assert opened | {"source_id": 0} == straight | {"source_id": 0}
    block = as_array(await bench.read(opened, [1, 1, 0]))
    assert np.array_equal(block, caller.array(straight, [1, 1, 0]))
    lines = await bench.open("notes")
    assert await bench.read(lines, 0) == caller.read(caller.open("notes"), 0)
    table = await bench.open("runs")
    assert await bench.read(table, 3) == caller.read(caller.open("runs"), 3)


async def test_pages_are_of_one_snapshot_in_the_services_order(bench: Any) -> None:
    whole = await bench.get("/v1/info")
    bench.lab.forget()
    pages = [await bench.get(f"/v1/info?page_size=3&page_offset={at}") for at in range(0, 12, 3)]
    assert [name for page in pages for name in names(page)] == names(whole)
    assert {page["length"] for page in pages} == {whole["length"]}
    assert names(await bench.get("/v1/info?page_size=0")) == []
    assert bench.lab.asked("") == 0


async def test_a_get_has_a_strong_etag_and_who_holds_it_gets_a_304(bench: Any) -> None:
    for path in ("/v1/info?page_size=2", "/v1/source?name=frames"):
        response, body = await bench.ask("GET", path)
        tag = response.headers["Etag"]
        assert (tag[0], tag[-1]) == ('"', '"')
        again, nothing = await bench.ask("GET", path, If_None_Match=f'"other", {tag}')
        assert (again.status, nothing, again.headers["Etag"]) == (304, b"", tag)
        assert (await bench.ask("GET", path, If_None_Match='"other"'))[1] == body


async def test_the_second_reader_causes_no_question_to_the_service(bench: Any, token_for: Any) -> None:
    async def session(caller: Any) -> str:
        digest = hashlib.sha256()
        for name, part in (("frames", [0, 0, 0]), ("frames", [3, 1, 1]), ("notes", 0), ("runs", 2)):
            opened = await bench.post({"action": "open", "name": name}, caller=caller)
            asked = {"action": "read", "source_id": opened["source_id"], "accepted_formats": ["msgpack"]}
            digest.update((await bench.post(asked | {"partition": part}, caller=caller))["data"])
        return digest.hexdigest()

    first = await session(bench.caller())
    assert bench.lab.reads() == 4
    bench.lab.forget()
    assert await session(bench.caller(token=token_for("bob", "lab"))) == first
    assert bench.lab.asked("") == 0


async def test_one_entry_is_opened_without_a_list_of_all(bench: Any) -> None:
    bench.lab.forget()  # discovery asks for a page without entries
    await bench.read(await bench.open("notes"), 0)
    await bench.result("data.read", name="frames", partition=[0, 0, 0])
    assert bench.lab.asked("^list") == 0


async def test_equal_reads_at_once_are_one_read_of_the_service(bench: Any) -> None:
    opened = await bench.open("frames")
    with bench.lab.slow("^read ") as held:
        reads = [asyncio.create_task(bench.read(opened, [0, 0, 0])) for _ in range(5)]
        await asyncio.to_thread(held.arrived.wait, 30)
        held.release()
        found = await asyncio.gather(*reads)
    assert all(one == found[0] for one in found)
    assert bench.lab.reads() == 1


async def test_cache_status_tells_what_memory_did(bench: Any) -> None:
    opened = await bench.open("notes")
    asked = {
        "action": "read",
        "source_id": opened["source_id"],
        "accepted_formats": ["msgpack"],
        "partition": 0,
    }
    first, _ = await bench.posted(asked)
    again, _ = await bench.posted(asked)
    assert "fwd=miss" in first.headers["Cache-Status"]
    assert "; hit;" in again.headers["Cache-Status"]


async def test_parameters_left_out_are_the_defaults_spelled_out(bench: Any) -> None:
    short = await bench.open("by_sample")
    spelled = await bench.open("by_sample", sample="a", run=1)
    text = await bench.open("by_sample", run="1", sample="a")
    assert short["source_id"] == spelled["source_id"] == text["source_id"]
    other = await bench.open("by_sample", run=2)
    assert other["source_id"] != short["source_id"]
    for opened in (short, other):
        await bench.read(opened, [0, 0])
    assert bench.lab.reads("by_sample") == 2
    assert bench.lab.opens("by_sample") == 2


async def test_nested_catalogs_are_reached_by_their_id_and_by_dots(bench: Any) -> None:
    nested = await bench.open("detectors")
    assert nested["container"] == "catalog"
    listed = await bench.get("/v1/info", source_id=nested["source_id"])
    assert names(listed) == ["front", "back"]
    inner = await bench.open("front", nested["source_id"])
    dotted = await bench.open("detectors.front")
    assert np.array_equal(
        as_array(await bench.read(inner, [0, 0])), as_array(await bench.read(dotted, [0, 0]))
    )
    assert (await bench.get("/v1/source?name=back", source_id=nested["source_id"]))["source"][
        "name"
    ] == "back"


@pytest.mark.parametrize("text", ["detector", "Röntgen", "粒子", "{{ 6 * 7 }}", "x" * 3000])
async def test_a_search_is_for_any_text_and_its_id_fits_into_a_field(text: str, bench: Any) -> None:
    found = await bench.post({"action": "search", "query": [[text], {}]})
    assert found["source_id"].isascii()
    assert len(found["source_id"]) < 4096
    listed = await bench.get("/v1/info", source_id=found["source_id"])
    if text == "detector":
        assert names(listed) == names(
            bench.lab.caller().get(
                "/v1/info", source_id=bench.lab.caller().post("search", query=[[text], {}])["source_id"]
            )
        )
        again = await bench.post({"action": "search", "query": [["behind"], {}]}, found["source_id"])
        assert "detectors.back" in names(await bench.get("/v1/info", source_id=again["source_id"]))


async def test_a_search_that_no_header_field_can_hold_finds_what_another_would(bench: Any) -> None:
    entry = bench.lab.entry("notes")
    bench.lab.service.catalog.entries["notes"] = replace(entry, description="粒子 of the week")
    found = await bench.post({"action": "search", "query": [["粒子"], {}]})
    assert names(await bench.get("/v1/info", source_id=found["source_id"])) == ["notes"]
    opened = await bench.open("notes", found["source_id"])
    assert (await bench.read(opened, 0))["container"] == "python"


@pytest.mark.parametrize(
    ("accepted", "compression"),
    [
        (["snappy", "gzip", "none"], "none"),
        (["gzip"], "gzip"),
        (["zlib", "gzip"], "gzip"),
        (["zlib"], "none"),
        ([], "none"),
        (None, "none"),
    ],
)
async def test_the_encoding_is_msgpack_and_an_unknown_compression_means_none(
    accepted: Any, compression: str, bench: Any
) -> None:
    opened = await bench.open("notes")
    said = {} if accepted is None else {"accepted_compression": accepted}
    answer = await bench.read(opened, 0, accepted_formats=["pickle2", "msgpack", "pickle1"], **said)
    assert (answer["format"], answer["compression"]) == ("msgpack", compression)
    data = gzip.decompress(answer["data"]) if compression == "gzip" else answer["data"]
    assert unpack(data)[0].startswith("Mon 08:10")


async def test_where_data_lie_is_told_to_those_who_may_go_there(bench: Any) -> None:
    entries = {one["name"]: one for one in (await bench.get("/v1/info"))["sources"]}
    assert entries["frames"]["args"] == {}
    assert (await bench.get("/v1/source?name=frames"))["source"]["args"] == {}
    assert entries["calibration"]["args"] == {"urlpath": "/srv/lab/calibration.npy"}


async def test_direct_access_is_answered_as_the_entry_has_it(bench: Any) -> None:
    plugins = {"available_plugins": ["csv", "demo_calibration", "demo_raw"]}
    sent = await bench.post({"action": "open", "name": "calibration", **plugins})
    assert ("source_id" in sent, sent["args"]["urlpath"]) == (False, "/srv/lab/calibration.npy")
    through = await bench.open("calibration")
    assert as_array(await bench.read(through, [0, 0])).shape == (96, 128)
    forced = await bench.post({"action": "open", "name": "raw_files", **plugins})
    assert forced["plugin"] == ["demo_raw"]
    assert await bench.refused({"action": "open", "name": "raw_files"}) == (
        400,
        'client must have plugin "[\'demo_raw\']" to access source "raw_files"',
    )
    hidden = await bench.post({"action": "open", "name": "frames", "available_plugins": ["demo_blocks"]})
    assert "source_id" in hidden


async def test_answers_are_no_pages_that_a_browser_would_show(bench: Any) -> None:
    response, _ = await bench.ask("GET", "/v1/info")
    assert response.headers["Content-Type"] == "application/msgpack"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_all_else_below_the_mount_is_the_services(bench: Any) -> None:
    response, body = await bench.ask("GET", "/v1/other")
    straight, same = await asyncio.to_thread(bench.lab.caller().ask, "GET", "/v1/other")
    assert (response.status, response.reason, body) == (straight.status, straight.reason, same)
    assert response.headers["Server"] == straight.headers["Server"]
