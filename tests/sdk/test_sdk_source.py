"""Does a source say what it consists of, and is what is read what the gate's method answers?"""

from __future__ import annotations

import pickle  # noqa: TID251 - the law is that users can pickle what this package gives them
from typing import Any

import numpy as np
import pytest

import labgate
from labgate._source import Source
from labgate.errors import BadReply, InvalidParams, NotFound
from tests.sdk.conftest import Gate, ScriptedError

ARRAY = np.arange(60, dtype="<u2").reshape(5, 12)
ABOUT = {
    "name": "frames",
    "container": "ndarray",
    "nested": False,
    "shape": [5, 12],
    "dtype": "uint16",
    "chunks": [[2, 2, 1], [12]],
    "npartitions": 3,
    "metadata": {"axes": ["y", "x"]},
    "parameters": [],
    "arguments": {"day": "2024-05-01"},
}
MARK = {"safe": True, "result": "source", "source": {"read": "read"}, "item": True}


class Shelf:
    """A catalog of one array behind the scripted gate; `asked` are the params of its reads."""

    def __init__(self, gate: Gate) -> None:
        self.url = gate.url
        self.asked: list[dict[str, Any]] = []
        names = [{"name": "name", "required": True}, {"name": "parameters"}]
        gate.add("data.source", self.about, params=names, **{"x-labgate": MARK})
        gate.add(
            "data.read",
            self.read,
            params=[*names, {"name": "partition"}],
            **{"x-labgate": {"result": "table"}},
        )

    def about(self, params: dict[str, Any]) -> Any:
        if params["name"] == "nothing":
            raise ScriptedError(-32602, "No such entry.")
        if params["name"] == "odd":
            return [1]
        return ABOUT | {"name": params["name"], "arguments": params.get("parameters", ABOUT["arguments"])}

    def read(self, params: dict[str, Any]) -> Any:
        self.asked.append(params)
        if params["name"] == "notes":
            return ["one", "two"]
        partition = params.get("partition")
        if partition is None:
            return ARRAY
        row = partition[0] * 2
        return ARRAY[row : row + 2]


@pytest.fixture
def shelf(gate: Gate) -> Shelf:
    return Shelf(gate)


@pytest.fixture
def frames(shelf: Shelf) -> labgate.Source:
    found: labgate.Source = labgate.connect(shelf.url).data["frames"]
    return found


def test_a_source_says_what_the_gate_says_of_it(frames: labgate.Source, shelf: Shelf) -> None:
    assert isinstance(frames, labgate.Source)
    assert (frames.name, frames.container, frames.npartitions) == ("frames", "ndarray", 3)
    assert (frames.shape, frames.dtype, frames.chunks) == ((5, 12), "uint16", ((2, 2, 1), (12,)))
    assert (frames.metadata, frames.arguments) == ({"axes": ["y", "x"]}, {"day": "2024-05-01"})
    assert frames.describe() == ABOUT
    assert repr(frames) == "<labgate source frames: ndarray uint16 (5, 12), 3 partitions>"
    assert {"read", "to_dask", "shape"} <= {*dir(frames)}
    assert shelf.asked == []


def test_the_whole_and_its_parts_are_read_with_the_parameters_that_it_was_opened_with(
    frames: labgate.Source, shelf: Shelf
) -> None:
    np.testing.assert_array_equal(frames.read(), ARRAY)
    np.testing.assert_array_equal(frames.read((1, 0)), ARRAY[2:4])
    said = {"name": "frames", "parameters": {"day": "2024-05-01"}}
    assert shelf.asked == [said, said | {"partition": [1, 0]}]


def test_a_large_array_is_read_block_by_block(
    frames: labgate.Source, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labgate._source._AT_ONCE", 100)
    np.testing.assert_array_equal(frames.read(), ARRAY)
    assert [one["partition"] for one in shelf.asked] == [[0, 0], [1, 0], [2, 0]]


def test_called_it_is_the_same_entry_with_other_parameters(frames: labgate.Source) -> None:
    assert frames(sample="b").arguments == {"day": "2024-05-01", "sample": "b"}
    assert frames(sample="b")(day="x").arguments == {"day": "x", "sample": "b"}


def test_names_lead_into_catalogs(frames: labgate.Source) -> None:
    assert frames["inner"].name == "frames.inner"
    with pytest.raises(TypeError):
        frames[0]  # type: ignore[index]
    with pytest.raises(TypeError):
        iter(frames)  # type: ignore[call-overload]


def test_other_than_arrays_come_as_they_are(shelf: Shelf) -> None:
    assert labgate.connect(shelf.url).data.source("notes").read(0) == ["one", "two"]


def test_a_source_outlives_a_pickle_and_asks_nothing_for_it(frames: labgate.Source, shelf: Shelf) -> None:
    again = pickle.loads(pickle.dumps(frames))
    assert isinstance(again, Source)
    assert again.describe() == frames.describe()
    assert shelf.asked == []
    np.testing.assert_array_equal(again.read([2, 0]), ARRAY[4:])


def test_what_is_no_source_and_what_is_not_there_is_said(shelf: Shelf, gate: Gate) -> None:
    lab = labgate.connect(shelf.url)
    with pytest.raises(BadReply, match="no source"):
        lab.data["odd"]
    with pytest.raises(InvalidParams, match="No such entry"):
        lab.data["nothing"]
    gate.add("other.source", ABOUT, params=[{"name": "name"}], **{"x-labgate": MARK})
    labgate.refresh(lab)
    with pytest.raises(NotFound, match="names no method to read"):
        lab.other.source("frames").read()
