"""Waiting for a job: is it asked afresh, less often while nothing changes, and is its end seen whatever happens on the way?"""

from __future__ import annotations

import threading
from typing import Any

import pytest

import labgate
from labgate._at_once import at_once
from labgate._wait import Watch, member, pause
from labgate.errors import DeadlineExceeded, GateUnreachable, JobFailed, NotFound, SetupError
from tests.sdk.conftest import Gate, Handler, ScriptedError

pytestmark = pytest.mark.timeout(120)
QUICK = 0.001
PARAMS = [{"name": "project", "required": True}, {"name": "job", "required": True}]


class Jobs:
    """A service whose job goes through these states, one with each call, and stays at the last."""

    def __init__(self, *states: Any) -> None:
        self.states = list(states)
        self.asked: list[Any] = []

    def __call__(self, params: Any) -> Any:
        self.asked.append(params)
        found = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if isinstance(found, Exception):
            raise found
        return found


def running(*parts: float) -> list[dict[str, Any]]:
    return [{"state": "running", "done": {"steps": part}} for part in parts]


DONE = {"state": "completed", "done": {"steps": 50}}
JOB = {"status": "state", "done": ["completed"], "failed": ["killed"], "progress": "done.steps", "of": 50}


def client(gate: Gate, jobs: Jobs, job: Any = None) -> Any:
    notes = {"safe": True} if job is None else {"safe": True, "job": job}
    gate.add("runs.get_run", jobs, params=PARAMS, **{"x-labgate": notes})
    gate.add("runs.list", [], **{"x-labgate": {"safe": True}})
    return labgate.connect(gate.url)


def test_it_is_asked_again_until_the_answer_is_the_last(gate: Gate) -> None:
    jobs = Jobs(*running(0, 1), DONE)
    lab = client(gate, jobs)
    found = labgate.wait(
        lab.runs.get_run, "P3", job="J42", until=lambda run: run["state"] == "completed", every=QUICK
    )
    assert found == DONE
    assert jobs.asked == [{"project": "P3", "job": "J42"}] * 3


def test_every_answer_is_the_service_s_own_and_never_the_cache_s(gate: Gate) -> None:
    lab = client(gate, Jobs(*running(0, 1), DONE), JOB)
    labgate.wait(lab.runs.get_run, "P3", "J42", every=QUICK)
    posts = [headers for verb, _, headers, _ in gate.requests if verb == "POST"]
    assert [headers.get("cache-control") for headers in posts] == ["no-cache"] * 3


def test_what_the_gate_says_of_jobs_stands_for_until(gate: Gate) -> None:
    lab = client(gate, Jobs(*running(0, 1), DONE), JOB)
    assert labgate.wait(lab.runs.get_run, "P3", "J42", every=QUICK) == DONE


def test_a_namespace_will_do_whose_one_method_tells_of_jobs(gate: Gate) -> None:
    lab = client(gate, Jobs(*running(0), DONE), JOB)
    assert labgate.wait(lab.runs, "P3", "J42", every=QUICK) == DONE


def test_a_result_that_is_the_state_itself_is_one(gate: Gate) -> None:
    lab = client(gate, Jobs("queued", "running", "completed"), {"done": ["completed"]})
    assert labgate.wait(lab.runs, "P3", "J42", every=QUICK) == "completed"


def test_a_job_that_failed_is_an_error_with_its_last_answer(gate: Gate) -> None:
    lab = client(gate, Jobs(*running(0), {"state": "killed", "why": "x"}), JOB)
    with pytest.raises(JobFailed, match="killed") as told:
        labgate.wait(lab.runs, "P3", "J42", every=QUICK)
    assert told.value.data == {"state": "killed", "why": "x"}
    assert told.value.method == "runs.get_run"
    lab = client(gate, Jobs(*running(0, 7)))
    with pytest.raises(JobFailed) as told:
        labgate.wait(
            lab.runs.get_run,
            "P3",
            "J42",
            until=lambda run: run["state"] == "completed",
            failed=lambda run: run["done"]["steps"] > 5,
            every=QUICK,
        )
    assert told.value.data == running(7)[0]


def test_the_time_that_is_over_tells_the_last_answer(gate: Gate) -> None:
    lab = client(gate, Jobs(*running(3)), JOB)
    with pytest.raises(
        DeadlineExceeded, match=r"^runs\.get_run: the job did not come to its end within 0\.3 s"
    ) as told:
        labgate.wait(lab.runs, "P3", "J42", every=0.01, timeout=0.3)
    assert told.value.data == running(3)[0]
    assert "goes on" in told.value.hint


def test_a_call_that_takes_longer_than_all_the_time_there_is_ends_with_it(gate: Gate) -> None:
    free = threading.Event()
    gate.add("runs.get_run", lambda _: free.wait(60), params=PARAMS, **{"x-labgate": {"job": JOB}})
    lab = labgate.connect(gate.url)
    with pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"):
        labgate.wait(lab.runs, "P3", "J42", timeout=0.2)
    free.set()


