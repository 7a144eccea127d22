"""What becomes of ids and of what is stored, when the service or the gate starts anew, changes, or is away?"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from gateway.demo.catalog.encoding import pack, unpack

SHORT = """\
    methods:
      "entries": {cache: {fresh: 0s, share: everyone}}
      "read": {cache: {fresh: 0.000001s, stale: 1h, share: everyone}}
"""


def as_array(answer: Any) -> Any:
    said = msgpack.unpackb(answer["data"])
    return np.frombuffer(said[b"data"], said[b"type"]).reshape(said[b"shape"])


async def test_ids_outlive_the_service_which_is_asked_to_open_once_more(bench: Any) -> None:
    frames, nested = await bench.open("frames"), await bench.open("detectors")
    inner = await bench.open("back", nested["source_id"])
    bench.lab.restart()
    bench.lab.forget()
    assert as_array(await bench.read(frames, [0, 0, 0])).shape == (3, 48, 64)
    assert as_array(await bench.read(inner, [0, 0])).shape == (32, 96)
    assert (bench.lab.opens("frames"), bench.lab.opens("detectors"), bench.lab.opens("detectors.back")) == (
        1,
        1,
        1,
    )
    listed = await bench.get("/v1/info", source_id=nested["source_id"])
    assert [one["name"] for one in listed["sources"]] == ["front", "back"]


async def test_ids_outlive_the_gate(gate_of: Any, token_for: Any, intake_lab: Any) -> None:
    config = """
