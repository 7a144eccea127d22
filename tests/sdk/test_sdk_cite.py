"""Is a result cited as what it is, and can a reader have it again?"""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

import labgate
from labgate._cite import content_of
from labgate.errors import SetupError
from tests.sdk.awaiting import Awaiting
from tests.sdk.conftest import TOKEN, Gate
from tests.sdk.shelf import Shelf
from tests.sdk.voxels import NODE, Voxels


@pytest.fixture
def lab(gate: Gate) -> Any:
    gate.add(
        "ids.roots",
        lambda params: {"roots": [params["node"], 2**60 + 1]},
        params=[{"name": "node", "required": True}, {"name": "limit"}],
        **{"x-labgate": {"safe": True}},
    )
    gate.add(
        "ids.image",
        lambda _: np.arange(6.0).reshape(2, 3),
        **{"x-labgate": {"safe": True, "result": "array"}},
    )
    return labgate.connect(gate.url)


def test_a_result_is_cited_with_all_that_a_reader_needs(lab: Any, gate: Gate) -> None:
    gate.reply_headers = {"Age": "3600"}
    found = lab.ids.roots("a1b2", limit=3)
    cited = labgate.cite(found)
    assert (cited.gate, cited.service, cited.method, cited.version) == (gate.url, "ids", "ids.roots", "a1b2")
    assert cited.parameters == {"node": "a1b2", "limit": 3}
    assert cited.sha256 == content_of(found)
    assert (cited.catalog, cited.request_id) == (gate.version, "r-1")
    assert re.fullmatch(r"20[0-9-]{8}T[0-9:]{8}\+00:00", cited.time)
    assert str(cited).startswith("ids.roots(node='a1b2', limit=3), at http://127.0.0.1")
    assert TOKEN not in cited.to_json()
    gate.reply_headers = {}
    again = labgate.cite(lab.ids.roots("a1b2", limit=3))
    assert again.time > cited.time  # the first answer was an hour old


def test_a_citation_is_read_back_and_runs_again(lab: Any, gate: Gate) -> None:
    cited = labgate.Citation.read(labgate.cite(lab.ids.roots("a1b2")).to_json())
    assert cited.again(lab) == {"roots": ["a1b2", 2**60 + 1]}
    assert cited.holds(lab)
    gate.answers["ids.roots"] = lambda _: {"roots": []}
    assert not cited.holds(lab)
    image = labgate.cite(lab.ids.image())
    assert labgate.Citation.read(image.to_json()) == image
    assert image.holds(lab)


def test_arguments_that_json_has_no_word_for_are_cited_too(lab: Any) -> None:
    result = lab.jobs.anything(mask=np.arange(3), key=b"x")
    cited = labgate.Citation.read(labgate.cite(result).to_json())
    assert cited.parameters["mask"].tolist() == [0, 1, 2]
    assert cited.parameters["key"] == b"x"
    assert cited.holds(lab)


def test_calls_of_a_batch_are_cited_each_as_its_own(lab: Any) -> None:
    with labgate.batch(lab) as together:
        one, other = together.ids.roots("a"), together.ids.roots("b")
    assert [labgate.cite(handle.result()).version for handle in (one, other)] == ["a", "b"]
    assert labgate.cite(other.result()).holds(lab)