def test_a_service_that_is_away_for_a_while_ends_nothing(gate: Gate) -> None:
    away = ScriptedError(-32003, "away", data={"fault": "UpstreamUnreachable"})
    later = ScriptedError(-32005, "later", data={"fault": "RateLimited", "retry_after": 0.001})
    lab = client(gate, Jobs(*running(0), away, later, away, DONE), JOB)(retries=0)
    assert labgate.wait(lab.runs, "P3", "J42", every=QUICK) == DONE


def test_a_gate_that_breaks_off_for_a_while_ends_nothing(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = Jobs(*running(0, 1, 2, 3), DONE)
    lab = client(gate, jobs, JOB)(retries=0)
    answer = Handler._answer

    def broken(self: Handler, *args: Any, **kwargs: Any) -> None:
        if len(jobs.asked) in (2, 3):
            self.connection.close()
            raise OSError
        answer(self, *args, **kwargs)

    monkeypatch.setattr(Handler, "_answer", broken)
    assert labgate.wait(lab.runs, "P3", "J42", every=QUICK) == DONE
    monkeypatch.setattr(Handler, "_answer", lambda *_: (_ for _ in ()).throw(OSError))
    with pytest.raises(GateUnreachable):  # but not for ever
        labgate.wait(lab.runs, "P3", "J42", every=0.0001)


def test_an_error_of_the_method_s_own_ends_it(gate: Gate) -> None:
    gone = ScriptedError(-32601, "no such run", data={"fault": "UnknownMethod"})
    lab = client(gate, Jobs(*running(0), gone), JOB)
    with pytest.raises(NotFound):
        labgate.wait(lab.runs, "P3", "J42", every=QUICK)


def test_progress_is_what_the_answers_tell(gate: Gate) -> None:
    told: list[tuple[int, int | None]] = []
    lab = client(gate, Jobs(*running(0, 10, 25), {"state": "running"}, DONE), JOB)
    labgate.wait(lab.runs, "P3", "J42", every=QUICK, progress=lambda *one: told.append(one))
    assert told == [(0, 100), (20, 100), (50, 100), (100, 100)]
    told.clear()
    lab = client(gate, Jobs(*running(0), DONE))
    labgate.wait(
        lab.runs.get_run,
        "P3",
        "J42",
        until=lambda run: run == DONE,
        every=QUICK,
        progress=lambda *one: told.append(one),
    )
    assert [total for _, total in told] == [None, None]


def test_whoever_hears_of_a_change_shortens_the_pause() -> None:
    watch = Watch("runs.get_run", lambda run: run == 2, None, None, every=1000.0, timeout=None)
    asked = threading.Event()
    answers = iter([1, 2])

    def ask(_: float | None) -> int:
        asked.set()
        return next(answers)

    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(at_once(watch.run(ask, False))))
    waiting.start()
    assert asked.wait(60)
    watch.changed.set()
    waiting.join(60)
    assert found == [2]


def test_pauses_grow_while_nothing_changes_to_ten_times_and_are_never_alike() -> None:
    assert pause(2.0, 0, 0.5) == 2.0
    grown = [pause(1.0, same, 0.5) for same in range(30)]
    assert grown == sorted(grown)
    assert grown[-1] == 10.0
    assert (pause(1.0, 0, 0.0), pause(1.0, 0, 1.0)) == (0.9, 1.1)
    assert pause(1.0, 10**9, 0.5) == 10.0


def test_a_path_leads_through_members_and_ends_in_nothing_elsewhere() -> None:
    answer = {"a": {"b": 1}}
    assert (member(answer, "a.b"), member(answer, "a.x"), member(answer, "a.b.c")) == (1, None, None)
    assert member("done", None) == "done"


def test_what_cannot_be_waited_for_is_refused_before_anything_is_asked(gate: Gate) -> None:
    jobs = Jobs(DONE)
    lab = client(gate, jobs)
    with pytest.raises(TypeError, match="say until="):
        labgate.wait(lab.runs.get_run, "P3", "J42")
    with pytest.raises(TypeError, match="does not say which method of runs"):
        labgate.wait(lab.runs, "P3", "J42")
    for wrong in (len, lab, "runs.get_run", None):
        with pytest.raises(TypeError, match="like lab"):
            labgate.wait(wrong, until=bool)
    for how in ({"every": 0}, {"timeout": -1}, {"every": True}):
        with pytest.raises(SetupError):
            labgate.wait(lab.runs.get_run, "P3", "J42", until=bool, **how)
    gate.add("runs.get_more", jobs, **{"x-labgate": {"job": JOB}})
    gate.add("runs.get_run", jobs, params=PARAMS, **{"x-labgate": {"job": JOB}})
    labgate.refresh(lab)
    with pytest.raises(TypeError, match=r"runs\.get_more, runs\.get_run; name one"):
        labgate.wait(lab.runs, "P3", "J42")
    assert jobs.asked == []
