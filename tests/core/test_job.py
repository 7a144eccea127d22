"""What a result says of a job."""

import pytest

from gateway.core.job import FIRST, MOST, Progress, pause, progress_of

TOLD = {"status": "now.state", "done": ["completed"], "failed": ["killed"], "progress": "steps", "of": 10}


@pytest.mark.parametrize(
    ("result", "progress"),
    [
        (b'{"now": {"state": "running"}, "steps": 5}', Progress("running", 0.5)),
        (b'{"now": {"state": "completed"}, "steps": 10}', Progress("completed", 1.0, over=True)),
        (b'{"now": {"state": "killed"}}', Progress("killed", None, over=True, failed=True)),
        (b'{"now": {"state": null}, "steps": 99}', Progress(None, 1.0)),
        (b'{"now": "completed", "steps": true}', Progress()),
        (b'{"now": {"state": ["completed"]}, "steps": "5"}', Progress()),
        (b"[]", Progress()),
        (b"NaN", Progress()),
        (b'{"steps": -1}', Progress(None, 0.0)),
    ],
)
def test_state_and_progress_stand_where_the_rule_says(result, progress):
    assert progress_of(TOLD, result) == progress


def test_without_a_place_the_result_itself_is_the_state():
    assert progress_of({"done": ["done", "3"]}, b'"done"') == Progress("done", over=True)
    assert progress_of({"done": ["done", "3"]}, b"3") == Progress("3", over=True)
    assert progress_of({"done": ["done"]}, b'"doing"') == Progress("doing")


def test_who_says_nothing_new_is_asked_less_often():
    pauses = [pause(same) for same in range(100)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (FIRST, MOST)
