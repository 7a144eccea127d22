"""Which projects and workspaces are there?"""

from typing import Any

from gateway.demo.jobs.errors import InvalidParamsError
from gateway.demo.jobs.records import MAX_PROJECTS, Project, Store, Workspace
from gateway.demo.jobs.rpc import offered


class Projects:
    """The methods about projects and workspaces."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @offered(safe=True)
    def list_projects(self) -> list[dict[str, Any]]:
        """List all projects."""
        with self._store.changed:
            return [project.as_json() for project in self._store.projects.values()]

    @offered()
    def create_project(self, title: str, description: str = "") -> str:
        """Make a project with one workspace, W1, and return its uid."""
        _require_title(title)
        with self._store.changed:
            self._store.make_room(len(self._store.projects), MAX_PROJECTS, "projects")
            uid = f"P{len(self._store.projects) + 1}"
            workspace = Workspace("W1", "First workspace")
            self._store.projects[uid] = Project(uid, title, description, workspaces={"W1": workspace})
            return uid

    @offered(safe=True)
    def get_project(self, project_uid: str) -> dict[str, Any]:
        """Get a project's document, with the uids of its workspaces and jobs."""
        with self._store.changed:
            return self._store.project(project_uid).as_json()

    @offered(safe=True)
    def list_workspaces(self, project_uid: str) -> list[dict[str, Any]]:
        """List the workspaces of a project."""
        with self._store.changed:
            project = self._store.project(project_uid)
            return [_workspace(project, each) for each in project.workspaces.values()]

    @offered()
    def create_workspace(self, project_uid: str, title: str) -> str:
        """Make a workspace in a project and return its uid."""
        _require_title(title)
        with self._store.changed:
            project = self._store.project(project_uid)
            self._store.make_room(len(project.workspaces), MAX_PROJECTS, "workspaces in a project")
            uid = f"W{len(project.workspaces) + 1}"
            project.workspaces[uid] = Workspace(uid, title)
            return uid

    @offered(safe=True)
    def get_workspace(self, project_uid: str, workspace_uid: str) -> dict[str, Any]:
        """Get a workspace's document, with the uids of its jobs."""
        with self._store.changed:
            workspace = self._store.workspace(project_uid, workspace_uid)
            return _workspace(self._store.project(project_uid), workspace)


def _workspace(project: Project, workspace: Workspace) -> dict[str, Any]:
    return {
        "uid": workspace.uid,
        "project_uid": project.uid,
        "title": workspace.title,
        "created_at": workspace.created_at,
        "jobs": [job.uid for job in project.jobs.values() if job.workspace_uid == workspace.uid],
    }


def _require_title(title: str) -> None:
    if not 0 < len(title) <= 200:
        raise InvalidParamsError("title must have from 1 to 200 characters")
