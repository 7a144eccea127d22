"""Switches: what is wished is read as a whole or not at all, and done once."""

import pytest

from gateway.core.faults import BadRequest
from gateway.core.switches import Cordon, Switches, Wish, wish_of

SERVICES = ("files", "jobs", "minnie65/roots")
NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


def test_everything_is_on_and_in_service_at_first():
    shown = Switches().shown(SERVICES)
    assert shown == {
        "lanes": "on",
        "cache": "on",
        "cordon": {"files": False, "jobs": False, "minnie65/roots": False},
    }


def test_only_what_is_named_changes():
    switches = Switches()
    assert switches.change(Wish(cache=False), "ada", NOON) == ("cache off",)
    assert (switches.lanes, switches.cache, switches.cordons) == (True, False, {})
    assert switches.change(Wish(lanes=False, cordon={"jobs": True}), "ada", NOON) == (
        "lanes off",
        "cordon jobs",
    )
    assert switches.change(Wish(cordon={"files": False, "jobs": False}), "ada", NOON) == ("uncordon jobs",)
    assert (switches.lanes, switches.cache, switches.cordons) == (False, False, {})


def test_to_wish_for_what_is_changes_nothing_and_the_first_who_cordoned_stays_named():
    switches = Switches()
    switches.change(Wish(cordon={"jobs": True}), "ada", NOON)
    assert switches.change(Wish(lanes=True, cordon={"jobs": True}), "bob", NOON + 60) == ()
    assert switches.cordons == {"jobs": Cordon("ada", NOON)}


def test_what_is_shown_can_be_sent_back_and_changes_nothing():
    switches = Switches()
    switches.change(Wish(cache=False, cordon={"jobs": True}), "ada", NOON)
    assert switches.change(wish_of(switches.shown(SERVICES), SERVICES), "bob", NOON + 60) == ()


def test_a_cordon_is_told_with_the_service_the_time_and_when_to_come_back_and_not_with_a_name():
    switches = Switches()
    switches.change(Wish(cordon={"minnie65/roots": True}), "ada", NOON)
    fault = switches.refusal("minnie65/roots", NOON)
    assert "'minnie65/roots'" in fault.message
    assert "an operator took it out of service at 2026-01-01T12:00:00Z" in fault.message
    assert "ada" not in fault.message
    assert fault.data["retry_after"] > 0
    assert fault.plain_status == fault.status == 503
    assert switches.why("jobs") is None


def test_the_whole_of_a_wish_is_read():
    said = {"lanes": "off", "cache": "on", "cordon": {"jobs": True, "minnie65/roots": False}}
    assert wish_of(said, SERVICES) == Wish(False, True, {"jobs": True, "minnie65/roots": False})


@pytest.mark.parametrize("said", [{}, [], "off", None, 1, [{"cache": "off"}]])
def test_a_body_that_names_nothing_is_told_what_to_say(said):
    with pytest.raises(BadRequest, match=r'\{"cache": "off"\}'):
        wish_of(said, SERVICES)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"cache": False}, 'cache is "on" or "off", not False'),
        ({"cache": "OFF"}, "'OFF'"),
        ({"lanes": ["off"]}, 'lanes is "on" or "off"'),
        ({"lane": "off"}, "no switch is called 'lane': there are lanes, cache and cordon"),
        ({"cordon": "jobs"}, 'cordon names services: {"SERVICE": true}'),
        ({"cordon": {"jobs": "on"}}, "cordon.jobs is true or false, not 'on'"),
        ({"cordon": {"jobs": 1}}, "cordon.jobs is true or false, not 1"),
        ({"cordon": {"job": True}}, r"no service is called 'job' \(perhaps jobs\)"),
        ({"cordon": {"x\ny" * 100: True}}, r"no service is called .*… \(GET /-/switches lists them\)"),
    ],
)
def test_what_is_unknown_or_misspelt_is_named_with_the_fix(said, told):
    with pytest.raises(BadRequest, match=told) as caught:
        wish_of(said, SERVICES)
    assert caught.value.message.isprintable()


def test_everything_that_is_wrong_is_named_at_once():
    with pytest.raises(BadRequest) as caught:
        wish_of({"cache": 0, "lane": "off", "cordon": {"a": True, "jobs": None}}, SERVICES)
    assert all(
        part in caught.value.message for part in ("Nothing was changed", "cache", "'lane'", "'a'", "jobs")
    )
