"""Laws of what is told of reloads."""

import pytest

from gateway.core.faults import Unavailable
from gateway.core.reloading import History, Outcome, asked

NOON = 1767268800.0


def values(history):
    return {(name, *labels): value for family in history.families() for name, labels, value in family.samples}


def test_the_last_one_that_did_something_is_remembered_and_all_are_counted():
    history = History(NOON)
    assert history.shown() == {"settings_of": NOON, "last": None}
    history.note(Outcome("reloaded", NOON + 1, "ada", ("+ limits.batch: 7",)))
    history.note(Outcome("unchanged", NOON + 2, "SIGHUP"))
    assert history.shown()["last"]["by"] == "ada"
    assert history.taken == NOON + 1
    found = values(history)
    assert found["labgate_reloads_total", ("what", "reloaded")] == 1
    assert found["labgate_reloads_total", ("what", "unchanged")] == 1
    assert found["labgate_settings_taken_seconds",] == NOON + 1


def test_a_refusal_stands_until_the_settings_can_be_used_and_changes_nothing_of_when_they_were_taken():
    history = History(NOON)
    history.note(Outcome("refused", NOON + 1, "SIGHUP", (), ("labgate.yaml:7: no",)))
    assert values(history)["labgate_reload_refused",] == 1
    assert history.taken == NOON
    # Whoever puts the old file back has ended it, too.
    history.note(Outcome("unchanged", NOON + 2, "a change of the files"))
    assert values(history)["labgate_reload_refused",] == 0


async def test_where_there_is_no_file_nobody_can_reload():
    with pytest.raises(Unavailable, match="without a settings file"):
        await asked(None, "ada", only_look=False)
