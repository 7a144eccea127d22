"""Are tables asked by their names, with the words that CAVE's own client has for filters?"""

from __future__ import annotations

import inspect
import pickle  # noqa: TID251 - the law is that users can pickle what this package gives them
from typing import Any

import numpy as np
import pytest

import labgate
from labgate._tables import names_of
from labgate.cli import main
from labgate.errors import BadReply, Error, GateUnreachable, NotFound
from tests.sdk.conftest import Gate, ScriptedError, running

FILTERS = ("equal", "in", "less", "greater", "less_equal", "greater_equal", "spatial")
TABLES = [
    {"table_name": "nuclei", "description": "All <b>nuclei</b>.", "columns": ["id", "volume"]},
    {"table_name": "find"},
    {"table_name": "odd-name"},
    {"table_name": "ref", "annotation_table": "reference"},
]


@pytest.fixture
def cave(gate: Gate) -> Gate:
    """A gate whose `materialize.tables` and `.views` are marked; a query answers what it was sent."""
    asks = [
        {"name": "table", "required": True},
        *({"name": f"filter_{kind}_dict"} for kind in FILTERS),
        *({"name": name} for name in ("select_columns", "limit", "materialization_version")),
    ]
    gate.add("materialize.query_table", lambda sent: sent, params=asks, **{"x-labgate": {"safe": True}})
    gate.add("materialize.live_query", lambda sent: sent, params=[*asks, {"name": "timestamp"}])
    marks = {
        "result": "tables",
        "query": "materialize.query_table",
        "live": "materialize.live_query",
        "of": "table",
    }
    version = [{"name": "version"}]
    gate.add(
        "materialize.tables",
        TABLES,
        params=version,
        summary="The tables.",
        **{"x-labgate": {**marks, "safe": True}},
    )
    views = {"synapses": {"description": "In and out."}}
    gate.add(
        "materialize.views", views, **{"x-labgate": {"result": "tables", "query": "views.ask", "of": "view"}}
    )
    gate.add("views.ask", lambda sent: sent, **{"x-labgate": {"undescribed": True}})
    return gate


def asked(gate: Gate) -> list[str]:
    return [call["method"] for call in gate.calls()]


def test_a_table_is_an_attribute_and_its_names_are_asked_for_once(cave: Gate) -> None:
    lab = labgate.connect(cave.url)
    assert lab.materialize.tables.nuclei.query(limit=3) == {"table": "nuclei", "limit": 3}
    assert lab.materialize.tables.reference.query() == {"table": "reference"}
    assert lab["materialize.tables"]["odd-name"].query() == {"table": "odd-name"}
    assert asked(cave).count("materialize.tables") == 1
    assert lab.materialize.views.synapses.query(anything=1) == {"view": "synapses", "anything": 1}


def test_no_table_hides_what_tables_have_and_each_is_reached_by_its_name(cave: Gate) -> None:
    tables = labgate.connect(cave.url).materialize.tables
    assert tables.find("REF") == ["reference"]
    assert tables["find"].name == "find"
    assert tables.table_names == list(tables) == ["find", "nuclei", "odd-name", "reference"]
    assert (len(tables), "nuclei" in tables, "ref" in tables, 5 in tables) == (4, True, False, False)


def test_completion_offers_tables_that_are_python_names_and_what_tables_have(cave: Gate) -> None:
    tables = labgate.connect(cave.url).materialize.tables
    assert dir(tables) == ["find", "nuclei", "reference", "table_names"]
    assert tables._ipython_key_completions_() == ["find", "nuclei", "odd-name", "reference"]
    assert {"query", "fields", "get_all"} <= {*dir(tables.nuclei)}
    assert not hasattr(type(tables), "__getattr__"), "IPython completes nothing of such classes"


def test_filters_are_said_as_caves_own_client_says_them(cave: Gate) -> None:
    nuclei = labgate.connect(cave.url).materialize.tables.nuclei
    sent = nuclei(
        cell_type="pyramidal",
        pt_root_id=[1, 2],
        volume={">": 100, "<=": 500},
        depth={"<": 5, ">=": 1},
        pt_position_bbox=[[0, 0, 0], [1, 1, 1]],
        nothing=None,
    ).query(select_columns=["id"], limit=5, target_id=7)
    assert sent == {
        "table": "nuclei",
        "filter_equal_dict": {"cell_type": "pyramidal", "target_id": 7},
        "filter_in_dict": {"pt_root_id": [1, 2]},
        "filter_greater_dict": {"volume": 100},
        "filter_less_equal_dict": {"volume": 500},
        "filter_less_dict": {"depth": 5},
        "filter_greater_equal_dict": {"depth": 1},
        "filter_spatial_dict": {"pt_position": [[0, 0, 0], [1, 1, 1]]},
        "select_columns": ["id"],
        "limit": 5,
    }
    assert nuclei.filters == {}


