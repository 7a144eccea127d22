"""Does a source say what the gate says of it, and are catalogs gone through by names?"""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - the law is that users can pickle what this package gives them
from typing import Any

import numpy as np
import pytest

import labgate
from labgate.cli import main
from labgate.errors import BadReply, InvalidParams, MissingExtra, NotFound
from tests.sdk.conftest import TOKEN, Gate
from tests.sdk.shelf import ENTRIES, FRAMES, MARKS, Shelf


@pytest.fixture
def shelf(gate: Gate) -> Shelf:
    return Shelf(gate)


@pytest.fixture
def lab(shelf: Shelf) -> Any:
    return labgate.connect(shelf.url)


def test_a_source_says_what_the_gate_says_of_it_and_reads_nothing(lab: Any, shelf: Shelf) -> None:
    frames = lab.data["frames"]
    assert isinstance(frames, labgate.Source)
    assert (frames.name, frames.container, frames.npartitions) == ("frames", "ndarray", 6)
    assert (frames.shape, frames.dtype, frames.chunks) == ((7, 12), np.uint16, ((3, 3, 1), (8, 4)))
    assert (frames.metadata, frames.arguments) == ({"axes": ["row", "column"]}, {})
    assert frames.description == "Frames & <b>blocks</b>"
    assert frames.describe() == frames.about == {"name": "frames", "arguments": {}, **ENTRIES["frames"]}
    assert repr(frames) == "<labgate source frames: ndarray, 7 × 12, 6 partitions>"
    assert {"read", "to_dask", "shape"} <= {*dir(frames)}
    runs = lab.data["runs"]
    assert (runs.shape, runs.dtype, runs.chunks) == ((None, 2), {"run": "int64"}, None)
    assert repr(runs) == "<labgate source runs: dataframe, ? × 2, 20 partitions>"
    assert shelf.reads == []


def test_a_notebook_shows_the_facts_and_no_markup_of_others(lab: Any) -> None:
    shown = lab.data["frames"](day="<i>")._repr_html_()
    assert "Frames &amp; &lt;b&gt;blocks" in shown
    assert "7 × 12" in shown
    assert "&lt;i&gt;" in shown
    assert "<b>" not in shown
    assert "one, two-2" in _with_entries(lab)


def _with_entries(lab: Any) -> str:
    inner = lab.data["inner"]
    list(inner)
    shown: str = inner._repr_html_()
    return shown


def test_chunks_that_do_not_make_the_shape_are_none(lab: Any, shelf: Shelf) -> None:
    for said, told in (
        ([3, 12], ((3, 3, 1), (12,))),
        ([[3, 3], [12]], None),
        ([[3, 4]], None),
        ([[7], [12.0]], None),
        ([0, 12], None),
        ("rows", None),
        (None, None),
    ):
        shelf.entries["frames"]["chunks"] = said
        assert lab.data["frames"].chunks == told
    shelf.entries["frames"].update(dtype="no dtype", shape=[-1], npartitions=True)
    odd = lab.data["frames"]
    assert (odd.dtype, odd.shape, odd.npartitions) == ("no dtype", None, None)


def test_called_it_is_the_same_entry_with_other_parameters(lab: Any, shelf: Shelf) -> None:
    other = lab.data["frames"](day="Monday")(workers=np.int64(3))
    assert other.arguments == {"day": "Monday", "workers": 3}
    assert repr(other) == "<labgate source frames workers=3: ndarray, 7 × 12, 6 partitions>"
    other.read(partition=(0, 0))
    assert shelf.reads == [{"name": "frames", "parameters": other.arguments, "partition": [0, 0]}]
    lab.data["notes"].read(partition=0, day="Friday")
    assert shelf.reads[-1] == {"name": "notes", "parameters": {"day": "Friday"}, "partition": 0}


def test_refreshed_it_is_what_the_gate_says_by_now(lab: Any, shelf: Shelf) -> None:
    runs = lab.data["runs"]
    shelf.entries["runs"]["npartitions"] = 3
    assert runs.npartitions == 20
    assert runs.refresh() is runs
    assert runs.npartitions == 3
    assert shelf.gate.requests[-1][2]["cache-control"] == "no-cache"