def test_a_part_of_a_volume_is_cited_by_the_nodes_full_name_and_its_corners(gate: Gate) -> None:
    voxels = Voxels(gate, (np.arange(32**3) % 251).astype(np.uint8).reshape(32, 32, 32))
    lab = labgate.connect(gate.url)
    vol = lab.dvid.volume("a1", "grayscale")
    part, whole = vol[4:20, 0:8, 2:3], vol.read()
    cited = labgate.Citation.read(labgate.cite(part).to_json())
    assert (cited.method, cited.version, cited.part) == (
        "dvid.volume",
        NODE,
        {"start": [4, 0, 2], "stop": [20, 8, 3]},
    )
    assert cited.parameters == {"node": NODE, "instance": "grayscale"}
    assert "grayscale').read(start=[4, 0, 2], stop=[20, 8, 3])" in str(cited)
    assert np.array_equal(cited.again(lab), part)
    assert cited.holds(lab)
    assert labgate.cite(whole).holds(lab)
    voxels.array[5, 1, 2] ^= 255
    assert not cited.holds(lab)
    for unknown in (part[0], vol[::2], vol[3, :, :]):
        with pytest.raises(SetupError, match="not known"):
            labgate.cite(unknown)
    assert labgate.cite(vol).version == NODE
    with pytest.raises(SetupError, match="no content"):
        labgate.cite(vol).holds(lab)


def test_what_is_read_of_a_catalog_is_cited_by_its_entry_and_the_partition(gate: Gate) -> None:
    shelf = Shelf(gate)
    lab = labgate.connect(gate.url)
    block, table, some = (
        lab.data["frames"].read((2, 1)),
        lab.data["runs"].read(),
        lab.data["runs"].read(partition=np.int64(3)),
    )
    for result, entry, part in (
        (block, "frames", {"partition": [2, 1]}),
        (table, "runs", {}),
        (some, "runs", {"partition": 3}),
    ):
        cited = labgate.Citation.read(labgate.cite(result).to_json())
        assert cited.parameters["name"] == entry
        assert cited.part == part
        assert cited.holds(lab)
    assert "read(partition=3)" in str(labgate.cite(some))
    assert len(shelf.reads) > 20


def test_what_is_not_known_or_not_sure_is_not_cited(lab: Any, gate: Gate) -> None:
    found = lab.ids.roots("a")
    for unknown in ({**found}, None, object(), [1], np.arange(3)):
        with pytest.raises(SetupError, match="not known"):
            labgate.cite(unknown)
    gate.add("ids.count", lambda params: 7, params=[{"name": "of", "required": True}])
    labgate.refresh(lab)
    count = lab.ids.count("x")
    assert labgate.cite(count).parameters == {"of": "x"}
    lab.ids.count("y")
    with pytest.raises(SetupError, match="several calls"):
        labgate.cite(count)
    for _ in range(70):
        lab.jobs.list_lanes()
    with pytest.raises(SetupError, match="not known"):
        labgate.cite(found)
    with pytest.raises(SetupError, match="no citation"):
        labgate.Citation.read("{}")


def test_a_result_that_nobody_has_any_more_takes_no_memory(lab: Any, gate: Gate) -> None:
    import weakref

    image = lab.ids.image()
    seen = weakref.ref(image)
    del image
    assert seen() is None
    gate.add("ids.long", lambda _: ["x" * 1000] * 100)
    labgate.refresh(lab)
    with pytest.raises(SetupError, match="not known"):
        labgate.cite(lab.ids.long())


def test_one_content_has_one_hash_however_it_has_traveled() -> None:
    assert content_of({"a": 1, "b": (2,)}) == content_of({"b": [2], "a": 1})
    array = np.arange(6).reshape(2, 3)
    assert content_of(array) == content_of(np.asfortranarray(array))
    assert (
        len({content_of(one) for one in (array, array.T, array.ravel(), array.astype("i4"), array.tolist())})
        == 5
    )
    assert json.dumps(content_of(float("nan")))


def test_an_async_clients_results_are_cited_and_awaited_again(gate: Gate) -> None:
    gate.add("ids.roots", lambda params: params, params=[{"name": "node", "required": True}])
    awaiting = Awaiting()
    lab = awaiting.connect(gate.url)
    try:
        cited = labgate.cite(lab.ids.roots("a"))
        assert awaiting.run(lambda: cited.again(lab.target)) == {"node": "a"}
        assert awaiting.run(lambda: cited.holds(lab.target)) is True
    finally:
        awaiting.end()
