"""Does a health view tell which service is down, and does it say so when the gate itself is?"""

from __future__ import annotations

import pytest

import labgate
from tests.sdk.conftest import Gate, running


@pytest.fixture
def lab_of_three(gate: Gate) -> Gate:
    gate.add("materialize.v3.query", 1)
    gate.about = {
        "namespaces": {
            "jobs": {"version": "4.7", "dialect": "jsonrpc"},
            "materialize": {"down": True, "version": "5.26", "summary": "<b>Tables</b>. More."},
            "files": {"mount": "/files"},
        }
    }
    return gate


def test_every_service_is_there_with_its_state_and_what_you_may_call(lab_of_three: Gate) -> None:
    status = labgate.status(labgate.connect(lab_of_three.url))
    assert [(one.name, one.up, one.methods) for one in status] == [
        ("files", True, 0),
        ("jobs", True, 4),
        ("materialize", False, 1),
    ]
    assert (status.down, status.reached, len(status)) == (("materialize",), True, 3)
    assert (status["files"].mount, status["jobs"].dialect) == ("/files", "jsonrpc")
    assert status["materialize"].summary.startswith("<b>Tables")
    with pytest.raises(KeyError):
        status["nothing"]


def test_the_state_is_asked_for_now(lab_of_three: Gate) -> None:
    lab = labgate.connect(lab_of_three.url)
    assert labgate.status(lab).down == ("materialize",)
    lab_of_three.about = {"namespaces": {"jobs": {"down": True}, "materialize": {}}}
    assert labgate.status(lab).down == ("jobs",)


def test_it_is_shown_as_a_table_in_which_nothing_is_markup(lab_of_three: Gate) -> None:
    lab_of_three.about["namespaces"]["jobs"]["version"] = "<i>4\x1b[31m"
    status = labgate.status(labgate.connect(lab_of_three.url))
    assert repr(status).splitlines()[-1].split() == ["materialize", "DOWN", "1", "5.26"]
    assert "\x1b" not in repr(status)
    assert "<i>" not in status._repr_html_()
    assert ">DOWN</span>" in status._repr_html_()
    assert repr(status["jobs"]) == "<jobs: up>"


def test_a_gate_that_does_not_answer_is_said_and_the_last_list_is_shown() -> None:
    with running(Gate()) as gate:
        gate.add("jobs.one", 1)
        lab = labgate.connect(gate.url)(retries=0, timeout=5)
    status = labgate.status(lab)
    assert not status.reached
    assert repr(status).startswith("the gate does not answer")
    assert "does not answer" in status._repr_html_()
    assert [one.name for one in status] == ["jobs"]


@pytest.mark.parametrize("about", [None, [], {"jobs": 5}, {"jobs": {"version": 5, "mount": 7, "down": "x"}}])
def test_a_list_that_says_it_badly_still_gives_a_view(gate: Gate, about: object) -> None:
    gate.about = {"namespaces": about}
    status = labgate.status(labgate.connect(gate.url))
    assert [(one.name, one.up, one.version, one.mount) for one in status] == [("jobs", True, "", None)]
