"""The SDK's sources before a gate before a catalog server, line by line as a notebook has them."""

import asyncio
import copy
import inspect

import numpy as np
import pyarrow
import pytest

import labgate
from labgate.errors import InvalidParams

CONFIG = """\
policies: [{{to: ["group:lab"], allow: ["*", "/**"]}}]
services:
  data: {{dialect: intake, url: "{url}", mount: /data}}
"""


@pytest.fixture
def used(intake_lab, gate_of, token_for):
    """Runs a function with a client in a thread, while the gate runs here."""

    async def made(function):
        with intake_lab.running() as server:
            async with gate_of(CONFIG.format(url=server.url)) as gate:
                async with asyncio.timeout(20):
                    while any(one.down for one in gate.discovery.health().values()):
                        await asyncio.sleep(0.005)
                server.forget()
                url = "http://{}:{}".format(*gate.address)
                token = token_for("ada", "lab")
                wanted = len(inspect.signature(function).parameters)

                def run():
                    return function(*(labgate.connect(url, token=token), server)[:wanted])

                return await asyncio.to_thread(run)

    return made


async def test_a_table_comes_whole_by_partitions_and_its_second_reading_asks_nobody(used):
    def notebook(lab, server):
        runs = lab.data["runs"]
        assert (runs.name, runs.container, runs.npartitions) == ("runs", "dataframe", 4)
        assert runs.metadata == {"beamline": "7", "unit": "pixel"}
        assert runs.dtype["run"] == "int64"
        assert server.reads("runs") == 0
        expected = server.entry("runs").made().columns
        for _ in range(2):
            whole = runs.read()
            assert whole.num_rows == 1200
            assert (whole["run"].to_numpy() == expected["run"]).all()
            assert (whole["operator"].to_pylist() == expected["operator"]).all()
        assert server.reads("runs") == 4
        assert set(runs.read(partition=2)["run"].to_pylist()) == {103}
        assert pyarrow.concat_tables([*runs]).equals(whole)
        assert server.reads("runs") == 4
        with pytest.raises(InvalidParams, match="out of range: runs has 4 partitions"):
            runs.read(partition=4)

    await used(notebook)


async def test_an_array_comes_whole_by_its_blocks_or_block_by_block(used):
    def notebook(lab, server):
        frames = lab.data["frames"]
        assert (frames.shape, frames.dtype, frames.npartitions) == ((12, 96, 128), np.uint16, 16)
        assert frames.chunks == ((3, 3, 3, 3), (48, 48), (64, 64))
        expected = server.entry("frames").made().array
        whole = frames.read()
        assert (whole == expected).all()
        assert whole.dtype == np.uint16
        assert (frames.read(partition=(0, 1, 0)) == expected[:3, 48:, :64]).all()
        assert server.reads("frames") == 16
        assert (lab.data.read("frames") == expected).all()
        with pytest.raises(InvalidParams, match="out of range"):
            frames.read(partition=(0, 2, 0))
        calibration = lab.data["calibration"]
        assert (calibration.read() == server.entry("calibration").made().array).all()

    await used(notebook)


async def test_texts_are_lists_and_failing_entries_say_why(used):
    def notebook(lab):
        notes = lab.data["notes"].read()
        assert notes[0].startswith("Mon 08:10")
        assert len(notes) == 5
        with pytest.raises(labgate.Error, match="Input/output error"):
            lab.data["lost"]
        with pytest.raises(InvalidParams):
            lab.data["nothing"]

    await used(notebook)


async def test_nested_catalogs_list_and_give_their_entries(used):
    def notebook(lab, server):
        detectors = lab.data["detectors"]
        assert detectors.nested
        assert list(detectors) == ["front", "back"]
        assert "front" in detectors
        assert {"front", "back", "read"} <= {*dir(detectors)}
        back = server.entry("detectors").made().entries["back"].made().array
        for handle in (detectors["back"], detectors.back, lab.data["detectors.back"]):
            assert handle.name == "detectors.back"
            assert (handle.read() == back).all()
        assert (lab.data["detectors.back"].read(partition=1) == back[32:64]).all()
        with pytest.raises(TypeError, match="detectors is a catalog"):
            detectors.read()

    await used(notebook)


async def test_the_parameters_of_a_catalog_reach_what_is_in_it(used):
    def notebook(lab, server):
        server.add_rooms()
        rooms = lab.data["rooms"]
        assert list(rooms) == ["pressure", "deep", "only_a"]
        assert rooms.pressure.read().tolist() == [97] * 4
        other = rooms(room="b")
        assert list(other) == ["pressure", "deep", "only_b"]
        assert other.search("only").names == ["only_b"]
        assert other.search("Pressure")["only_b"].read().tolist() == [98] * 4
        for handle in (
            other["pressure"],
            other.deep["pressure"],
            other.deep.pressure(),
            copy.copy(other.pressure),
        ):
            assert handle.read().tolist() == [98] * 4
            assert handle.refresh().read(partition=0).tolist() == [98] * 4
        assert (other.deep.pressure.name, list(other.deep)) == ("rooms.deep.pressure", ["pressure"])
        assert rooms["pressure"].read().tolist() == [97] * 4
        with pytest.raises(InvalidParams, match="room"):
            rooms(room="c")
        with pytest.raises(InvalidParams, match=r"No such entry|no entry"):
            other["only_a"]

    await used(notebook)


async def test_parameters_are_given_by_calling_or_by_reading(used):
    def notebook(lab, server):
        curve = lab.data["by_sample"]
        assert [one["name"] for one in curve.parameters] == ["sample", "run", "day"]
        assert set(curve.arguments) == {"sample", "run", "day"}
        other = curve(sample="b")(run=np.int64(2))
        assert (other.arguments["sample"], other.arguments["run"]) == ("b", 2)
        read = other.read()
        assert read.shape == (200, 2)
        assert (curve.read(sample="b", run=2) == read).all()
        assert not (curve.read() == read).all()
        with pytest.raises(InvalidParams, match="sample"):
            curve(sample="z")
        with pytest.raises(InvalidParams, match="no parameter"):
            curve.read(urlpath="/etc/passwd")

    await used(notebook)


async def test_a_search_opens_what_it_finds_and_entries_come_in_pages(used):
    def notebook(lab, server):
        found = lab.data.search("behind")
        assert found["length"] == len(found.names)
        at = found.names.index("detectors.back")
        assert found[at].name == found["detectors.back"].name == "detectors.back"
        inner = lab.data["detectors"].search("behind")
        assert inner.names == ["back"]
        assert inner[0].name == "detectors.back"
        listed = [one["name"] for one in labgate.pages(lab.data.entries, page_size=2)]
        assert listed == [one["name"] for one in lab.data.entries()["entries"]]
        assert len(listed) == 8
        assert [one["name"] for one in labgate.pages(lab.data.entries, "detectors")] == ["front", "back"]
        assert lab.data["frames"].describe()["npartitions"] == 16

    await used(notebook)
