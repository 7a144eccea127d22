"""What is in the lab: projects, workspaces, jobs, and what belongs to them."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import Any

Doc = dict[str, Any]

SLOTS = {
    "particle": ("blob", "ctf", "location", "alignments2D"),
    "exposure": ("movie_blob", "micrograph_blob", "ctf"),
}
"""The slots of each type of result."""
USER = "62f0e3a5c0ffee0000000001"


class LabError(Exception):
    """What a method refuses: a code, a text, and data for the caller."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


@dataclass
class Lab:
    """Everything that the servers share. `calls` counts what ran, by method."""

    license: str
    jobs: dict[tuple[str, str], Doc] = field(default_factory=dict)
    workspaces: dict[tuple[str, str], Doc] = field(default_factory=dict)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    assets: dict[str, tuple[bytes, str, str]] = field(default_factory=dict)
    datasets: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        """One project, P3, with a workspace, a job and a file."""
        self._numbers = itertools.count(42)
        self.projects: dict[str, Doc] = {
            uid: {
                "uid": uid,
                "title": f"Project {uid}",
                "project_dir": f"/bulk/{uid}",
                "deleted": False,
                "owner_user_id": USER,
            }
            for uid in ("P3", "P4")
        }
        self.workspace("P3", "First", None)
        self.job("P3", "W1", "import_micrographs")
        self.files["P3", "notes.txt"] = b"Notes of P3.\n"
        self.assets["5f00"] = (b"\x89PNG demo", "image/png", "plot.png")

    # --- making

    def workspace(self, project: str, title: str, desc: str | None) -> str:
        """A new workspace."""
        self.project(project)
        uid = f"W{len(self.workspaces) + 1}"
        self.workspaces[project, uid] = {
            "uid": uid,
            "project_uid": project,
            "title": title,
            "description": desc,
        }
        return uid

    def job(self, project: str, workspace: str | None, kind: str, **more: Any) -> str:
        """A new job, still being built."""
        self.project(project)
        with self.lock:
            uid = f"J{next(self._numbers)}"
            self.jobs[project, uid] = {
                "uid": uid,
                "project_uid": project,
                "workspace_uids": [workspace] if workspace else [],
                "job_type": kind,
                "type": kind,
                "status": "building",
                "title": more.get("title"),
                "description": more.get("desc"),
                "params_spec": {},
                "params_base": {"box_size": {"type": "number", "base": "number", "value": None}},
                "input_slot_groups": [],
                "output_result_groups": [],
                "output_results": [],
                "deleted": False,
            }
        return uid

    # --- finding

    def project(self, uid: str) -> Doc:
        """The project of this id."""
        if uid not in self.projects:
            raise LabError(-32602, f"no project {uid}")
        return self.projects[uid]

    def find(self, project: str, uid: str) -> Doc:
        """The job of this id."""
        found = self.jobs.get((project, uid))
        if found is None:
            raise LabError(-32602, f"no job {project} {uid}")
        return found

    def group(self, project: str, uid: str, name: str) -> Doc:
        """A result of a job."""
        for one in self.find(project, uid)["output_result_groups"]:
            if one["name"] == name:
                return dict(one)
        raise LabError(-32602, f"job {uid} has no output {name}")
