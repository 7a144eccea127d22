"""Does IPython complete names and keyword arguments, with jedi and without?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

import labgate
from tests.sdk.conftest import Gate

Complete = Callable[[str], set[str]]


@pytest.fixture(params=[True, False], ids=["jedi", "plain"])
def complete(request: pytest.FixtureRequest, gate: Gate) -> Complete:
    """The completions of a line in which `lab` is a client; texts without the dot that one of the two ways adds."""
    for number in range(200):
        gate.add(f"many.get_{number:03}", params=[{"name": "alpha"}, {"name": "beta"}])
    gate.add("deep.er.thing", params=[{"name": "gamma"}])
    marks = {"result": "tables", "query": "mat.query_table", "of": "table", "safe": True}
    gate.add(
        "mat.tables", ["nuclei", "synapses", "odd-name"], params=[{"name": "version"}], **{"x-labgate": marks}
    )
    config = Config({"HistoryManager": {"enabled": False}, "IPCompleter": {"use_jedi": request.param}})
    shell = InteractiveShell(config=config)
    shell.user_ns.update({"lab": labgate.connect(gate.url), "labgate": labgate})
    completer = shell.Completer

    def found(line: str) -> set[str]:
        with provisionalcompleter():
            return {one.text.lstrip(".") for one in completer.completions(line, len(line))}

    return found


def test_namespaces_are_completed_and_nothing_else(complete: Complete) -> None:
    assert complete("lab.") == {"deep", "jobs", "many", "mat"}


def test_methods_are_completed(complete: Complete) -> None:
    assert complete("lab.jobs.") == {"anything", "enqueue_job", "get_job", "list_lanes"}
    assert complete("lab.jobs.get") == {"get_job"}
    assert len(complete("lab.many.get_")) == 200
    assert complete("lab.deep.er.") == {"thing"}


@pytest.mark.parametrize(
    "line",
    ["lab.jobs.get_job(lan", "lab.jobs.get_job('P3', lan", "x = lab.jobs.get_job('P3', job_uid='J1', lan"],
)
def test_keyword_arguments_are_completed(complete: Complete, line: str) -> None:
    assert "lane=" in complete(line)


def test_keyword_arguments_of_nested_methods_are_completed(complete: Complete) -> None:
    assert "gamma=" in complete("lab.deep.er.thing(gam")
    assert "alpha=" in complete("lab.many.get_042(al")


def test_the_packages_own_functions_are_completed(complete: Complete) -> None:
    assert "connect" in complete("labgate.con")


def test_completion_makes_no_request_and_touches_no_more_than_it_shows(
    gate: Gate, complete: Complete
) -> None:
    before = len(gate.requests)
    for line in ("lab.", "lab.many.", "lab.jobs.get_job(", "lab.many.get_001(al"):
        complete(line)
    assert len(gate.requests) == before


def test_wire_names_are_completed_in_brackets(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    assert "jobs.get_job" in lab._ipython_key_completions_()
    assert "get_job" in lab.jobs._ipython_key_completions_()


def test_tables_and_what_they_have_are_completed(complete: Complete) -> None:
    assert complete("lab.mat.") == {"tables"}
    assert {"nuclei", "synapses", "find"} <= complete("lab.mat.tables.")
    assert complete("lab.mat.tables.nuc") == {"nuclei"}
    assert {"query", "get_all", "fields"} <= complete("lab.mat.tables.nuclei.")
    assert "version=" in complete("lab.mat.tables(ver")
