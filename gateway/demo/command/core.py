"""The methods of command_core: projects, workspaces, jobs, lanes."""

# ruff: noqa: ARG002 - methods take what CryoSPARC's take
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.demo.command.lab import USER, Doc, Lab, LabError


class Core:
    """Methods by their names, each with the parameters that it takes."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.methods: Mapping[str, Callable[..., Any]] = {
            name: getattr(self, name) for name in dir(self) if not name.startswith("_") and name != "methods"
        }

    def test_connection(self) -> bool:
        """Whether the service is there."""
        return True

    def get_running_version(self) -> str:
        """The version that runs."""
        return "v4.7.1"

    def get_id_by_email_password(self, email: str, password: str) -> str:
        """Who a user is; passwords come as digests."""
        if not email or not password or password == "wrong":  # noqa: S105 - what is refused
            raise LabError(-32000, "invalid email or password")
        return USER

    def get_scheduler_lanes(self) -> list[Doc]:
        """The lanes that jobs wait in."""
        return [{"name": "default", "type": "node", "title": "Lane default (node)", "desc": ""}]

    def get_scheduler_targets(self) -> list[Doc]:
        """The machines that jobs run on."""
        return [
            {
                "name": "gpu1",
                "lane": "default",
                "type": "node",
                "hostname": "gpu1",
                "gpus": [{"id": 0, "mem": 11 << 30, "name": "demo"}],
            }
        ]

    def get_job_sections(self) -> list[Doc]:
        """Which kinds of jobs there are."""
        return [{"name": "import", "title": "Imports", "contains": ["import_micrographs"], "description": ""}]

    def get_project(self, project_uid: str) -> Doc:
        """A project."""
        return self._lab.project(project_uid)

    def get_project_dir_abs(self, project_uid: str) -> str:
        """Where the files of a project are."""
        return str(self._lab.project(project_uid)["project_dir"])

    def get_workspace(self, project_uid: str, workspace_uid: str) -> Doc:
        """A workspace."""
        found = self._lab.workspaces.get((project_uid, workspace_uid))
        if found is None:
            raise LabError(-32602, f"no workspace {workspace_uid}")
        return found

    def create_empty_workspace(
        self, project_uid: str, created_by_user_id: str, title: str | None = None, desc: str | None = None
    ) -> str:
        """A new workspace."""
        return self._lab.workspace(project_uid, title or "", desc)

    def make_job(
        self,
        job_type: str,
        project_uid: str,
        workspace_uid: str,
        user_id: str,
        params: Doc | None = None,
        input_group_connects: Doc | None = None,
        title: str | None = None,
        desc: str | None = None,
    ) -> str:
        """A new job."""
        uid = self._lab.job(project_uid, workspace_uid, job_type, title=title, desc=desc)
        self._lab.find(project_uid, uid)["params_spec"] = {k: {"value": v} for k, v in (params or {}).items()}
        return uid

    def get_job(self, project_uid: str, job_uid: str) -> Doc:
        """A job."""
        return self._lab.find(project_uid, job_uid)

    def get_job_dir_abs(self, project_uid: str, job_uid: str) -> str:
        """Where the files of a job are."""
        self._lab.find(project_uid, job_uid)
        return f"/bulk/{project_uid}/{job_uid}"

    def enqueue_job(
        self,
        project_uid: str,
        job_uid: str,
        lane: str | None = None,
        user_id: str | None = None,
        hostname: str | None = None,
        gpus: Any = False,
    ) -> str:
        """Let a job begin; here it ends at once."""
        self._lab.find(project_uid, job_uid)["status"] = "completed"
        return "queued"

    def kill_job(self, project_uid: str, job_uid: str, killed_by_user_id: str | None = None) -> None:
        """End a job."""
        self._lab.find(project_uid, job_uid)["status"] = "killed"

    def clear_job(self, project_uid: str, job_uid: str) -> None:
        """Take back what a job has made."""
        self._lab.find(project_uid, job_uid)["status"] = "building"

    def job_set_param(self, project_uid: str, job_uid: str, param_name: str, param_new_value: Any) -> bool:
        """Set a parameter of a job."""
        job = self._lab.find(project_uid, job_uid)
        if job["status"] != "building":
            raise LabError(-32000, f"job {job_uid} is not being built")
        job["params_spec"][param_name] = {"value": param_new_value}
        return True

    def job_connect_group(self, project_uid: str, source_group: str, dest_group: str) -> bool:
        """Let a job take what another gives."""
        source, dest = source_group.split("."), dest_group.split(".")
        self._lab.group(project_uid, *source)
        job = self._lab.find(project_uid, dest[0])
        job["input_slot_groups"].append(
            {"name": dest[1], "connections": [{"job_uid": source[0], "group_name": source[1]}]}
        )
        return True

    def job_connected_group_clear(self, project_uid: str, dest_group: str, connect_idx: int) -> bool:
        """Take a connection back."""
        uid, name = dest_group.split(".")
        job = self._lab.find(project_uid, uid)
        job["input_slot_groups"] = [one for one in job["input_slot_groups"] if one["name"] != name]
        return True

    def interactive_post(
        self, project_uid: str, job_uid: str, endpoint: str, body: Any = None, timeout: Any = None
    ) -> Any:
        """Ask an interactive job."""
        self._lab.find(project_uid, job_uid)
        return {"endpoint": endpoint, "body": body}

    def job_send_streamlog(
        self,
        project_uid: str,
        job_uid: str,
        message: str,
        error: bool = False,
        flags: Any = None,
        imgfiles: Any = None,
    ) -> str:
        """Write into a job's log."""
        self._lab.find(project_uid, job_uid)
        return "event"

    def job_checkpoint_streamlog(self, project_uid: str, job_uid: str, meta: Doc | None = None) -> str:
        """Mark a place in a job's log."""
        self._lab.find(project_uid, job_uid)
        return "checkpoint"

    def run_external_job(self, project_uid: str, job_uid: str, status: str = "waiting") -> None:
        """Say that a job outside has begun."""
        self._lab.find(project_uid, job_uid)["status"] = status

    def set_job_status(self, project_uid: str, job_uid: str, status: str) -> None:
        """Say how a job outside goes on."""
        self._lab.find(project_uid, job_uid)["status"] = status

    def get_total(self, values: list[Any]) -> Any:
        """The sum of numbers, of any size."""
        return sum(values)
