"""What does the job manager say about itself?"""

import uuid
from typing import Any

import pytest

TYPES = {"bit", "num", "str", "arr", "obj", "any", "nil"}

METHODS = {
    "get_version", "test_connection", "echo",
    "list_projects", "create_project", "get_project", "list_workspaces", "create_workspace", "get_workspace",
    "list_images", "get_image", "image_statistics", "import_image", "delete_image",
    "list_job_types", "get_job_type", "get_lanes", "get_scheduler_status",
    "list_jobs", "make_job", "set_job_param", "connect_job_input", "enqueue_job", "get_job", "get_job_status",
    "get_job_log", "wait_job", "get_job_result", "kill_job", "clear_job", "delete_job",
}  # fmt: skip

UNSAFE = {
    "create_project", "create_workspace", "import_image", "delete_image", "make_job", "set_job_param",
    "connect_job_input", "enqueue_job", "kill_job", "clear_job", "delete_job",
}  # fmt: skip


@pytest.fixture(scope="module")
def described(jobs: Any) -> dict[str, Any]:
    """The answer to system.describe."""
    answer = jobs.call("system.describe")
    assert isinstance(answer, dict)
    return answer


def test_the_service_describes_itself_in_the_shape_of_the_working_draft(described: dict[str, Any]) -> None:
    assert described["sdversion"] == "1.0"
    assert described["name"] == "Demo job manager"
    assert uuid.UUID(described["id"].removeprefix("urn:uuid:"))
    assert described.keys() == {"sdversion", "name", "id", "version", "summary", "procs"}


def test_every_procedure_has_a_summary_types_and_says_whether_it_is_idempotent(
    described: dict[str, Any],
) -> None:
    for proc in described["procs"]:
        assert proc.keys() == {"name", "summary", "help", "idempotent", "params", "return"}
        assert proc["help"].startswith(proc["summary"])
        assert proc["summary"].endswith(".")
        assert {proc["return"]["type"], *(param["type"] for param in proc["params"])} <= TYPES


def test_the_description_lists_all_methods_but_itself(described: dict[str, Any]) -> None:
    assert {proc["name"] for proc in described["procs"]} == METHODS


def test_only_what_changes_nothing_is_idempotent(described: dict[str, Any]) -> None:
    assert {proc["name"] for proc in described["procs"] if not proc["idempotent"]} == UNSAFE


def test_params_and_return_types_come_from_the_functions_annotations(described: dict[str, Any]) -> None:
    procs = {proc["name"]: proc for proc in described["procs"]}
    assert procs["make_job"]["params"] == [
        {"name": "job_type", "type": "str"},
        {"name": "project_uid", "type": "str"},
        {"name": "workspace_uid", "type": "str"},
        {"name": "params", "type": "obj"},
        {"name": "title", "type": "str"},
    ]
    assert [
        procs[name]["return"]["type"] for name in ("make_job", "test_connection", "list_jobs", "echo")
    ] == [
        "str",
        "bit",
        "arr",
        "any",
    ]


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_refuses_a_parameter_that_it_does_not_have(method: str, jobs: Any) -> None:
    failed = jobs.call(method, **{"no such parameter": 1})
    assert (failed.code, failed.name) == (-32602, "InvalidParamsError")


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_refuses_too_many_parameters(method: str, jobs: Any) -> None:
    assert jobs.call(method, *range(20)).code == -32602
