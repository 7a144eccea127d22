"""What would happen to a call is asked about with what the call would send, and nothing is called."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

import labgate
from labgate.errors import BadReply, Forbidden, NotFound
from tests.sdk.conftest import TOKEN, Gate, ScriptedError
from tests.sdk.test_sdk_cli import on_a_terminal, run

TOLD = {
    "method": "jobs.get_job",
    "service": "jobs",
    "outcome": "hit",
    "why": "it is stored, and still fresh",
    "policy": {"number": 1, "to": "group:lab", "allow": "jobs.*"},
    "rule": None,
    "void_by": ["service:jobs", "tag:jobs"],
    "in_flight": False,
}


@pytest.fixture
def explaining(gate: Gate) -> Gate:
    """A gate that explains every call so."""
    gate.answers["rpc.explain"] = lambda _: TOLD
    return gate


@pytest.fixture
def lab(explaining: Gate) -> Any:
    return labgate.connect(explaining.url, token=TOKEN)


def test_the_question_holds_what_the_call_would_send(lab: Any, explaining: Gate) -> None:
    said = labgate.explain(lab, "jobs.get_job", "P3", job_uid="J1")
    assert said == TOLD
    lab.jobs.get_job("P3", job_uid="J1")
    asked, called = explaining.calls()
    assert asked["method"] == "rpc.explain"
    assert asked["params"] == {"method": called["method"], "params": called["params"]}
    labgate.explain(lab, "jobs.list_lanes")
    assert explaining.calls()[-1]["params"] == {"method": "jobs.list_lanes"}


def test_the_options_of_the_client_count(lab: Any, explaining: Gate) -> None:
    labgate.explain(lab(fresh=True), "jobs.list_lanes")
    assert explaining.requests[-1][2]["cache-control"] == "no-cache"
    stacked = labgate.connect(explaining.url, token=TOKEN, datastack="fly")
    labgate.explain(stacked, "jobs.list_lanes")
    assert explaining.requests[-1][1] == "/rpc?datastack=fly"


def test_arguments_are_checked_as_the_call_checks_them(lab: Any, explaining: Gate) -> None:
    before = len(explaining.requests)
    with pytest.raises(TypeError, match="job_uid"):
        labgate.explain(lab, "jobs.get_job", "P3")
    with pytest.raises(NotFound, match="get_jbo"):
        labgate.explain(lab, "jobs.get_jbo")
    with pytest.raises(NotFound, match="namespace"):
        labgate.explain(lab, "jobs")
    assert not [one for one in explaining.requests[before:] if one[0] == "POST"]


def test_what_the_gate_refuses_is_the_error_of_the_call(lab: Any, explaining: Gate) -> None:
    def refuse(_: Any) -> None:
        raise ScriptedError(-32002, "no policy allows it", data={"fault": "Forbidden"})

    explaining.answers["rpc.explain"] = refuse
    with pytest.raises(Forbidden, match="no policy allows it"):
        labgate.explain(lab, "jobs.list_lanes")
    explaining.answers["rpc.explain"] = lambda _: [1]
    with pytest.raises(BadReply, match="no object"):
        labgate.explain(lab, "jobs.list_lanes")


def test_an_argument_may_be_called_like_a_parameter_of_explain(explaining: Gate) -> None:
    explaining.add("jobs.odd", 1, params=[{"name": "method"}, {"name": "client"}])
    lab = labgate.connect(explaining.url, token=TOKEN)
    labgate.explain(lab, "jobs.odd", method="a", client="b")
    assert explaining.calls()[-1]["params"]["params"] == {"method": "a", "client": "b"}


def test_it_is_shown_as_lines_that_do_not_steer_the_terminal(lab: Any, explaining: Gate) -> None:
    text = repr(labgate.explain(lab, "jobs.list_lanes"))
    assert text.splitlines()[0] == "jobs.get_job: hit, it is stored, and still fresh"
    assert "  policy     number 1, to group:lab, allow jobs.*" in text.splitlines()
    assert "  void by    service:jobs, tag:jobs" in text.splitlines()
    assert "  in flight  no" in text.splitlines()
    explaining.answers["rpc.explain"] = lambda _: {**TOLD, "why": "\x1b[31mred", "a\x1b": "\x1b"}
    assert "\x1b" not in repr(labgate.explain(lab, "jobs.list_lanes"))


def test_an_explanation_is_a_dictionary_like_any_other(lab: Any) -> None:
    said = labgate.explain(lab, "jobs.list_lanes")
    assert json.loads(json.dumps(said)) == TOLD == copy.deepcopy(said)


def test_on_the_command_line_it_is_json_in_a_pipe_and_lines_on_a_terminal(explaining: Gate) -> None:
    words = ("explain", "jobs.get_job", "project_uid=P3", "job_uid=J1")
    ended = run(*words, url=explaining.url)
    assert (ended.returncode, json.loads(ended.stdout)) == (0, TOLD)
    assert explaining.calls()[-1]["params"]["params"] == {"project_uid": "P3", "job_uid": "J1"}
    assert on_a_terminal(*words, url=explaining.url).startswith("jobs.get_job: hit, it is stored")
    ended = run("explain", "jobs.get_jbo", url=explaining.url)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Did you mean jobs.get_job?" in ended.stderr
