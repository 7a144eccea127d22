"""Which nodes does a repo have, and which came from which?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.demo.dvid.errors import DvidError

if TYPE_CHECKING:
    from gateway.demo.dvid.instances import Instance

MASTER = "master"
"""What callers say for the branch that nodes of the main line name with an empty text."""


def moment(when: datetime) -> str:
    """A time as DVID writes it: RFC 3339."""
    return when.isoformat()


@dataclass
class Node:
    """A version. Parents and children are version ids, `uuid` is 32 hexadecimal digits or, for a tag, any text."""

    uuid: str
    version: int
    created: datetime
    updated: datetime
    branch: str = ""
    note: str = ""
    locked: bool = False
    parents: list[int] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    log: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """The node as `repos/info` tells of it."""
        return {
            "Branch": self.branch,
            "Note": self.note,
            "Log": list(self.log),
            "UUID": self.uuid,
            "VersionID": self.version,
            "Locked": self.locked,
            "Parents": list(self.parents),
            "Children": list(self.children),
            "Created": moment(self.created),
            "Updated": moment(self.updated),
        }

    def touch(self, lines: Iterable[str] = ()) -> None:
        """Note that something changed, with what the log is to say of it."""
        self.updated = datetime.now(UTC)
        self.log += [f"{moment(self.updated)}  {line}" for line in lines]


@dataclass
class Repo:
    """A graph of nodes, whose first is the root, and the data instances that all of them share."""

    root: Node
    number: int
    alias: str
    description: str
    nodes: dict[int, Node] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    properties: dict[str, Any] = field(default_factory=dict)
    passcode: str = ""

    def __post_init__(self) -> None:
        self.nodes[self.root.version] = self.root

    def lineage(self, node: Node) -> list[int]:
        """The node and all its ancestors, the nearest first: children always have the higher version id."""
        found, waiting = {node.version}, [node]
        while waiting:
            for parent in waiting.pop().parents:
                if parent not in found:
                    found.add(parent)
                    waiting.append(self.nodes[parent])
        return sorted(found, reverse=True)

    def leaf(self, branch: str) -> Node:
        """The newest node of a branch. Raises DvidError."""
        name = "" if branch == MASTER else branch
        found = [node for node in list(self.nodes.values()) if node.branch == name]
        if not found:
            raise DvidError(f"branch {branch!r} was not found in repo with root {self.root.uuid}")
        return max(found, key=lambda node: node.version)

    def back(self, node: Node) -> list[Node]:
        """From a node along first parents to the root."""
        line = [node]
        while line[-1].parents:
            line.append(self.nodes[line[-1].parents[0]])
        return line

    def document(self, shown: Iterable[Node] | None = None) -> dict[str, Any]:
        """The repo as `repos/info` tells of it, with all nodes or with those `shown`; extents are the master leaf's."""
        lineage = self.lineage(self.leaf(MASTER))
        nodes = list(self.nodes.values()) if shown is None else shown
        updated = max(node.updated for node in list(self.nodes.values()))
        return {
            "Root": self.root.uuid,
            "Alias": self.alias,
            "Description": self.description,
            "Log": list(self.log),
            "Properties": dict(self.properties),
            "DataInstances": {
                name: one.document(lineage) for name, one in sorted(self.instances.copy().items())
            },
            "DAG": {"Root": self.root.uuid, "Nodes": {node.uuid: node.document() for node in nodes}},
            "MutationID": 0,
            "SavedMutationID": 0,
            "Created": moment(self.root.created),
            "Updated": moment(updated),
        }