def test_a_column_called_like_an_option_is_a_filter_where_only_filters_are_given(cave: Gate) -> None:
    nuclei = labgate.connect(cave.url).materialize.tables.nuclei
    assert nuclei(limit=5).query() == {"table": "nuclei", "filter_equal_dict": {"limit": 5}}
    assert nuclei(limit=5).get_all() == {"table": "nuclei"}


def test_a_filter_joins_those_that_an_option_gives(cave: Gate) -> None:
    nuclei = labgate.connect(cave.url).materialize.tables.nuclei
    sent = nuclei(a=1).query(filter_equal_dict={"b": 2}, filter_in_dict=None, c=[3])
    assert sent["filter_equal_dict"] == {"a": 1, "b": 2}
    assert sent["filter_in_dict"] == {"c": [3]}


def test_arrays_and_sets_are_lists_and_a_single_number_of_numpy_is_a_value(cave: Gate) -> None:
    nuclei = labgate.connect(cave.url).materialize.tables.nuclei
    sent = nuclei.query(id=np.array([2**63, 1], "u8"), root={4}, one=np.uint64(7), zero=np.array(3))
    assert sent["filter_in_dict"]["id"].tolist() == [2**63, 1]
    assert sent["filter_in_dict"]["root"] == [4]
    assert sent["filter_equal_dict"]["one"] == 7


@pytest.mark.parametrize(
    ("filters", "error"),
    [
        ({"id": []}, ValueError),
        ({"id": np.array([])}, ValueError),
        ({"id": {"!=": 5}}, TypeError),
        ({"id": {}}, TypeError),
    ],
)
def test_a_filter_that_would_be_none_or_means_nothing_is_refused_before_anything_is_sent(
    cave: Gate, filters: dict[str, Any], error: type[Exception]
) -> None:
    nuclei = labgate.connect(cave.url).materialize.tables.nuclei
    with pytest.raises(error, match="filter 'id'"):
        nuclei.query(**filters)
    assert "materialize.query_table" not in asked(cave)


def test_a_filter_that_the_query_cannot_take_is_named(cave: Gate) -> None:
    cave.methods["materialize.query_table"]["params"] = [{"name": "table"}, {"name": "filter_equal_dict"}]
    nuclei = labgate.connect(cave.url).materialize.tables.nuclei
    assert nuclei.query(id=5) == {"table": "nuclei", "filter_equal_dict": {"id": 5}}
    with pytest.raises(TypeError, match=r"takes no filter 'id'.*'filter_in_dict'"):
        nuclei.query(id=[5])


def test_the_catalog_says_where_other_services_take_their_filters(cave: Gate) -> None:
    cave.methods["views.ask"] = {"name": "views.ask", "params": [{"name": "view"}, {"name": "where"}]}
    cave.methods["materialize.views"]["x-labgate"]["filters"] = {"=": "where", "?": "x", "in": 5}
    views = labgate.connect(cave.url).materialize.views
    assert views.synapses.query(id=5) == {"view": "synapses", "where": {"id": 5}}


def test_the_tables_of_a_version_are_asked_in_that_version(cave: Gate) -> None:
    lab = labgate.connect(cave.url)
    assert lab.materialize.tables(version=943).nuclei.query() == {
        "table": "nuclei",
        "materialization_version": 943,
    }
    assert lab(version=7).materialize.tables.nuclei.query() == {
        "table": "nuclei",
        "materialization_version": 7,
    }
    assert "nuclei" in lab.materialize.tables(5)
    with pytest.raises(TypeError, match="positional argument"):
        lab.materialize.tables(5, 6)
    with pytest.raises(TypeError, match="multiple values"):
        lab.materialize.tables(5, version=6)
    sent = [call["params"] for call in cave.calls() if call["method"] == "materialize.tables"]
    assert sent == [{"version": 943}, {"version": 7}, {"version": 5}]


def test_a_query_at_a_moment_asks_the_method_for_that_and_is_an_error_without_one(cave: Gate) -> None:
    lab = labgate.connect(cave.url)
    assert lab.materialize.tables.nuclei.live_query(5, id=1)["timestamp"] == 5
    with pytest.raises(NotFound, match="no method for a live"):
        lab.materialize.views.synapses.live_query(5)