policies: [{{to: [authenticated], allow: ["*", "/**"]}}]
services: {{data: {{dialect: intake, url: {url}, mount: /data}}}}
"""
    found, said = [], {"action": "open", "name": "notes"}
    with intake_lab.running() as lab:
        for _ in range(2):
            async with gate_of(config.format(url=lab.url)) as gate:
                fields = {"Authorization": f"Bearer {token_for('alice')}"}
                caller = intake_lab.Caller(gate.address[1], "/data", **fields)
                if said["action"] == "open":
                    _, body = await asyncio.to_thread(caller.ask, "POST", "/v1/source", pack(said))
                    said = {"action": "read", "source_id": unpack(body)["source_id"]}
                    said |= {"accepted_formats": ["msgpack"], "partition": 0}
                found.append((await asyncio.to_thread(caller.ask, "POST", "/v1/source", pack(said)))[1])
    assert unpack(found[0])["container"] == "python"
    assert found[0] == found[1]


async def test_a_read_that_the_service_fails_at_is_tried_once_more_only_if_its_ids_were_old(
    bench: Any,
) -> None:
    opened = await bench.open("frames")
    said = {
        "action": "read",
        "source_id": opened["source_id"],
        "accepted_formats": ["msgpack"],
        "partition": [0, 0, 0],
    }
    with bench.lab.failing("^read "):
        assert await bench.refused(said) == (500, "Internal Server Error")
    assert (bench.lab.reads(), bench.lab.opens()) == (2, 2)
    assert (await bench.post(said))["container"] == "ndarray"


async def test_partitions_of_another_schema_are_never_answered_for_those_of_a_new_one(bench: Any) -> None:
    opened = await bench.open("frames")
    before = as_array(await bench.read(opened, [0, 0, 0]))
    bench.lab.drift("frames")
    bench.lab.restart()
    after = await bench.read(opened, [1, 1, 1])
    assert as_array(after).dtype == np.float64
    again = as_array(await bench.read(opened, [0, 0, 0]))
    assert (before.dtype, again.dtype) == (np.uint16, np.float64)
    status, reason = await bench.refused(
        {
            "action": "read",
            "source_id": opened["source_id"],
            "accepted_formats": ["msgpack"],
            "partition": [3, 0, 0],
        }
    )
    assert (status, "out of range" in reason) == (400, True)


async def test_who_asks_for_nothing_older_gets_new_values(bench: Any) -> None:
    opened = await bench.open("frames")
    before = as_array(await bench.read(opened, [0, 0, 0]))
    bench.lab.change_values("frames")
    assert np.array_equal(as_array(await bench.read(opened, [0, 0, 0])), before)
    caller = bench.caller(Cache_Control="no-cache")
    said = {
        "action": "read",
        "source_id": opened["source_id"],
        "accepted_formats": ["msgpack"],
        "partition": [0, 0, 0],
    }
    after = await bench.post(said, caller=caller)
    assert np.array_equal(as_array(after), before + 1)
    assert np.array_equal(as_array(await bench.read(opened, [0, 0, 0])), before + 1)


async def test_what_was_read_is_answered_while_the_service_is_away_and_marked(bench_of: Any) -> None:
    bench = await bench_of(SHORT)
    opened = await bench.open("notes")
    said = {
        "action": "read",
        "source_id": opened["source_id"],
        "accepted_formats": ["msgpack"],
        "partition": 0,
    }
    before = await bench.post(said)
    with bench.lab.down():
        response, body = await bench.posted(said)
        assert (response.status, unpack(body)) == (200, before)
        assert "expired" in response.headers["Cache-Status"]
        status, reason = await bench.refused({"action": "open", "name": "frames"})
        assert (status, bool(reason)) == (502, True)
    bench.lab.forget()
    assert await bench.post(said) == before
    assert bench.lab.reads("notes") >= 1


async def test_a_purge_is_of_one_entry_or_of_all(bench: Any) -> None:
    sources = [(await bench.open("notes"), 0), (await bench.open("frames"), [0, 0, 0])]

    async def read_after(said: dict[str, str]) -> tuple[int, int]:
        for opened, part in sources:
            await bench.read(opened, part)
        bench.lab.forget()
        url = "http://{}:{}/-/cache/purge".format(*bench.gate.operator_address)
        async with bench.session.post(
            url, json=said, headers={"Authorization": f"Bearer {bench.token}"}
        ) as response:
            assert response.status == 200
        for opened, part in sources:
            await bench.read(opened, part)
        return bench.lab.reads("notes"), bench.lab.reads("frames")

    assert await read_after({"tag": "data:notes"}) == (1, 0)
    assert await read_after({"method": "data.read"}) == (1, 1)
    assert await read_after({"service": "data"}) == (1, 1)


async def test_a_stale_list_is_answered_at_once_while_one_refresh_is_under_way(bench_of: Any) -> None:
    bench = await bench_of(SHORT.replace("fresh: 0s", "fresh: 0.000001s, stale: 1h"))
    before = await bench.get("/v1/info")
    bench.lab.forget()
    with bench.lab.slow("^list$") as held:
        assert await bench.get("/v1/info") == before
        await asyncio.to_thread(held.arrived.wait, 30)
        assert await bench.get("/v1/info") == before
        held.release()
    assert bench.lab.asked("^list$") == 1


async def test_what_takes_too_long_to_renew_is_answered_as_it_was_and_renewed_for_the_next(
    bench_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.dialects.intake.asking.PATIENCE", 0.05)
    bench = await bench_of(SHORT)
    opened = await bench.open("notes")
    said = {
        "action": "read",
        "source_id": opened["source_id"],
        "accepted_formats": ["msgpack"],
        "partition": 0,
    }
    before = await bench.post(said)
    bench.lab.forget()
    with bench.lab.slow("^read ") as held:
        response, body = await bench.posted(said)
        assert (response.status, unpack(body)) == (200, before)
        assert "expired" in response.headers["Cache-Status"]
        await asyncio.to_thread(held.arrived.wait, 30)
        held.release()
    assert await bench.post(said) == before


async def test_another_gate_on_the_same_disk_reads_nothing_anew_for_ids_that_were_given_before(
    bench_of: Any, tmp_path: Path
) -> None:
    disk = f"cache: {{disk: {{size: 64MiB, path: {tmp_path / 'kept'}}}}}"
    first = await bench_of(disk)
    opened = await first.open("notes")
    before = await first.read(opened, 0)
    await first.gate.shelves.settle()
    second = await bench_of(disk, lab=first.lab)
    assert await second.read(opened, 0) == before
    assert first.lab.reads("notes") == 1
