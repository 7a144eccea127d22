"""Which repositories, versions and data does a DVID have? What `/api/repos/info` says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final

import orjson
from msgspec import Struct

from gateway.core.faults import InvalidParams

_MASTER: Final = ("", "master")
_SHOWN: Final = 5
_DIGITS: Final = 10


class Node(Struct, frozen=True):
    """One version of a repository. `parents` and `children` are the numbers of versions; times as DVID writes them."""

    uuid: str
    version: int
    locked: bool
    branch: str
    note: str
    log: tuple[str, ...]
    parents: tuple[int, ...]
    children: tuple[int, ...]
    created: str
    updated: str

    @property
    def changed(self) -> float:
        """When it was updated, in seconds since 1970; infinitely late where that cannot be read."""
        try:
            return datetime.fromisoformat(self.updated).timestamp()
        except (ValueError, OverflowError):
            return float("inf")


class Instance(Struct, frozen=True):
    """Data of one name in a repository. `data` is what stays the same when it is renamed (DVID's DataUUID).

    `extended` are the settings of its type, `extents` the box that the master's leaf has.
    """

    name: str
    type: str
    data: str
    versioned: bool
    tags: Mapping[str, Any]
    extended: Mapping[str, Any]
    extents: Mapping[str, Any]


class Repo:
    """One repository: its versions by UUID and by number, and its data by name."""

    def __init__(self, root: str, said: Mapping[str, Any]) -> None:
        """Raises ValueError, KeyError, TypeError or AttributeError for what is no repository."""
        self.root = root
        self.alias = str(said.get("Alias") or "")
        self.description = str(said.get("Description") or "")
        self.nodes = {uuid: _node(uuid, one) for uuid, one in said["DAG"]["Nodes"].items()}
        self.by_version = {node.version: node for node in self.nodes.values()}
        self.instances = {
            name: _instance(name, one) for name, one in (said.get("DataInstances") or {}).items()
        }

    def parent(self, node: Node) -> Node | None:
        """The first parent, None for the root."""
        return self.by_version.get(node.parents[0]) if node.parents else None

    @cached_property
    def branches(self) -> Mapping[str, Node]:
        """The leaf of each branch: its version without a child on the same branch."""
        leaves: dict[str, Node] = {}
        for node in self.nodes.values():
            children = (self.by_version.get(one) for one in node.children)
            if any(child is not None and child.branch == node.branch for child in children):
                continue
            known = leaves.get(node.branch)
            if known is None or node.version > known.version:
                leaves[node.branch] = node
        return leaves

    def instance(self, name: str) -> Instance:
        """The data of this name. Raises `InvalidParams`."""
        found = self.instances.get(name)
        if found is None:
            raise InvalidParams(
                f"The repository {self.alias or self.root[:8]} has no data {name!r}; it has {_some(self.instances)}."
            )
        return found


class Repos:
    """All repositories that a caller may see."""

    def __init__(self, body: bytes) -> None:
        """Raises ValueError for what is no answer of `/api/repos/info`."""
        said = orjson.loads(body)
        try:
            self.all = {root: Repo(root, one) for root, one in said.items() if one is not None}
        except (KeyError, TypeError, AttributeError) as odd:
            raise ValueError(f"it is no list of repositories ({odd!r})") from odd
        self.homes: dict[str, Repo] = {uuid: repo for repo in self.all.values() for uuid in repo.nodes}

    def node(self, selector: str, aliases: Mapping[str, str] | None = None) -> tuple[Repo, Node]:
        """The version that is meant: a UUID or the beginning of one, `…:branch`, `…:branch~N`, or an alias of ours.

        Raises `InvalidParams`.
        """
        selector = (aliases or {}).get(selector, selector)
        repo = self.homes.get(selector)
        if repo is not None:
            return repo, repo.nodes[selector]
        prefix, colon, branch = selector.partition(":")
        if colon and ":" not in (named := (aliases or {}).get(prefix, prefix)):
            prefix = named
        if not colon:
            repo = self._home(prefix, selector)
            return repo, repo.nodes[self._uuid(prefix)]
        if prefix:
            repo = self._home(prefix, selector)
        elif len(self.all) == 1:
            repo = next(iter(self.all.values()))
        else:
            raise InvalidParams(
                f"{selector!r} is the leaf of a branch in one of {len(self.all)} repositories: put the beginning of a UUID "
                "of the one that is meant before the colon."
            )
        return repo, _on_branch(repo, branch, selector)

    def repo(self, name: str, aliases: Mapping[str, str] | None = None) -> Repo:
        """The repository of this alias, or that of a version. Raises `InvalidParams`."""
        found = [repo for repo in self.all.values() if repo.alias == name]
        return found[0] if len(found) == 1 else self.node(name, aliases)[0]

    def _home(self, prefix: str, selector: str) -> Repo:
        return self.homes[self._uuid(prefix, selector)]

    def _uuid(self, prefix: str, selector: str = "") -> str:
        found = [uuid for uuid in self.homes if uuid.startswith(prefix)] if prefix else []
        if len(found) == 1:
            return found[0]
        shown = repr((selector or prefix)[:80])
        if not found:
            raise InvalidParams(
                f"No version is called {shown}. Repositories here: {_some(_titles(self.all.values()))}."
            )
        raise InvalidParams(f"{shown} may be any of {_some(sorted(found))}: write more of the UUID.")


def _on_branch(repo: Repo, branch: str, selector: str) -> Node:
    name, tilde, back = branch.partition("~")
    leaf = repo.branches.get("" if name in _MASTER else name)
    if leaf is None and name in _MASTER:
        leaf = repo.branches.get("master")
    if leaf is None:
        names = [one or "master" for one in repo.branches]
        raise InvalidParams(f"{selector[:80]!r}: there is no branch {name[:80]!r}; there are {_some(names)}.")
    if tilde and not (back.isascii() and back.isdecimal()):
        raise InvalidParams(f"{selector[:80]!r}: after ~ stands how many versions to go back.")
    # No line has more versions than there are, whatever a document says of who is whose parent.
    steps = (min(int(back), len(repo.nodes)) if len(back) < _DIGITS else len(repo.nodes)) if tilde else 0
    node = leaf
    for _ in range(steps):
        before = repo.parent(node)
        if before is None:
            raise InvalidParams(f"{selector[:80]!r} goes back beyond the root.")
        node = before
    return node


def _node(uuid: str, said: Mapping[str, Any]) -> Node:
    return Node(
        uuid,
        _whole(said["VersionID"]),
        said["Locked"] is True,
        str(said.get("Branch") or ""),
        str(said.get("Note") or ""),
        tuple(str(one) for one in _listed(said.get("Log"))),
        tuple(_whole(one) for one in _listed(said.get("Parents"))),
        tuple(_whole(one) for one in _listed(said.get("Children"))),
        str(said.get("Created") or ""),
        str(said.get("Updated") or ""),
    )


def _instance(name: str, said: Mapping[str, Any]) -> Instance:
    base = said["Base"]
    extended = mapping(said.get("Extended"))
    return Instance(
        name,
        str(base["TypeName"]),
        str(base.get("DataUUID") or ""),
        base.get("Versioned") is True,
        mapping(base.get("Tags")),
        extended,
        mapping(said.get("Extents")) or extended,
    )


def mapping(said: Any) -> Mapping[str, Any]:
    """An object of a document, empty where something else stands in its place."""
    return said if isinstance(said, dict) else {}


def _listed(said: Any) -> list[Any]:
    if said is None or isinstance(said, list):
        return said or []
    raise TypeError("what is no list stands where one should")


def _whole(said: Any) -> int:
    if type(said) is int:
        return said
    raise TypeError("what is no whole number stands where one should")


def _titles(repos: Any) -> list[str]:
    return [f"{repo.alias or '(no alias)'} {repo.root[:8]}" for repo in repos]


def _some(names: Any) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return (", ".join(listed[:_SHOWN]) or "none") + more
