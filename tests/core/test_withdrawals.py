"""Laws of taking services out of service until further notice: what is asked for, and what callers are told."""

import pytest

from gateway.core.faults import BadRequest
from gateway.core.switches import Switches, Wish
from gateway.core.withdrawals import Withdrawal, asked_for, told

NOON = 1767268800.0  # 2026-01-01T12:00:00Z
SERVICES = ("jobs", "minnie65/roots")


def test_the_whole_of_what_is_asked_for_is_read():
    said = {"service": "jobs", "state": "drained", "message": "new disks", "until": NOON + 60}
    one = Withdrawal("drained", "ada", NOON, "new disks", NOON + 60)
    assert asked_for(said, SERVICES, "ada", NOON) == ("jobs", one)
    assert asked_for({"service": "jobs", "state": "enabled"}, SERVICES, "ada", NOON) == (
        "jobs",
        Withdrawal("enabled", "ada", NOON),
    )
    plain = Withdrawal("disabled", "ada", NOON)
    said = {"service": "minnie65/roots", "state": "disabled"}
    assert asked_for(said, SERVICES, "ada", NOON) == ("minnie65/roots", plain)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (7, "as a JSON object"),
        ({}, "no service is called None"),
        ({"service": "job", "state": "drained"}, "perhaps jobs"),
        ({"service": ["jobs"], "state": "drained"}, "no service is called"),
        ({"service": "jobs"}, "enabled, drained, disabled"),
        ({"service": "jobs", "state": ["drained"]}, "enabled, drained, disabled"),
        ({"service": "jobs", "state": "drained", "message": "two\nlines"}, "one line"),
        ({"service": "jobs", "state": "drained", "message": "x" * 1001}, "one line"),
        ({"service": "jobs", "state": "drained", "until": NOON}, "yet to come"),
        ({"service": "jobs", "state": "drained", "until": True}, "yet to come"),
        ({"service": "jobs", "state": "drained", "until": float("inf")}, "yet to come"),
        ({"service": "jobs", "state": "drained", "until": float("nan")}, "yet to come"),
        ({"service": "jobs", "state": "drained", "till": 7}, "there is no till"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_right(said, words):
    with pytest.raises(BadRequest, match=words):
        asked_for(said, SERVICES, "ada", NOON)


def test_callers_hear_what_was_done_when_until_when_and_why_but_not_by_whom():
    fault = Withdrawal("drained", "ada", NOON, "new disks", NOON + 7200.5).refusal("jobs", NOON + 0.25)
    assert fault.message == (
        "The service 'jobs' takes no calls: an operator drained it at 2026-01-01T12:00:00Z, "
        "until 2026-01-01T14:00:00Z: new disks."
    )
    assert fault.data["retry_after"] == 7201


@pytest.mark.parametrize("now", [NOON + 50, NOON + 3600])
def test_who_comes_shortly_before_the_time_or_after_it_is_told_to_come_again_soon(now):
    assert Withdrawal("drained", "ada", NOON, "", NOON + 60).refusal("jobs", now).data["retry_after"] == 30


def test_only_of_what_is_disabled_or_cordoned_nobody_gets_anything():
    switches = Switches()
    drained, disabled = Withdrawal("drained", "ada", NOON), Withdrawal("disabled", "ada", NOON, "broken")
    switches.withdraw({"jobs": drained, "files": disabled})
    assert switches.closed == {"files"}
    switches.change(Wish(cordon={"jobs": True}), "ada", NOON)
    assert switches.closed == {"files", "jobs"}
    assert switches.hinder
    switches.withdraw({})
    assert switches.closed == {"jobs"}
    switches.change(Wish(cordon={"jobs": False}), "ada", NOON)
    assert (switches.closed, switches.hinder) == (frozenset(), False)


def test_what_the_operator_says_is_what_callers_read_in_the_lists():
    switches = Switches()
    switches.withdraw({"jobs": Withdrawal("drained", "ada", NOON, "new disks")})
    assert switches.notice("jobs") == "new disks"
    assert switches.why("jobs") == "an operator drained it at 2026-01-01T12:00:00Z: new disks"
    assert (switches.notice("files"), switches.why("files")) == ("", None)


def test_operators_see_every_service():
    found = told(SERVICES, {"jobs": Withdrawal("drained", "ada", NOON)})
    assert found["minnie65/roots"] == {"state": "enabled"}
    assert (found["jobs"]["state"], found["jobs"]["by"], found["jobs"]["until"]) == ("drained", "ada", None)
