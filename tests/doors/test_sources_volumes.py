"""Is a volume an array in the gate's catalog, read in boxes by the method that reads it, from the blocks that all readers share?"""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager

import aiohttp
import numpy as np
import pytest
from source_labs import Caller, data_of, described

from gateway.demo.catalog.encoding import unpack

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
  - {{to: ["group:readers"], allow: ["dvid.read"]}}
services:
  dvid: {{dialect: dvid, url: "{url}", mount: /, nodes: {{prod: "{root}", newest: "{root}:master"}}}}
sources:
  mount: /sources
  entries:
    gray: {{method: dvid.read, params: {{node: prod, instance: gray}}, metadata: {{units: pixels, stain: none}}}}
    labels:
      method: dvid.volume
      params: {{node: prod}}
      user_parameters: {{instance: {{type: str, default: labels, allowed: [labels, gray]}}, scale: {{type: int, default: 0}}}}
    new: {{method: dvid.volume, params: {{node: newest, instance: gray}}}}
    cut: {{method: dvid.read, params: {{node: prod, instance: gray}}, partitions: {{blocks: {{chunks: [32, 32, 64]}}}}}}
    wrong: {{method: dvid.read, params: {{node: prod, instance: labels}}, partitions: {{boxes: {{shape: [64, 64, 128], chunks: [64, 64, 64], start: start, stop: stop, dtype: uint8}}}}}}
    keys: {{method: dvid.volume, params: {{node: prod, instance: keys}}}}
    box: {{method: dvid.read, params: {{node: prod, instance: gray, start: [0, 0, 0], stop: [2, 3, 4]}}, partitions: {{values: {{argument: scale, of: [0]}}}}}}
"""


@pytest.fixture
def volumes(dvid_lab, gate_of, token_for):
    """`async with volumes() as (alice, content, dvid, token_for)`: a small DVID at the root, and what it holds."""

    @asynccontextmanager
    async def made():
        content = dvid_lab.small()
        with dvid_lab.running(content.store) as server:
            text = CONFIG.format(url=server.url, root=content.root.uuid)
            async with gate_of(text) as gate, aiohttp.ClientSession() as session:
                await described(gate)
                address = "http://{}:{}/sources".format(*gate.address)
                yield Caller(session, address, token_for("alice", "lab")), content, server

    return made


async def test_the_method_that_reads_a_volume_is_described_by_the_one_beside_it(volumes):
    async with volumes() as (alice, content, _):
        opened = await alice.open("gray")
        assert (opened["dtype"], opened["shape"], opened["npartitions"]) == ("uint8", [40, 70, 100], 1)
        assert opened["metadata"] == {
            "axes": ["z", "y", "x"],
            "offset": [0, 0, 0],
            "resolution": [8.0, 8.0, 8.0],
            "units": "pixels",
            "stain": "none",
        }
        assert (await alice.read(opened, [0, 0, 0]) == content.gray).all()


async def test_a_cutout_is_sent_while_it_is_made_and_can_be_had_compressed(volumes):
    async with volumes() as (alice, content, _):
        opened = await alice.open("labels")
        assert (opened["dtype"], opened["shape"]) == ("uint64", [64, 64, 128])
        response, body = await alice.posted(alice.asks(opened))
        assert response.headers["Content-Length"] == str(len(body))
        assert (await alice.read(opened) == content.labels).all()
        packed = await alice.post(alice.asks(opened, accepted_compression=["gzip"]))
        assert (data_of(packed | {"data": gzip.decompress(packed["data"])}) == content.labels).all()


async def test_a_second_reader_of_a_locked_version_asks_the_service_nothing(volumes, token_for):
    async with volumes() as (alice, content, dvid):
        await alice.read(await alice.open("gray"))
        dvid.forget()
        bob = Caller(alice.session, alice.address, token_for("bob", "lab"))
        assert (await bob.read(await bob.open("gray")) == content.gray).all()
        assert not any("raw" in request.path or "blocks" in request.path for request in dvid.seen)


async def test_parts_may_be_chosen(volumes):
    async with volumes() as (alice, content, _):
        opened = await alice.open("cut")
        assert opened["chunks"] == [[32, 8], [32, 32, 6], [64, 36]]
        assert (await alice.read(opened, [1, 2, 1]) == content.gray[32:, 64:, 64:]).all()


async def test_parameters_choose_data_and_scale(volumes):
    async with volumes() as (alice, _, _):
        opened = await alice.open("labels", instance="gray")
        assert opened["dtype"] == "uint8"
        status, reason = await alice.refused({"action": "open", "name": "labels", "parameters": {"scale": 9}})
        assert (status, reason) == (502, "dvid.volume: the volume has no scale 9")
        status, _ = await alice.refused({"action": "open", "name": "labels", "parameters": {"instance": "x"}})
        assert status == 400


async def test_an_opened_source_stays_as_it_was_while_the_volume_grows(volumes):
    async with volumes() as (alice, content, dvid):
        opened = await alice.open("new")
        more = np.full((32, 32, 32), 7, np.uint8)
        path = f"/api/node/{content.open.uuid}/gray/raw/0_1_2/32_32_32/192_0_0"
        await asyncio.to_thread(dvid.ask, "POST", path, more.tobytes())
        assert (await alice.read(opened)).shape == (40, 70, 100)
        _, body = await alice.posted({"action": "open", "name": "new"}, Cache_Control="no-cache")
        assert unpack(body)["shape"] == [40, 70, 224]


async def test_who_may_not_ask_what_a_volume_is_may_not_open_it(volumes, token_for):
    async with volumes() as (alice, _, _):
        reader = Caller(alice.session, alice.address, token_for("rita", "readers"))
        assert await reader.names() == ["wrong", "box"]
        status, reason = await reader.refused({"action": "open", "name": "gray"})
        assert (status, "dvid.volume" in reason) == (403, True)


async def test_an_array_method_may_also_be_cut_by_hand(volumes):
    async with volumes() as (alice, content, _):
        opened = await alice.open("box")
        assert (opened["shape"], opened["dtype"]) == ([1, 2, 3, 4], "|u1")
        assert ((await alice.read(opened))[0] == content.gray[:2, :3, :4]).all()


async def test_an_array_of_another_type_than_the_settings_say_is_never_passed_on(volumes):
    async with volumes() as (alice, _, _):
        opened = await alice.open("wrong")
        assert (opened["dtype"], opened["npartitions"]) == ("uint8", 2)
        status, reason = await alice.refused(alice.asks(opened, [0, 0, 1]))
        assert status == 502
        assert "gave <u8 [64, 64, 64] for partition [0, 0, 1] of wrong and not uint8 [64, 64, 64]" in reason


async def test_what_has_no_voxels_says_so(volumes):
    async with volumes() as (alice, _, _):
        status, reason = await alice.refused({"action": "open", "name": "keys"})
        assert (status, reason) == (400, "'keys' is of the type keyvalue, and has no voxels.")


async def test_the_catalog_stands_before_a_service_at_the_root(volumes):
    async with volumes() as (alice, _, dvid):
        dvid.forget()
        assert "gray" in await alice.names()
        response, _ = await alice.ask("GET", "/v2/info")
        assert response.status == 404
        assert not dvid.seen
        other = Caller(alice.session, alice.address.removesuffix("/sources"), alice.token)
        response, _ = await other.ask("GET", "/api/server/info")
        assert response.status == 200
        assert [request.path for request in dvid.seen] == ["/api/server/info"]
