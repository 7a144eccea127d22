"""Are tables asked by their names in an event loop, too? The tests of filters are those of the others."""

from __future__ import annotations

import inspect
import pickle  # noqa: TID251 - the law is that what belongs to an event loop is not pickled
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import labgate
from labgate.errors import Error, SetupError
from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one
from tests.sdk.conftest import Gate, ScriptedError
from tests.sdk.test_sdk_tables import TABLES, asked

globals().update(
    laws_of(
        "test_sdk_tables",
        # Nothing that is not awaited asks the gate, so that names are known of what was awaited: below.
        "test_a_table_is_an_attribute_and_its_names_are_asked_for_once",
        "test_no_table_hides_what_tables_have_and_each_is_reached_by_its_name",
        "test_completion_offers_tables_that_are_python_names_and_what_tables_have",
        "test_the_tables_of_a_version_are_asked_in_that_version",
        "test_a_table_that_there_is_not_is_an_error_which_names_the_nearest",
        "test_a_refresh_that_changes_the_list_lets_the_tables_be_asked_for_again",
        "test_it_is_shown_with_what_the_service_says_and_nothing_of_it_is_markup",
        "test_it_has_the_methods_signature_and_is_the_method_for_explanations_batches_and_the_command_line",
        "test_tables_and_a_table_with_filters_are_pickled_without_being_asked",
        "test_a_gate_that_is_away_is_no_error_for_eyes_and_completion",
        "test_a_refusal_of_the_service_is_its_error",
        # Whose line a warning points at, the adapter hides: test_sdk_async looks at it without one.
        "test_a_notice_beside_a_tables_rows_points_at_the_line_that_asks_for_them",
    )
)

real_batch, real_explain = labgate.batch, labgate.explain


async def in_loop(gate: Gate, work: Callable[[Any], Coroutine[Any, Any, None]]) -> None:
    async with labgate.aconnect(gate.url) as lab:
        await work(lab)


async def test_a_table_is_asked_by_its_name_without_a_question_which_there_are(cave: Gate) -> None:
    async def work(lab: Any) -> None:
        assert await lab.materialize.tables.nuclei.query(limit=3) == {"table": "nuclei", "limit": 3}
        assert await lab["materialize.tables"]["odd-name"].query() == {"table": "odd-name"}
        assert await lab.materialize.views.synapses.query(anything=1) == {"view": "synapses", "anything": 1}
        assert await lab.materialize.tables.nuclei.live_query(5) == {"table": "nuclei", "timestamp": 5}
        assert await lab.materialize.tables.nuclei(limit=5).get_all() == {"table": "nuclei"}
        assert "materialize.tables" not in asked(cave)

    await in_loop(cave, work)


async def test_which_tables_there_are_is_known_of_what_was_awaited(cave: Gate) -> None:
    async def work(lab: Any) -> None:
        tables = await lab.materialize.tables()
        assert tables.table_names == list(tables) == ["find", "nuclei", "odd-name", "reference"]
        assert (len(tables), "nuclei" in tables, "ref" in tables) == (4, True, False)
        assert tables.find("REF") == ["reference"]
        assert tables["find"].name == "find"
        assert dir(tables) == ["find", "nuclei", "reference", "table_names"]
        assert tables._ipython_key_completions_() == ["find", "nuclei", "odd-name", "reference"]
        assert (tables.nuclei.fields, tables.nuclei.description) == (["id", "volume"], "All <b>nuclei</b>.")
        assert repr(tables) == "<labgate tables materialize.tables: find, nuclei, odd-name, reference>"
        assert "All &lt;b&gt;nuclei" in tables._repr_html_()
        assert "All &lt;b&gt;nuclei" in tables.nuclei._repr_html_()
        with pytest.raises(AttributeError, match="did you mean nuclei"):
            _ = tables.nuclie
        with pytest.raises(KeyError, match="did you mean nuclei"):
            tables["nuclie"]
        with pytest.raises(TypeError, match="named by a str"):
            tables[5]
        assert asked(cave) == ["materialize.tables"]

    await in_loop(cave, work)


async def test_what_nobody_has_awaited_is_an_error_that_says_how_and_shows_itself_all_the_same(
    cave: Gate,
) -> None:
    async def work(lab: Any) -> None:
        tables = lab.materialize.tables
        for look in (
            len,
            list,
            lambda one: one.table_names,
            lambda one: one.nuclei.about,
            lambda one: one.nuclei.fields,
        ):
            with pytest.raises(SetupError, match="nobody has asked") as error:
                look(tables)
            assert 'await lab["materialize.tables"]()' in error.value.hint
        with pytest.raises(AttributeError):
            _ = tables._private
        assert dir(tables) == ["find", "table_names"]
        assert repr(tables.nuclei(id=5)) == "<labgate table nuclei id=5>"
        assert "nuclei" in tables.nuclei._repr_html_()
        assert "<thead>" in tables._repr_html_()
        assert "materialize.tables" not in asked(cave)

    await in_loop(cave, work)


async def test_the_tables_of_a_version_are_awaited_and_asked_in_that_version(cave: Gate) -> None:
    async def work(lab: Any) -> None:
        of_943 = {"table": "nuclei", "materialization_version": 943}
        assert await (await lab.materialize.tables(version=943)).nuclei.query() == of_943
        assert await (await lab.materialize.tables(943)).nuclei.query() == of_943
        assert await lab(version=943).materialize.tables.nuclei.query() == of_943
        for args, kwargs in (((5, 6), {}), ((5,), {"version": 6})):
            with pytest.raises(TypeError, match=r"positional argument|multiple values"):
                await lab.materialize.tables(*args, **kwargs)
        sent = [call["params"] for call in cave.calls() if call["method"] == "materialize.tables"]
        assert sent == [{"version": 943}, {"version": 943}]

    await in_loop(cave, work)


async def test_a_refusal_of_the_service_is_the_error_of_what_awaits_it(cave: Gate) -> None:
    def refuse(_: Any) -> Any:
        raise ScriptedError(-1, "no view permission")

    cave.answers["materialize.tables"] = refuse

    async def work(lab: Any) -> None:
        with pytest.raises(Error, match="no view permission"):
            await lab.materialize.tables()

    await in_loop(cave, work)


async def test_they_are_the_method_for_signatures_explanations_and_batches(cave: Gate) -> None:
    cave.answers["rpc.explain"] = lambda sent: sent

    async def work(lab: Any) -> None:
        assert [*inspect.signature(lab.materialize.tables).parameters] == ["version"]
        assert (await real_explain(lab, "materialize.tables", version=1))["params"] == {"version": 1}
        async with real_batch(lab) as b:
            handle = b.materialize.tables(version=1)
        assert handle.result() == TABLES

    await in_loop(cave, work)


async def test_tables_of_an_event_loop_are_not_pickled(cave: Gate) -> None:
    async def work(lab: Any) -> None:
        for one in (lab.materialize.tables, lab.materialize.tables.nuclei):
            with pytest.raises(TypeError, match="event loop"):
                pickle.dumps(one)

    await in_loop(cave, work)
