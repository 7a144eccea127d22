"""Can what a catalog server has be an entry of the gate's own catalog, in whichever form its results come?"""

from __future__ import annotations

from contextlib import asynccontextmanager

import aiohttp
import pytest
from source_labs import Caller, described

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["data.read"]}}
services:
  data: {{dialect: intake, url: "{url}"}}
sources:
  mount: /sources
  entries:
    runs: {{method: data.read, params: {{name: runs}}, partitions: {{values: {{argument: partition, of: [0, 1]}}}}}}
    frames: {{method: data.read, params: {{name: frames}}, container: ndarray}}
    table: {{method: data.read, params: {{name: frames}}}}
    array: {{method: data.read, params: {{name: runs, partition: 0}}, container: ndarray}}
"""


@pytest.fixture
def catalog(intake_lab, gate_of, token_for):
    """`async with catalog() as (alice, lab)`: a catalog server behind the gate's own."""

    @asynccontextmanager
    async def made():
        with intake_lab.running() as lab:
            async with gate_of(CONFIG.format(url=lab.url)) as gate, aiohttp.ClientSession() as session:
                await described(gate)
                address = "http://{}:{}/sources".format(*gate.address)
                yield Caller(session, address, token_for("alice", "lab")), lab

    return made


async def test_a_table_of_a_catalog_server_is_a_table_of_the_gates(catalog):
    async with catalog() as (alice, lab):
        opened = await alice.open("runs")
        assert (opened["container"], opened["npartitions"]) == ("dataframe", 2)
        rows = [row for at in (0, 1) for row in await alice.read(opened, at)]
        assert set(rows[0]) == set(opened["dtype"])
        assert lab.reads("runs") == 2


async def test_an_array_of_a_catalog_server_is_an_array_of_the_gates(catalog):
    async with catalog() as (alice, lab):
        opened = await alice.open("frames")
        expected = lab.entry("frames").made().array
        assert opened["shape"] == list(expected.shape)
        assert (await alice.read(opened) == expected).all()


async def test_an_array_is_no_table_and_a_table_no_array(catalog):
    async with catalog() as (alice, _):
        for name, thing in (("table", "is an array, and no table"), ("array", "is no array of numbers")):
            status, reason = await alice.refused({"action": "open", "name": name})
            assert status == 502
            assert reason == f"the result of data.read {thing}"
