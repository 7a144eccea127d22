"""The methods of command_vis and command_rtp: external jobs, files and datasets."""

# ruff: noqa: A002, ARG002 - methods take what CryoSPARC's take
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.demo.command.lab import SLOTS, Doc, Lab, LabError


class Vis:
    """Methods by their names, each with the parameters that it takes."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.methods: Mapping[str, Callable[..., Any]] = {
            name: getattr(self, name) for name in dir(self) if not name.startswith("_") and name != "methods"
        }

    def create_external_job(
        self,
        project_uid: str,
        workspace_uid: str | None,
        user: str,
        title: str | None = None,
        desc: str | None = None,
    ) -> str:
        """A new job that is carried out elsewhere."""
        return self._lab.job(project_uid, workspace_uid, "snowflake", title=title, desc=desc)

    def create_external_result(
        self,
        project_uid: str,
        workspace_uid: str | None,
        type: str,
        user: str,
        name: str | None = None,
        slots: list[Any] | None = None,
        passthrough: str | None = None,
        title: str | None = None,
        desc: str | None = None,
    ) -> list[str]:
        """A new external job with one result."""
        self._check(type, slots or [])
        uid = self._lab.job(project_uid, workspace_uid, "snowflake", title=title, desc=desc)
        self._output(project_uid, uid, type, name or type, slots or [])
        return [uid, name or type]

    def add_external_job_input(
        self,
        project_uid: str,
        job_uid: str,
        type: str,
        name: str | None = None,
        **more: Any,
    ) -> str:
        """One more input of an external job."""
        job = self._lab.find(project_uid, job_uid)
        job["input_slot_groups"].append({"name": name or type, "type": type, "connections": [], **more})
        return name or type

    def add_external_job_output(
        self,
        project_uid: str,
        job_uid: str,
        type: str,
        name: str | None = None,
        slots: Any = None,
        **_: Any,
    ) -> str:
        """One more result of an external job."""
        self._check(type, slots or [])
        self._output(project_uid, job_uid, type, name or type, slots or [])
        return name or type

    def connect_external_job(
        self,
        project_uid: str,
        source_job_uid: str,
        source_output: str,
        target_job_uid: str,
        target_input: str,
        slots: Any = None,
        title: str = "",
        desc: str = "",
    ) -> bool:
        """Let an external job take what another gives."""
        self._lab.group(project_uid, source_job_uid, source_output)
        job = self._lab.find(project_uid, target_job_uid)
        connections = [{"job_uid": source_job_uid, "group_name": source_output}]
        job["input_slot_groups"].append({"name": target_input, "connections": connections})
        return True

    def list_project_files(self, project_uid: str, prefix: str = "", recursive: bool = False) -> list[str]:
        """The files of a project."""
        self._lab.project(project_uid)
        return sorted(
            path for project, path in self._lab.files if project == project_uid and path.startswith(prefix)
        )

    def list_job_files(self, project_uid: str, job_uid: str) -> list[Doc]:
        """The assets of a job."""
        self._lab.find(project_uid, job_uid)
        return [
            {"_id": number, "filename": name, "contentType": kind, "length": len(data)}
            for number, (data, kind, name) in sorted(self._lab.assets.items())
        ]

    def project_mkdir(
        self, project_uid: str, parents: bool = False, exist_ok: bool = False, **named: str
    ) -> None:
        """A new folder; versions of the tools call its path `path_rel` or `path`."""
        self._lab.files[project_uid, f"{_path(named)}/"] = b""

    def project_cp(self, project_uid: str, **named: str) -> None:
        """Copy a file."""
        self._lab.files[project_uid, _path(named, "target_")] = self._lab.files[
            project_uid, _path(named, "source_")
        ]

    project_symlink = project_cp

    def _check(self, kind: str, slots: list[Any]) -> None:
        known = SLOTS.get(kind)
        if known is None:
            raise LabError(-32602, f"no type {kind}")
        bad = [one for one in slots if isinstance(one, str) and one not in known]
        if bad:
            said = {
                "type": kind,
                "valid": [{"dtype": name, "prefix": name, "required": False} for name in known],
                "invalid": [{"dtype": name, "prefix": name, "required": False} for name in bad],
                "valid_dtypes": list(known),
            }
            raise LabError(422, f"invalid slots {bad}", {"slots": said})

    def _output(self, project: str, uid: str, kind: str, name: str, slots: list[Any]) -> None:
        job = self._lab.find(project, uid)
        names = [one if isinstance(one, str) else one["prefix"] for one in slots]
        contains = [
            {"uid": f"R{at}", "type": f"{kind}.{one}", "group_name": name, "name": one, "passthrough": False}
            for at, one in enumerate(names)
        ]
        job["output_result_groups"].append(
            {
                "uid": f"{uid}-G",
                "type": kind,
                "name": name,
                "contains": contains,
                "passthrough": False,
                "num_items": 0,
            }
        )
        job["output_results"] += [
            {**one, "metafiles": [f"{uid}/{name}.cs"], "versions": [0], "num_items": [0], "min_fields": []}
            for one in contains
        ]


class Rtp:
    """The methods of command_rtp; some have the names of others' methods."""

    def __init__(self) -> None:
        self.methods: Mapping[str, Callable[..., Any]] = {
            "test_connection": lambda: "rtp is there",
            "list_sessions": lambda project_uid=None: [{"session_uid": "S1", "project_uid": project_uid}],
        }


def _path(named: Mapping[str, str], before: str = "") -> str:
    return named.get(f"{before}path_rel") or named[f"{before}path"]
