"""What is in the deployment: servers, datastacks, tables, people and what they save."""

from __future__ import annotations

import json
import re
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.demo.cave.graph import Graph
from gateway.demo.cave.people import people
from gateway.demo.cave.tables import LIMIT, Table

LOCALS = {"minnie_demo": "a", "minnie_public": "a", "fly_demo": "b"}
"""Which local server each datastack has."""


@dataclass
class Stack:
    """A datastack: its segmentation, its tables, and the names that belong to it."""

    name: str
    table: str
    volume: str
    graph: Graph
    tables: dict[str, Table]


@dataclass
class Deployment:
    """Everything that the three servers share. `urls` are known once they listen: `global`, `a`, `b` and `bucket`.

    `check_seconds` is for how long a server remembers what the auth service said of a token. `hooks` may answer in place of a
    server, and `asked` counts what was asked, by server, verb, path and user: both are for tests.
    """

    tokens: Mapping[str, str]
    size: int = 20_000
    row_limit: int = LIMIT
    check_seconds: float = 300.0
    urls: dict[str, str] = field(default_factory=dict)
    states: dict[int, Any] = field(default_factory=dict)
    properties: dict[int, Any] = field(default_factory=dict)
    hooks: list[tuple[re.Pattern[str], Callable[[Any], bool]]] = field(default_factory=list)
    asked: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        """Make the people, and the data of each datastack."""
        self.people = people()
        self.by_token = {token: name for name, token in self.tokens.items()}
        self.by_id = {one["id"]: one for one in self.people.values()}
        shared = Graph(self.size)
        self.stacks = {
            "minnie_demo": _stack("minnie_demo", "minnie_seg", "minnie_em", shared),
            "minnie_public": _stack("minnie_public", "minnie_public_seg", "minnie_em", Graph(2_000)),
            "fly_demo": _stack("fly_demo", "fly_seg", "fly_em", Graph(2_000)),
        }
        self.saved: dict[str, dict[str, dict[int, Any]]] = {}
        self._verdicts: dict[tuple[str, str], tuple[dict[str, Any] | None, float]] = {}

    def record(self, name: str) -> dict[str, Any]:
        """A datastack as the info service tells of it."""
        stack, local = self.stacks[name], self.urls[LOCALS[name]]
        return {
            "local_server": local,
            "segmentation_source": f"graphene://{local}/segmentation/table/{stack.table}",
            "skeleton_source": f"precomputed://{local}/skeletoncache/api/v1/{name}/precomputed/skeleton",
            "aligned_volume": self.volume(stack.volume),
            "viewer_site": "https://viewer.example",
            "synapse_table": "synapses",
            "soma_table": "nuclei",
            "description": f"The demo's datastack {name}",
            "viewer_resolution_x": 4.0,
            "viewer_resolution_y": 4.0,
            "viewer_resolution_z": 40.0,
            "analysis_database": None,
            "base_link_id": None,
            "cell_identification_table": "cells",
            "proofreading_status_table": None,
        }

    def volume(self, name: str) -> dict[str, Any]:
        """An aligned volume."""
        return {
            "id": {"minnie_em": 1, "fly_em": 2}[name],
            "name": name,
            "image_source": f"precomputed://gs://demo/{name}",
            "description": f"The demo's volume {name}",
        }

    def of_table(self, table: str) -> Stack | None:
        """The datastack of a segmentation."""
        return next((one for one in self.stacks.values() if one.table == table), None)

    def annotations(self, volume: str) -> dict[str, dict[int, Any]]:
        """The annotations that were made in a volume, by table and number."""
        return self.saved.setdefault(volume, {"synapses": {}, "nuclei": {}, "cells": {}})

    def who(self, token: str) -> dict[str, Any] | None:
        """Whose token this is, as the auth service itself knows."""
        name = self.by_token.get(token)
        return None if name is None else self.people[name]

    def vouched(self, server: str, token: str) -> dict[str, Any] | None:
        """The same, as another server has it: by asking, and remembering refusals too (cave.md section 3.2)."""
        known = self._verdicts.get((server, token))
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.urls['global']}/auth/api/v1/user/cache", headers={"Authorization": f"Bearer {token}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - our own server
                said = json.load(answer)
        except (urllib.error.URLError, ValueError, TimeoutError):
            said = None
        self._verdicts[server, token] = said, time.monotonic() + self.check_seconds
        return said if isinstance(said, dict) else None

    def forget_verdicts(self) -> None:
        """Have every server ask anew."""
        self._verdicts.clear()


def _stack(name: str, table: str, volume: str, graph: Graph) -> Stack:
    made = (
        Table("synapses", "synapse", 20_000 if graph.size > 10_000 else 2_000, graph),
        Table("nuclei", "nucleus_detection", 500, graph),
        Table("cells", "cell_type_local", 300, graph, notice_text="Cell types are guesses."),
    )
    return Stack(name, table, volume, graph, {one.name: one for one in made})


def new_tokens() -> dict[str, str]:
    """A token for each of the people."""
    return {name: secrets.token_hex(16) for name in people()}