def test_a_catalog_lists_its_entries_and_gives_them_by_name(lab: Any, shelf: Shelf) -> None:
    inner = lab.data["inner"]
    assert list(inner) == ["one", "two-2"]
    assert "one" in inner
    assert "three" not in inner
    names = dir(inner)
    assert "one" in names
    assert "two-2" not in names
    assert inner._ipython_key_completions_() == ["one", "two-2"]
    assert inner["two-2"].name == "inner.two-2"
    assert inner.one.read() == ["whole"]
    assert shelf.reads == [{"name": "inner.one"}]
    with pytest.raises(InvalidParams, match="no such entry"):
        inner["three"]
    with pytest.raises(AttributeError, match="did you mean one"):
        inner.onee  # noqa: B018
    with pytest.raises(TypeError, match="named by a str"):
        inner[0]


def test_a_catalog_is_not_read_and_what_is_none_has_no_entries(lab: Any, shelf: Shelf) -> None:
    inner, notes = lab.data["inner"], lab.data["notes"]
    for use in (inner.read, inner.partitions, inner.to_dask):
        with pytest.raises(TypeError, match="inner is a catalog: read one of its entries"):
            use()
    with pytest.raises(TypeError, match="parameters are given to its entries"):
        inner(day="Friday")
    for use in (lambda: notes["x"], lambda: "x" in notes, lambda: notes.search("x")):
        with pytest.raises(TypeError, match="notes is no catalog but a python"):
            use()
    with pytest.raises(AttributeError):
        notes.one  # noqa: B018
    assert shelf.reads == []


def test_names_for_eyes_are_none_where_the_gate_is_away(lab: Any, shelf: Shelf) -> None:
    inner = lab(retries=0).data["inner"]
    shelf.gate.token = "another"
    assert "read" in dir(inner)
    assert inner._ipython_key_completions_() == []


def test_a_search_is_its_answer_and_opens_what_it_found(lab: Any, shelf: Shelf) -> None:
    found = lab.data.search("n")
    assert found == {
        "entries": [{"name": one} for one in ("runs", "notes", "inner")],
        "length": 3,
        "catalog": "",
    }
    assert found.names == ["runs", "notes", "inner"]
    assert shelf.opened == []
    assert (found[0].name, found[-1].name, found["notes"].name) == ("runs", "inner", "notes")
    for wrong in (3, "frames"):
        with pytest.raises(LookupError):
            found[wrong]
    inner = found["inner"].search("two")
    assert inner[0].name == "inner.two-2"
    assert pickle.loads(pickle.dumps(inner))["two-2"].name == "inner.two-2"


def test_a_source_outlives_a_pickle_without_its_token_and_asks_nothing_for_it(lab: Any, shelf: Shelf) -> None:
    frames = lab.data["frames"](day="Friday")
    opened = len(shelf.opened)
    packed = pickle.dumps(frames)
    assert TOKEN.encode() not in packed
    again = pickle.loads(packed)
    assert again.about == frames.about
    assert len(shelf.opened) == opened
    np.testing.assert_array_equal(again.read(), FRAMES)


def test_a_batch_gives_sources_too(lab: Any) -> None:
    with labgate.batch(lab) as b:
        runs, nothing, found = b.data["runs"], b.data["nothing"], b.data.search("frames")
    assert runs.result().npartitions == 20
    assert isinstance(nothing.exception(), InvalidParams)
    assert found.result()[0].name == "frames"


def test_the_command_line_prints_what_a_source_is(shelf: Shelf, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["call", "data.source", "name=frames", "--url", shelf.url]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "frames", "arguments": {}, **ENTRIES["frames"]}


def test_without_dask_the_error_says_what_to_install(lab: Any) -> None:
    with pytest.raises(MissingExtra, match=r"dask\.dataframe is not installed"):
        lab.data["runs"].to_dask()


def test_what_is_no_source_and_what_names_no_methods_is_said(lab: Any, shelf: Shelf) -> None:
    for wrong in ([1], {"name": "x"}, {"name": "", "container": "python"}):
        shelf.gate.answers["data.source"] = lambda _, wrong=wrong: wrong
        with pytest.raises(BadReply, match=r"describes no source: (name|container) is no text"):
            lab.data["x"]
    shelf.gate.answers["data.search"] = lambda _: ["x"]
    with pytest.raises(BadReply, match="no entries"):
        lab.data.search("x")
    marks = {"result": "source", "source": {**MARKS, "read": "gone"}}
    shelf.gate.add("other.source", shelf.source, params=[{"name": "name"}], **{"x-labgate": marks})
    labgate.refresh(lab)
    with pytest.raises(NotFound, match="names no method to read"):
        lab.other.source("notes").read()
