"""What does the service remember? Projects, workspaces, jobs and images, all behind one lock."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

from gateway.demo.jobs.arrays import Pixels
from gateway.demo.jobs.errors import ConflictError, NotFoundError
from gateway.demo.jobs.kinds import Kind, Run

Record = TypeVar("Record")

MAX_IMAGES = 500
MAX_JOBS = 10_000
MAX_PROJECTS = 1_000

ACTIVE = frozenset({"queued", "running"})


def now() -> str:
    """The present moment in UTC, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: `pixels` has shape (rows, columns) and is never written to; `source` says where it is from."""

    uid: str
    name: str
    source: str
    pixels: Pixels

    def as_json(self) -> dict[str, Any]:
        """Everything but the pixels."""
        return {
            "uid": self.uid,
            "name": self.name,
            "source": self.source,
            "shape": list(self.pixels.shape),
            "dtype": self.pixels.dtype.str,
        }


@dataclass(slots=True)
class Workspace:
    """A place for jobs within a project."""

    uid: str
    title: str
    created_at: str = field(default_factory=now)


@dataclass(slots=True)
class Job:
    """One job. Its `status` is building, queued, running, completed, failed or killed."""

    uid: str
    project_uid: str
    workspace_uid: str
    kind: Kind
    title: str
    params: dict[str, Any]
    inputs: dict[str, list[str]] = field(default_factory=dict)
    created_at: str = field(default_factory=now)
    status: str = "building"
    lane: str | None = None
    times: dict[str, str | None] = field(default_factory=dict)
    error: str | None = None
    run: Run | None = None

    def reset(self) -> None:
        """Back to building: what an earlier run left is forgotten."""
        self.status, self.lane, self.error, self.run = "building", None, None, None
        self.times = {}

    def as_json(self) -> dict[str, Any]:
        """The job's document, in CryoSPARC's names."""
        return {
            "uid": self.uid,
            "project_uid": self.project_uid,
            "workspace_uids": [self.workspace_uid],
            "job_type": self.kind.name,
            "title": self.title,
            "status": self.status,
            "params_spec": {name: {"value": value} for name, value in self.params.items()},
            "input_slots": {slot: self.inputs.get(slot, []) for slot in self.kind.inputs},
            "output_slots": list(self.kind.outputs),
            "queued_to_lane": self.lane,
            "created_at": self.created_at,
            "queued_at": self.times.get("queued"),
            "started_at": self.times.get("running"),
            "completed_at": self.times.get("completed"),
            "failed_at": self.times.get("failed"),
            "killed_at": self.times.get("killed"),
            "errors_run": [] if self.error is None else [{"message": self.error}],
        }


@dataclass(slots=True)
class Project:
    """A project with its workspaces and jobs, by uid."""

    uid: str
    title: str
    description: str
    created_at: str = field(default_factory=now)
    workspaces: dict[str, Workspace] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    jobs_made: int = 0

    def as_json(self) -> dict[str, Any]:
        """The project's document."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "created_at": self.created_at,
            "workspaces": list(self.workspaces),
            "jobs": list(self.jobs),
        }


class Store:
    """All records, in memory. Whoever reads or writes them holds `changed`, and notifies it after a write."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.projects: dict[str, Project] = {}
        self.images: dict[str, Image] = {}
        self.images_made = 0

    def project(self, project_uid: str) -> Project:
        """The project, or NotFoundError."""
        return _found(self.projects, project_uid, "project")

    def workspace(self, project_uid: str, workspace_uid: str) -> Workspace:
        """The workspace, or NotFoundError."""
        return _found(self.project(project_uid).workspaces, workspace_uid, f"workspace in {project_uid}")

    def job(self, project_uid: str, job_uid: str) -> Job:
        """The job, or NotFoundError."""
        return _found(self.project(project_uid).jobs, job_uid, f"job in {project_uid}")

    def image(self, image_uid: str) -> Image:
        """The image, or NotFoundError."""
        return _found(self.images, image_uid, "image")

    def keep(self, *images: Image) -> None:
        """Store images, all or (ConflictError) none; their pixels are frozen."""
        if len(self.images) + len(images) > MAX_IMAGES:
            raise ConflictError(f"the service keeps at most {MAX_IMAGES} images; delete some")
        for image in images:
            image.pixels.flags.writeable = False
            self.images[image.uid] = image

    def forget_images_of(self, source: str) -> None:
        """Drop every image with this source."""
        for uid in [uid for uid, image in self.images.items() if image.source == source]:
            del self.images[uid]

    def make_room(self, kept: int, limit: int, what: str) -> None:
        """Raise ConflictError when one more would be too many."""
        if kept >= limit:
            raise ConflictError(f"the service keeps at most {limit} {what}")


def _found(records: Mapping[str, Record], uid: str, what: str) -> Record:
    try:
        return records[uid]
    except KeyError:
        raise NotFoundError(f"there is no {what} called {uid[:80]!r}") from None
