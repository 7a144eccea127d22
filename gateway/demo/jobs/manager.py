"""How does a job come into being, get its inputs, run, and give its results?"""

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gateway.demo.jobs.errors import ConflictError, InvalidParamsError, NotFoundError, ServiceError, SlotError
from gateway.demo.jobs.kinds import KINDS, JobFailedError, JobKilled, Kind, Picture, Run
from gateway.demo.jobs.lanes import LANES, Lanes
from gateway.demo.jobs.library import MICROSCOPE
from gateway.demo.jobs.records import ACTIVE, MAX_JOBS, Image, Job, Store, now
from gateway.demo.jobs.rpc import offered

log = logging.getLogger(__name__)

MAX_WAIT = 30.0
"""The longest that `wait_job` waits, seconds."""


class Manager:
    """The methods about jobs and lanes."""

    def __init__(self, store: Store, lanes: Lanes) -> None:
        self._store = store
        self._lanes = lanes

    # What can be run

    @offered(safe=True)
    def list_job_types(self) -> list[dict[str, Any]]:
        """List the types of jobs, with their parameters and slots."""
        return [kind.as_json() for kind in KINDS.values()]

    @offered(safe=True)
    def get_job_type(self, job_type: str) -> dict[str, Any]:
        """Get one type of job, with its parameters and slots."""
        return _kind(job_type).as_json()

    @offered(safe=True)
    def get_lanes(self) -> list[dict[str, Any]]:
        """List the lanes that jobs can be queued to."""
        return [{"name": name, "title": f"Lane {name}", "slots": slots} for name, slots in LANES.items()]

    @offered(safe=True)
    def get_scheduler_status(self) -> dict[str, Any]:
        """Get the queued and running jobs of every lane."""
        with self._store.changed:
            jobs = [job for project in self._store.projects.values() for job in project.jobs.values()]
        return {
            lane: {
                status: [
                    f"{job.project_uid}.{job.uid}" for job in jobs if (job.lane, job.status) == (lane, status)
                ]
                for status in ("queued", "running")
            }
            for lane in LANES
        }

    # Making jobs

    @offered(safe=True)
    def list_jobs(
        self, project_uid: str, workspace_uid: str | None = None, status: str | None = None
    ) -> list[dict[str, Any]]:
        """List the jobs of a project.

        workspace_uid, status: only those in this workspace, or with this status.
        """
        with self._store.changed:
            return [
                job.as_json()
                for job in self._store.project(project_uid).jobs.values()
                if workspace_uid in (None, job.workspace_uid) and status in (None, job.status)
            ]

    @offered()
    def make_job(
        self,
        job_type: str,
        project_uid: str,
        workspace_uid: str = "W1",
        params: dict[str, Any] | None = None,
        title: str = "",
    ) -> str:
        """Make a job and return its uid. It works on the microscope's images until it is given others.

        params: settings by name; the rest keep their defaults.
        """
        kind = _kind(job_type)
        for name, value in (params or {}).items():
            kind.check(name, value)
        with self._store.changed:
            project = self._store.project(project_uid)
            self._store.workspace(project_uid, workspace_uid)
            self._store.make_room(len(project.jobs), MAX_JOBS, "jobs in a project")
            project.jobs_made += 1
            uid = f"J{project.jobs_made}"
            settings = kind.defaults() | (params or {})
            project.jobs[uid] = Job(
                uid, project_uid, workspace_uid, kind, title[:200] or kind.title, settings
            )
            return uid

    @offered()
    def set_job_param(self, project_uid: str, job_uid: str, name: str, value: Any) -> bool:
        """Change a setting of a job that is still building."""
        with self._store.changed:
            job = self._building(project_uid, job_uid)
            job.kind.check(name, value)
            job.params[name] = value
            return True

    @offered()
    def connect_job_input(self, project_uid: str, job_uid: str, slot: str, image_uids: list[str]) -> bool:
        """Give a job that is still building the images that it shall work on.

        slot: the name of an input; a wrong one is error 422, whose data lists the right ones as `slots`.
        """
        with self._store.changed:
            job = self._building(project_uid, job_uid)
            _require_slot(job, slot, job.kind.inputs, "input")
            if not image_uids or not all(isinstance(uid, str) for uid in image_uids):
                raise InvalidParamsError("image_uids must be a list of at least one image's uid")
            for uid in image_uids:
                self._store.image(uid)
            job.inputs[slot] = list(image_uids)
            return True

    # Running jobs

    @offered()
    def enqueue_job(self, project_uid: str, job_uid: str, lane: str = "default") -> str:
        """Queue a job to a lane and return its status."""
        if lane not in LANES:
            raise NotFoundError(f"there is no lane called {lane[:80]!r}; there are: {', '.join(LANES)}")
        with self._store.changed:
            job = self._building(project_uid, job_uid)
            job.run = Run(dict(job.params), self._pictures(job))
            job.lane = lane
            self._move(job, "queued")
            self._lanes.submit(lane, partial(self._carry_out, job, job.run))
            return job.status

    @offered(safe=True)
    def get_job(self, project_uid: str, job_uid: str) -> dict[str, Any]:
        """Get a job's document."""
        with self._store.changed:
            return self._store.job(project_uid, job_uid).as_json()

    @offered(safe=True)
    def get_job_status(self, project_uid: str, job_uid: str) -> str:
        """Get a job's status: building, queued, running, completed, failed or killed."""
        with self._store.changed:
            return self._store.job(project_uid, job_uid).status

    @offered(safe=True)
    def get_job_log(self, project_uid: str, job_uid: str, start: int = 0) -> list[dict[str, Any]]:
        """Get the lines that a job has logged, from line `start` on (0 is the first)."""
        with self._store.changed:
            run = self._store.job(project_uid, job_uid).run
        lines = [] if run is None else run.lines[max(0, start) :]
        return [
            {"time": datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds"), "text": text}
            for moment, text in lines
        ]

    @offered(safe=True)
    def wait_job(self, project_uid: str, job_uid: str, seconds: float = 10.0) -> str:
        """Wait until a job has ended, but at most so many seconds (30 are the limit), and return its status."""
        if not 0 <= seconds <= MAX_WAIT:
            raise InvalidParamsError(f"seconds must be from 0 to {MAX_WAIT:g}")
        with self._store.changed:
            job = self._store.job(project_uid, job_uid)
            self._store.changed.wait_for(lambda: job.status not in ACTIVE, seconds)
            return job.status

    @offered(safe=True)
    def get_job_result(self, project_uid: str, job_uid: str, slot: str | None = None) -> Any:
        """Get what a completed job gave: images as a list of their uids, anything else as it is.

        slot: the name of one output, for that one alone; a wrong one is error 422, whose data lists the right
        ones as `slots`.
        """
        with self._store.changed:
            job = self._store.job(project_uid, job_uid)
            if slot is not None:
                _require_slot(job, slot, job.kind.outputs, "output")
            if job.status != "completed" or job.run is None:
                raise ConflictError(f"{job_uid} is {job.status}; only a completed job has results")
            made = {
                name: [_image_uid(job, name, n) for n in range(len(job.run.made[name]))]
                for name in job.run.made
            }
            results = made | job.run.found
            return results if slot is None else results[slot]

    @offered()
    def kill_job(self, project_uid: str, job_uid: str) -> str:
        """Stop a queued or running job, and return its status."""
        with self._store.changed:
            job = self._store.job(project_uid, job_uid)
            if job.run is None or job.status not in ACTIVE:
                raise ConflictError(f"{job_uid} is {job.status}, it cannot be killed")
            job.run.killed.set()
            self._move(job, "killed")
            return job.status

    @offered()
    def clear_job(self, project_uid: str, job_uid: str) -> str:
        """Forget what a job that has ended did, so that it is building again."""
        with self._store.changed:
            job = self._resting(project_uid, job_uid)
            self._store.forget_images_of(_source(job))
            job.reset()
            return job.status

    @offered()
    def delete_job(self, project_uid: str, job_uid: str) -> bool:
        """Delete a job that is not queued or running, with the images that it made."""
        with self._store.changed:
            job = self._resting(project_uid, job_uid)
            self._store.forget_images_of(_source(job))
            del self._store.project(project_uid).jobs[job_uid]
            return True

    def close(self) -> None:
        """Kill all jobs and end the lanes."""
        with self._store.changed:
            for project in self._store.projects.values():
                for job in project.jobs.values():
                    if job.run is not None and job.status in ACTIVE:
                        job.run.killed.set()
                        self._move(job, "killed")
        self._lanes.close()

    # What stays inside

    def _building(self, project_uid: str, job_uid: str) -> Job:
        job = self._store.job(project_uid, job_uid)
        if job.status != "building":
            raise ConflictError(f"{job_uid} is {job.status}; clear it first")
        return job

    def _resting(self, project_uid: str, job_uid: str) -> Job:
        job = self._store.job(project_uid, job_uid)
        if job.status in ACTIVE:
            raise ConflictError(f"{job_uid} is {job.status}; kill it first")
        return job

    def _pictures(self, job: Job) -> list[Picture]:
        if not job.kind.inputs:
            return []
        uids = [uid for slot in job.kind.inputs for uid in job.inputs.get(slot, [])]
        chosen = [self._store.image(uid) for uid in uids] or [
            image for image in self._store.images.values() if image.source == MICROSCOPE
        ]
        return [Picture(image.name, image.pixels) for image in chosen]

    def _move(self, job: Job, status: str) -> None:
        job.status = status
        job.times[status] = now()
        self._store.changed.notify_all()

    def _carry_out(self, job: Job, run: Run) -> None:
        """What a lane's thread does: run the job, unless it was killed meanwhile."""
        with self._store.changed:
            if run.killed.is_set():
                return
            self._move(job, "running")
        error = _work(job.kind, run)
        with self._store.changed:
            # A killed job has its status already, and may even have been cleared and queued anew.
            if run.killed.is_set():
                return
            if error is None:
                error = self._publish(job, run)
            job.error = error
            self._move(job, "completed" if error is None else "failed")

    def _publish(self, job: Job, run: Run) -> str | None:
        images = [
            Image(_image_uid(job, slot, number), picture.name, _source(job), picture.pixels)
            for slot, pictures in run.made.items()
            for number, picture in enumerate(pictures)
        ]
        try:
            self._store.keep(*images)
        except ServiceError as error:
            return error.text
        return None


def _work(kind: Kind, run: Run) -> str | None:
    """Do the work; the answer is the error's text, or None when all went well."""
    run.log(f"{kind.title}: started")
    try:
        kind.work(run)
    except JobKilled:
        run.log("killed")
        return "killed"
    except JobFailedError as error:
        run.log(f"failed: {error}")
        return str(error)
    except Exception:
        log.exception("a job of type %s failed", kind.name)
        run.log("failed: the job made a mistake")
        return "the job made a mistake; the service's log has more"
    run.log("completed")
    return None


def _kind(job_type: str) -> Kind:
    try:
        return KINDS[job_type]
    except KeyError:
        known = ", ".join(KINDS)
        raise NotFoundError(f"there is no job type called {job_type[:80]!r}; there are: {known}") from None


def _require_slot(job: Job, slot: str, slots: tuple[str, ...], what: str) -> None:
    if slot not in slots:
        raise SlotError(f"{job.kind.name} has no {what} {slot[:80]!r}", {"slots": list(slots)})


def _source(job: Job) -> str:
    return f"{job.project_uid}.{job.uid}"


def _image_uid(job: Job, slot: str, number: int) -> str:
    return f"{_source(job)}.{slot}.{number + 1}"
