"""What does a client fill in that a call does not give?"""

from __future__ import annotations

import datetime
import pickle  # noqa: TID251 - the law is that users can pickle their clients
from typing import Any

import pytest

import labgate
from labgate._defaults import checked_defaults, fill, merged
from labgate.errors import SetupError
from tests.sdk.conftest import Gate

NOON = datetime.datetime(2024, 1, 1, 12, tzinfo=datetime.UTC)


def params(*names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


@pytest.fixture
def cave(gate: Gate) -> Gate:
    """A gate with methods that take versions and moments; each answers its params."""
    for name, takes in {
        "materialize.query_table": ("table", "limit", "materialization_version", "timestamp"),
        "materialize.get_tables": ("version",),
        "chunkedgraph.get_roots": ("supervoxel_ids", "timestamp"),
        "info.get_datastacks": (),
    }.items():
        gate.add(name, lambda sent: sent, params=params(*takes), **{"x-labgate": {"safe": True}})
    gate.add("old.list", lambda sent: sent, params=params("first", "version"), paramStructure="by-position")
    return gate


def test_a_bound_value_fills_in_the_parameters_of_its_name_where_the_method_has_it(cave: Gate) -> None:
    lab = labgate.connect(cave.url, defaults={"version": 943, "timestamp": NOON})
    assert lab.materialize.query_table("cells") == {"table": "cells", "materialization_version": 943}
    assert lab.materialize.get_tables() == {"version": 943}
    assert lab.chunkedgraph.get_roots([1]) == {"supervoxel_ids": [1], "timestamp": NOON.isoformat()}
    assert lab.info.get_datastacks() is None
    assert lab.jobs.anything(1) == [1], "nobody described its parameters"
    assert lab.old.list() is None, "it takes its arguments by position"


def test_a_version_and_a_moment_are_bound_by_connect_as_by_a_view(cave: Gate) -> None:
    lab = labgate.connect(cave.url, version=943, timestamp=NOON, defaults={"limit": 3, "version": 1})
    assert lab.materialize.query_table("c") == {"table": "c", "limit": 3, "materialization_version": 943}
    assert lab.chunkedgraph.get_roots() == {"timestamp": NOON.isoformat()}
    assert "version" not in repr(labgate.connect(cave.url))


def test_what_the_call_gives_counts_and_none_is_given_too(cave: Gate) -> None:
    lab = labgate.connect(cave.url)(version=943)
    assert lab.materialize.get_tables(version=1) == {"version": 1}
    assert lab.materialize.get_tables(version=None) == {"version": None}
    assert lab.materialize.get_tables(None) == {"version": None}


def test_a_moment_in_the_call_takes_the_place_of_a_bound_version_and_the_other_way_round(cave: Gate) -> None:
    lab = labgate.connect(cave.url)
    at, of = lab(timestamp=NOON), lab(version=943)
    assert of.materialize.query_table("c", timestamp=5) == {"table": "c", "timestamp": 5}
    assert at.materialize.query_table("c", materialization_version=5) == {
        "table": "c",
        "materialization_version": 5,
    }
    assert at.materialize.query_table("c") == {"table": "c", "timestamp": NOON.isoformat()}
    assert of.materialize.query_table("c", timestamp=None) == {
        "table": "c",
        "timestamp": None,
        "materialization_version": 943,
    }


def test_views_add_to_what_is_bound_and_none_ends_it(cave: Gate) -> None:
    lab = labgate.connect(cave.url, defaults={"materialization_version": 1, "limit": 9})
    assert lab(version=2).materialize.query_table("c") == {
        "table": "c",
        "limit": 9,
        "materialization_version": 2,
    }
    assert lab(version=None).materialize.query_table("c") == {"table": "c", "limit": 9}
    assert lab(timeout=3).materialize.get_tables() == {"version": 1}
    assert lab.materialize.get_tables() == {"version": 1}, "the client itself is as it was"


def test_a_value_for_one_namespace_is_filled_in_there_alone_and_counts_more(cave: Gate) -> None:
    lab = labgate.connect(cave.url, defaults={"limit": 1, "materialize.limit": 2, "chunkedgraph.version": 3})
    assert lab.materialize.query_table("c") == {"table": "c", "limit": 2}
    assert lab.jobs.get_job("P", "J") == {"params": {"project_uid": "P", "job_uid": "J", "limit": 1}}


def test_batches_explanations_and_pickles_have_it_too(cave: Gate) -> None:
    lab = labgate.connect(cave.url)(version=943)
    with labgate.batch(lab) as b:
        handle = b.materialize.get_tables()
    assert handle.result() == {"version": 943}
    cave.answers["rpc.explain"] = lambda sent: {"asked": sent}
    assert labgate.explain(lab, "materialize.get_tables")["asked"]["params"] == {"version": 943}
    assert pickle.loads(pickle.dumps(lab)).materialize.get_tables() == {"version": 943}


def test_the_repr_shows_which_state_is_bound_and_of_others_only_the_name(cave: Gate) -> None:
    lab = labgate.connect(cave.url, defaults={"version": 943, "password": "hidden"})
    assert "version=943" in repr(lab)
    assert "password=..." in repr(lab)
    assert "hidden" not in repr(lab)


@pytest.mark.parametrize("bad", [5, "version", {5: 1}, {"": 1}, [("version", 1)]])
def test_what_is_no_value_by_name_is_refused(bad: Any) -> None:
    with pytest.raises(SetupError, match="defaults are values by the names"):
        checked_defaults(bad)
    with pytest.raises(SetupError):
        merged({}, bad)
    with pytest.raises(SetupError):
        merged(bad, {})


def test_a_version_takes_the_place_of_one_under_its_other_name() -> None:
    assert merged({"version": 1}, {"materialization_version": 2}) == {"materialization_version": 2}
    assert merged({"a.version": 1}, {"version": 2}) == {"a.version": 1, "version": 2}


def test_where_both_are_bound_and_fit_the_version_is_taken() -> None:
    bound = checked_defaults({"timestamp": NOON, "version": 1})
    assert fill("m.q", {"timestamp", "version"}, {}, bound) == {"version": 1}
