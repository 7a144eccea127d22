"""What is a data instance, whatever its type?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gateway.demo.dvid.dag import Node, Repo
from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.kinds import Kind
from gateway.demo.dvid.versions import Lineage

Settings = dict[str, Any]
"""What a new instance is made with: values by lower-case name, as callers say them."""


@dataclass
class Instance:
    """Named data of one type. An unversioned instance has one state, which it keeps at the repo's root."""

    kind: Kind
    name: str
    data_uuid: str
    root: Node
    settings: Settings
    tags: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.versioned = str(self.settings.get("versioned", "true")).lower() not in ("false", "0")
        said = self.settings.get("tags", {})
        pairs = said if isinstance(said, dict) else dict(p.split("=", 1) for p in said.split(",") if "=" in p)
        self.tags |= {str(key): str(value) for key, value in pairs.items()}

    def lineage(self, repo: Repo, node: Node) -> Lineage:
        """Whose data counts at a node."""
        return repo.lineage(node) if self.versioned else [self.root.version]

    def base(self) -> dict[str, Any]:
        """What all types tell of themselves."""
        return {
            "TypeName": self.kind.name,
            "TypeURL": self.kind.url,
            "TypeVersion": "0.2",
            "DataUUID": self.data_uuid,
            "Name": self.name,
            "RepoUUID": self.root.uuid,
            "Compression": str(self.settings.get("compression", "LZ4 compression, level 0")),
            "Checksum": "No checksum",
            "Syncs": [],
            "Versioned": self.versioned,
            "KVStore": "memory",
            "LogStore": "",
            "Tags": dict(self.tags),
        }

    def extended(self, lineage: Lineage) -> dict[str, Any]:  # noqa: ARG002 - for those whose state matters
        """What is particular to the type, at the node whose lineage this is."""
        return {}

    def document(self, lineage: Lineage) -> dict[str, Any]:
        """The instance as `info` tells of it."""
        at = lineage if self.versioned else [self.root.version]
        return {"Base": self.base(), "Extended": self.extended(at)}


def listed(settings: Settings, name: str, default: list[Any], convert: type[int | float | str]) -> list[Any]:
    """Three values in the order X, Y, Z: a list, or text with commas. Raises DvidError."""
    said = settings.get(name)
    if said is None:
        return default
    parts = said.split(",") if isinstance(said, str) else said
    try:
        found = [convert(part) for part in parts]
    except (TypeError, ValueError):
        found = []
    if len(found) != 3:
        raise DvidError(f"setting {name!r} needs three values, got {said!r}")
    return found