def test_a_table_that_there_is_not_is_an_error_which_names_the_nearest(cave: Gate) -> None:
    tables = labgate.connect(cave.url).materialize.tables
    with pytest.raises(AttributeError, match="did you mean nuclei"):
        _ = tables.nuclie
    with pytest.raises(KeyError, match="did you mean nuclei"):
        tables["nuclie"]
    with pytest.raises(TypeError, match="named by a str"):
        tables[5]
    with pytest.raises(AttributeError):
        _ = tables._private
    assert asked(cave) == ["materialize.tables"], "names are asked for again after 30 s at the earliest"


def test_a_refresh_that_changes_the_list_lets_the_tables_be_asked_for_again(cave: Gate) -> None:
    lab = labgate.connect(cave.url)
    assert "new" not in lab.materialize.tables
    cave.answers["materialize.tables"] = lambda _: ["new"]
    cave.add("jobs.more", 1)
    labgate.refresh(lab)
    assert list(lab.materialize.tables) == ["new"]


def test_it_is_shown_with_what_the_service_says_and_nothing_of_it_is_markup(cave: Gate) -> None:
    tables = labgate.connect(cave.url).materialize.tables
    assert repr(tables) == "<labgate tables materialize.tables: find, nuclei, odd-name, reference>"
    assert "All &lt;b&gt;nuclei" in tables._repr_html_()
    assert repr(tables.nuclei(id=5)) == "<labgate table nuclei id=5>"
    assert (tables.nuclei.fields, tables.nuclei.description) == (["id", "volume"], "All <b>nuclei</b>.")
    assert (tables["find"].fields, tables["find"].description) == ([], "")


def test_it_has_the_methods_signature_and_is_the_method_for_explanations_batches_and_the_command_line(
    cave: Gate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = labgate.connect(cave.url)
    assert [*inspect.signature(lab.materialize.tables).parameters] == ["version"]
    cave.answers["rpc.explain"] = lambda sent: sent
    assert labgate.explain(lab, "materialize.tables", version=1)["params"] == {"version": 1}
    with labgate.batch(lab) as b:
        handle = b.materialize.tables(version=1)
    assert handle.result() == TABLES
    monkeypatch.setenv("LABGATE_URL", cave.url)
    assert main(["call", "materialize.tables", "version:=1"]) == 0
    assert '"odd-name"' in capsys.readouterr().out


def test_tables_and_a_table_with_filters_are_pickled_without_being_asked(cave: Gate) -> None:
    lab = labgate.connect(cave.url)
    tables = pickle.loads(pickle.dumps(lab.materialize.tables(version=3)))
    table = pickle.loads(pickle.dumps(tables.nuclei(id=5)))
    assert table.query() == {
        "table": "nuclei",
        "filter_equal_dict": {"id": 5},
        "materialization_version": 3,
    }


def test_a_gate_that_is_away_is_no_error_for_eyes_and_completion(cave: Gate) -> None:
    away = Gate()
    away.methods, away.answers = cave.methods, cave.answers
    with running(away):
        lab = labgate.connect(away.url)(timeout=5, retries=0)
        tables = lab.materialize.tables
    assert dir(tables) == ["find", "table_names"]
    assert "materialize.tables" in repr(tables)
    assert "<thead>" in tables._repr_html_()
    with pytest.raises(GateUnreachable):
        _ = tables.nuclei


def test_a_notice_beside_a_tables_rows_points_at_the_line_that_asks_for_them(cave: Gate) -> None:
    nuclei = labgate.connect(cave.url).materialize.tables.nuclei
    cave.reply_headers["Warning"] = '299 - "an old table"'
    with pytest.warns(labgate.ServiceWarning, match="query_table: an old table") as warned:
        nuclei.query(limit=1)
    assert [one.filename for one in warned] == [__file__]


def test_a_refusal_of_the_service_is_its_error(cave: Gate) -> None:
    def refuse(_: Any) -> Any:
        raise ScriptedError(-1, "no view permission")

    cave.answers["materialize.tables"] = refuse
    with pytest.raises(Error, match="no view permission"):
        _ = labgate.connect(cave.url).materialize.tables.nuclei


@pytest.mark.parametrize("answer", [None, 5, "text", [5], [{"x": 1}], [{"name": 5}], [["a"]]])
def test_an_answer_that_names_no_tables_is_a_bad_reply(answer: Any) -> None:
    with pytest.raises(BadReply, match="names no tables"):
        names_of(answer, "m.tables")


def test_the_names_are_read_from_lists_and_objects_alike() -> None:
    assert names_of(["a", {"name": "b", "x": 1}], "") == {"a": {}, "b": {"name": "b", "x": 1}}
    assert names_of({"a": {"x": 1}, "b": None}, "") == {"a": {"x": 1}, "b": {}}
    assert names_of([], "") == {}
