"""What does the server hold? Repos, their nodes, and the data instances in them."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from gateway.demo.dvid.annotations import Annotations
from gateway.demo.dvid.dag import MASTER, Node, Repo
from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.instances import Instance
from gateway.demo.dvid.keyvalues import KeyValues
from gateway.demo.dvid.kinds import KINDS
from gateway.demo.dvid.labels import Labels
from gateway.demo.dvid.regions import Regions
from gateway.demo.dvid.voxels import Voxels

Mode = Literal["", "read only", "allow writes on committed nodes"]
_MADE: dict[str, type[Instance]] = {"keyvalue": KeyValues, "annotation": Annotations, "roi": Regions}


class Store:
    """All repos of a server. Changes are made under `lock`."""

    def __init__(self, mode: Mode = "") -> None:
        self.mode: Mode = mode
        self.lock = threading.RLock()
        self.repos: dict[str, Repo] = {}
        self._versions = itertools.count(1)
        self._nodes: dict[str, tuple[Repo, Node]] = {}

    # --- finding

    def find(self, said: str) -> tuple[Repo, Node]:
        """The node that a UUID, the start of one, or `START:BRANCH[~N]` means. Raises DvidError."""
        start, colon, branch = said.partition(":")
        if not colon:
            return self._starting(start)
        if start:
            repo, _ = self._starting(start)
        elif len(self.repos) == 1:
            repo = next(iter(self.repos.values()))
        else:
            raise DvidError(f"branch {branch!r} needs the UUID of a repo: the server has {len(self.repos)}")
        branch, tilde, back = branch.partition("~")
        line = repo.back(repo.leaf(branch))
        if not tilde:
            return repo, line[0]
        if not back.isdecimal() or int(back) >= len(line):
            raise DvidError(f"branch {branch!r} has no node {back} back from its leaf")
        return repo, line[int(back)]

    def _starting(self, start: str) -> tuple[Repo, Node]:
        if start in self._nodes:
            return self._nodes[start]
        found = [name for name in list(self._nodes) if start and name.startswith(start)]
        if len(found) > 1:
            raise DvidError(f"more than one UUID matches {start}!")
        if not found:
            raise DvidError(f"could not find UUID with partial match to {start}!")
        return self._nodes[found[0]]

    # --- making

    def new_repo(
        self, alias: str = "", description: str = "", root: str | None = None, passcode: str = ""
    ) -> Repo:
        """A repo with an open root. Raises DvidError if the UUID is taken."""
        with self.lock:
            node = self._node(root, [])
            repo = Repo(node, len(self.repos) + 1, alias, description, passcode=passcode)
            self.repos[node.uuid] = repo
            self._nodes[node.uuid] = repo, node
            return repo

    def new_child(
        self,
        repo: Repo,
        parents: list[Node],
        *,
        note: str = "",
        branch: str | None = None,
        uuid: str | None = None,
    ) -> Node:
        """An open node below locked ones: on the first parent's branch, or on a new one. Raises DvidError."""
        with self.lock:
            if not all(parent.locked for parent in parents):
                raise DvidError("can't branch an unlocked node")
            if branch is None:
                siblings = [repo.nodes[child] for parent in parents for child in parent.children]
                if len(parents) == 1 and any(one.branch == parents[0].branch for one in siblings):
                    raise DvidError("branch already exists with given name")
            elif branch == MASTER or branch in {node.branch for node in repo.nodes.values()}:
                raise DvidError("branch already exists with given name")
            node = self._node(uuid, [parent.version for parent in parents])
            node.branch = parents[0].branch if branch is None else branch
            node.note = note
            for parent in parents:
                parent.children.append(node.version)
                parent.touch()
            repo.nodes[node.version] = node
            self._nodes[node.uuid] = repo, node
            return node

    def _node(self, said: str | None, parents: list[int]) -> Node:
        name = uuid.uuid4().hex if said is None else said
        if not name or name in self._nodes or set(name) & set(":/~"):
            raise DvidError(f"UUID {name!r} already exists in datastore or is none")
        now = datetime.now(UTC)
        return Node(name, next(self._versions), now, now, parents=parents)

    def commit(self, node: Node, note: str = "", log: list[str] | None = None) -> None:
        """Lock a node for good. Raises DvidError if it is locked."""
        with self.lock:
            if node.locked:
                raise DvidError(f"can't modify locked node {node.uuid}")
            node.note = note or node.note
            node.touch(log or [])
            node.locked = True

    def new_instance(self, repo: Repo, kind: str, name: str, settings: Mapping[str, Any]) -> Instance:
        """New data in a repo; the names of settings may have capitals. Raises DvidError."""
        if kind not in KINDS:
            raise DvidError(f"data type {kind!r} is not supported by this server")
        if not name or "/" in name:
            raise DvidError("invalid data instance name")
        made = _MADE.get(kind, Labels if KINDS[kind].labels else Voxels)
        lowered = {key.lower(): value for key, value in settings.items()}
        with self.lock:
            if name in repo.instances:
                raise DvidError("data name already exists")
            instance = made(KINDS[kind], name, uuid.uuid4().hex, repo.root, lowered)
            repo.instances[name] = instance
            return instance
