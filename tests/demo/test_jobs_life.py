"""Through which states does a job go, and who may move it?"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.demo.jobs.lanes import LANES


def make(jobs: Any, job_type: str = "acquire", **params: Any) -> str:
    return str(jobs.call("make_job", job_type=job_type, project_uid="P1", params=params))


def make_endless(jobs: Any) -> str:
    return make(jobs, seconds=60, count=20)


def test_a_job_goes_from_building_to_completed_and_its_document_says_when(jobs: Any) -> None:
    uid = make(jobs, "blur", sigma=1.5)
    assert jobs.call("get_job_status", "P1", uid) == "building"
    assert jobs.call("get_job_log", "P1", uid) == []
    assert jobs.call("enqueue_job", "P1", uid) == "queued"
    assert jobs.call("wait_job", "P1", uid) == "completed"
    job = jobs.call("get_job", "P1", uid)
    assert (job["status"], job["queued_to_lane"], job["job_type"]) == ("completed", "default", "blur")
    assert job["params_spec"] == {"sigma": {"value": 1.5}}
    assert job["created_at"] <= job["queued_at"] <= job["started_at"] <= job["completed_at"]
    assert job["failed_at"] is job["killed_at"] is None
    assert job["errors_run"] == []
    lines = [line["text"] for line in jobs.call("get_job_log", "P1", uid)]
    assert (lines[0], lines[-1]) == ("Blur with a Gaussian: started", "completed")
    assert [line["text"] for line in jobs.call("get_job_log", "P1", uid, 6)] == lines[6:]


def test_a_job_that_cannot_be_done_fails_with_its_reason_and_makes_nothing(jobs: Any) -> None:
    odd = jobs.call("import_image", "odd", [[1.0, 2.0]])
    uid = make(jobs, "average")
    jobs.call("connect_job_input", "P1", uid, "micrographs", ["M1", odd])
    jobs.call("enqueue_job", "P1", uid)
    assert jobs.call("wait_job", "P1", uid) == "failed"
    (error,) = jobs.call("get_job", "P1", uid)["errors_run"]
    assert "all of one shape" in error["message"]
    assert jobs.call("get_job_result", "P1", uid).code == 409
    assert jobs.call("list_images", f"P1.{uid}") == []


def test_a_job_that_finds_no_particle_to_average_fails(jobs: Any) -> None:
    assert jobs.call("get_job_status", "P1", jobs.finish("average_particles", sensitivity=100)) == "failed"


def test_a_running_job_is_killed_at_once_and_its_lane_is_free_again(fresh_jobs: Any) -> None:
    first, second = make_endless(fresh_jobs), make(fresh_jobs, "blur")
    fresh_jobs.call("enqueue_job", "P1", first, "csworker")
    fresh_jobs.call("enqueue_job", "P1", second, "csworker")
    assert fresh_jobs.call("wait_job", "P1", second, 0) == "queued"
    assert fresh_jobs.call("get_scheduler_status")["csworker"]["queued"][-1] == f"P1.{second}"
    assert fresh_jobs.call("kill_job", "P1", first) == "killed"
    assert fresh_jobs.call("wait_job", "P1", second) == "completed"
    assert fresh_jobs.call("get_job_status", "P1", first) == "killed"
    assert fresh_jobs.call("get_scheduler_status")["csworker"] == {"queued": [], "running": []}


def test_a_queued_job_that_is_killed_never_runs(fresh_jobs: Any) -> None:
    blocker, waiting, last = make_endless(fresh_jobs), make(fresh_jobs, "blur"), make(fresh_jobs, "blur")
    for uid in (blocker, waiting, last):
        fresh_jobs.call("enqueue_job", "P1", uid, "csworker")
    assert fresh_jobs.call("kill_job", "P1", waiting) == "killed"
    fresh_jobs.call("kill_job", "P1", blocker)
    assert fresh_jobs.call("wait_job", "P1", last) == "completed"
    assert fresh_jobs.call("get_job", "P1", waiting)["started_at"] is None
    assert fresh_jobs.call("get_job_log", "P1", waiting) == []


def test_a_cleared_job_can_be_changed_and_run_again(jobs: Any) -> None:
    uid = jobs.finish("blur", sigma=1)
    made = jobs.call("get_job_result", "P1", uid, "blurred")
    assert jobs.call("set_job_param", "P1", uid, "sigma", 2).code == 409
    assert jobs.call("clear_job", "P1", uid) == "building"
    assert jobs.call("get_image", made[0]).code == 404
    assert jobs.call("get_job", "P1", uid)["completed_at"] is None
    assert jobs.call("set_job_param", "P1", uid, "sigma", 2) is True
    jobs.call("enqueue_job", "P1", uid)
    assert jobs.call("wait_job", "P1", uid) == "completed"
    assert jobs.call("get_job_result", "P1", uid, "blurred") == made


def test_a_killed_job_that_is_cleared_and_queued_anew_completes(fresh_jobs: Any) -> None:
    uid = make_endless(fresh_jobs)
    fresh_jobs.call("enqueue_job", "P1", uid)
    fresh_jobs.call("kill_job", "P1", uid)
    assert fresh_jobs.call("clear_job", "P1", uid) == "building"
    fresh_jobs.call("set_job_param", "P1", uid, "seconds", 0)
    fresh_jobs.call("enqueue_job", "P1", uid)
    assert fresh_jobs.call("wait_job", "P1", uid) == "completed"


def test_a_deleted_job_is_gone_with_its_images_and_its_uid_is_not_used_again(jobs: Any) -> None:
    uid = jobs.finish("blur")
    made = jobs.call("get_job_result", "P1", uid, "blurred")
    assert jobs.call("delete_job", "P1", uid) is True
    assert jobs.call("get_job", "P1", uid).code == 404
    assert jobs.call("get_image", made[0]).code == 404
    assert make(jobs) != uid


def test_what_is_queued_or_running_must_be_killed_first(jobs: Any) -> None:
    uid = make_endless(jobs)
    assert jobs.call("kill_job", "P1", uid).code == 409
    jobs.call("enqueue_job", "P1", uid)
    for method in ("enqueue_job", "clear_job", "delete_job", "get_job_result"):
        assert jobs.call(method, "P1", uid).code == 409
    assert jobs.call("kill_job", "P1", uid) == "killed"
    assert jobs.call("kill_job", "P1", uid).code == 409


def test_a_wrong_slot_is_error_422_whose_data_lists_the_slots(jobs: Any) -> None:
    uid = make(jobs, "threshold")
    failed = jobs.call("connect_job_input", "P1", uid, "particles", ["M1"])
    assert (failed.code, failed.name, failed.data) == (422, "SlotError", {"slots": ["micrographs"]})
    failed = jobs.call("get_job_result", "P1", uid, "nothing")
    assert (failed.code, failed.data) == (422, {"slots": ["masks", "fractions"]})


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("make_job", ["no such type", "P1"], 404),
        ("make_job", ["blur", "P9"], 404),
        ("make_job", ["blur", "P1", "W9"], 404),
        ("make_job", ["blur", "P1", "W1", {"sigma": 99}], -32602),
        ("make_job", ["blur", "P1", "W1", {"sigma": "2"}], -32602),
        ("make_job", ["blur", "P1", "W1", {"sigma": True}], -32602),
        ("make_job", ["blur", "P1", "W1", {"nothing": 1}], -32602),
        ("make_job", ["acquire", "P1", "W1", {"count": 1.5}], -32602),
        ("make_job", [1, "P1"], -32602),
        ("make_job", ["blur", "P1", None], -32602),
        ("enqueue_job", ["P1", "J0"], 404),
        ("enqueue_job", ["P1", "J1", "no such lane"], 404),
        ("connect_job_input", ["P1", "JOB", "micrographs", []], -32602),
        ("connect_job_input", ["P1", "JOB", "micrographs", [1]], -32602),
        ("connect_job_input", ["P1", "JOB", "micrographs", ["M0"]], 404),
        ("set_job_param", ["P1", "JOB", "nothing", 1], -32602),
        ("wait_job", ["P1", "JOB", 31], -32602),
        ("wait_job", ["P1", "JOB", -1], -32602),
        ("wait_job", ["P1", "JOB", float("nan")], -32602),
        ("get_job_log", ["P1", "JOB", 1.5], -32602),
        ("get_job_type", ["no such type"], 404),
        ("list_jobs", ["P9"], 404),
    ],
)
def test_a_wrong_argument_is_refused_with_a_code_that_says_how(
    method: str, params: list[Any], code: int, jobs: Any
) -> None:
    uid = make(jobs, "blur")
    assert jobs.call(method, *(uid if value == "JOB" else value for value in params)).code == code


def test_jobs_are_listed_by_workspace_and_status(fresh_jobs: Any) -> None:
    fresh_jobs.call("create_workspace", "P1", "Second")
    first, second = make(fresh_jobs, "blur"), fresh_jobs.call("make_job", "blur", "P1", "W2")
    fresh_jobs.call("enqueue_job", "P1", second)
    fresh_jobs.call("wait_job", "P1", second)

    def listed(**params: Any) -> list[str]:
        return [job["uid"] for job in fresh_jobs.call("list_jobs", project_uid="P1", **params)]

    assert listed() == [first, second]
    assert listed(workspace_uid="W2") == [second]
    assert listed(status="building") == [first]
    assert listed(workspace_uid="W1", status="completed") == []


def test_types_and_lanes_are_listed_with_what_they_take(jobs: Any) -> None:
    types = {kind["name"]: kind for kind in jobs.call("list_job_types")}
    assert types.keys() == {
        "acquire", "blur", "threshold", "count_particles", "average", "average_particles",
    }  # fmt: skip
    assert jobs.call("get_job_type", "blur") == types["blur"]
    assert types["blur"]["params"]["sigma"]["default"] == 2.0
    assert {lane["name"]: lane["slots"] for lane in jobs.call("get_lanes")} == LANES


def test_many_callers_at_once_get_different_jobs_that_all_complete(fresh_jobs: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        uids = list(pool.map(lambda n: fresh_jobs.finish("threshold", level=n / 10), range(24)))
    assert len(set(uids)) == 24
    assert {job["status"] for job in fresh_jobs.call("list_jobs", "P1")} == {"completed"}
