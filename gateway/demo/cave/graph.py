"""Which supervoxels belong together, now and at any time before?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

L2 = 2 << 56
ROOT = 7 << 56
SUPERVOXEL = 1 << 56
BEGIN = 1_704_067_200.0
"""The first moment of the segmentation: the beginning of 2024."""
_IN_L2 = 10
_IN_ROOT = 10


@dataclass
class Root:
    """An object: when it came, when it ended (None: it has not), and its level 2 nodes."""

    id: int
    chunks: frozenset[int]
    began: float
    ended: float | None = None
    operation: int | None = None


@dataclass
class Operation:
    """An edit: who made it, of which roots it made which, and where."""

    id: int
    user: int
    when: float
    kind: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    rows: list[Any] = field(default_factory=list)
    undone: bool = False


class GraphError(ValueError):
    """What was asked of the graph is not there, or cannot be done."""


class Graph:
    """A segmentation of `supervoxels` supervoxels, ten in a level 2 node and ten of those in a root."""

    def __init__(self, supervoxels: int) -> None:
        self.size = supervoxels
        self._lock = threading.RLock()
        self.operations: dict[int, Operation] = {}
        self.roots: dict[int, Root] = {}
        self._history: dict[int, list[int]] = {}
        chunks = [L2 + at for at in range(1, supervoxels // _IN_L2 + 1)]
        for at in range(0, len(chunks), _IN_ROOT):
            self._add(frozenset(chunks[at : at + _IN_ROOT]), BEGIN, None)

    def _add(self, chunks: frozenset[int], when: float, operation: int | None) -> Root:
        root = Root(ROOT + len(self.roots) + 1, chunks, when, None, operation)
        self.roots[root.id] = root
        for chunk in chunks:
            self._history.setdefault(chunk, []).append(root.id)
        return root

    # --- looking

    def chunk_of(self, node: int) -> int:
        """The level 2 node of a supervoxel."""
        at = node - SUPERVOXEL
        if not 1 <= at <= self.size:
            raise GraphError(f"{node} is no supervoxel")
        return L2 + (at - 1) // _IN_L2 + 1

    def supervoxels(self, chunk: int) -> list[int]:
        """The supervoxels of a level 2 node."""
        first = (chunk - L2 - 1) * _IN_L2 + 1
        return [SUPERVOXEL + at for at in range(first, first + _IN_L2)]

    def root(self, node: int) -> Root:
        """The root of this number."""
        found = self.roots.get(node)
        if found is None:
            raise GraphError(f"{node} is no root")
        return found

    def root_of(self, node: int, when: float | None = None, layer: int | None = None) -> int:
        """The root of a supervoxel or node, at a moment; its level 2 node with `layer` 2."""
        if node in self.roots:
            return node
        chunk = (
            node if L2 <= node < SUPERVOXEL * 3 and node - L2 <= self.size // _IN_L2 else self.chunk_of(node)
        )
        if layer == 2:
            return chunk
        with self._lock:
            known = self._history.get(chunk)
            if known is None:
                raise GraphError(f"{node} is no node")
            if when is None:
                return known[-1]
            for number in reversed(known):
                if self.roots[number].began <= when:
                    return number
        raise GraphError("there was no segmentation at that time")

    def is_latest(self, node: int, when: float | None = None) -> bool:
        """Whether a root has not ended, or had not."""
        root = self.roots.get(node)
        if root is None:
            return False
        return root.ended is None or (when is not None and root.began <= when < root.ended)

    def children(self, node: int) -> list[int]:
        """The nodes below."""
        if node in self.roots:
            return sorted(self.roots[node].chunks)
        if node in self._history:
            return self.supervoxels(node)
        if 1 <= node - SUPERVOXEL <= self.size:
            return []
        raise GraphError(f"{node} is no node")

    def leaves(self, node: int, layer: int | None = None) -> list[int]:
        """The supervoxels of a root, or its nodes of another layer."""
        chunks = sorted(self.root(node).chunks)
        return chunks if layer == 2 else [one for chunk in chunks for one in self.supervoxels(chunk)]

    def lineage(self, nodes: Iterable[int]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """What these roots came from and became: nodes and links."""
        found: dict[int, Root] = {}
        links: dict[tuple[int, int], None] = {}
        todo = list(nodes)
        while todo:
            number = todo.pop()
            if number in found:
                continue
            found[number] = self.root(number)
            for one in self.operations.values():
                if number in one.after or number in one.before:
                    links.update(dict.fromkeys((a, b) for a in one.before for b in one.after))
                    todo += [*one.before, *one.after]
        shown = [
            {"id": root.id, "timestamp": root.began, "operation_id": root.operation}
            for root in found.values()
        ]
        return shown, [{"source": a, "target": b} for a, b in links]

    def log(self, node: int) -> list[Operation]:
        """The edits that have made a root, oldest first."""
        before, todo, found = {node}, [self.root(node)], {}
        while todo:
            root = todo.pop()
            if root.operation is not None and root.operation not in found:
                one = found[root.operation] = self.operations[root.operation]
                todo += [self.roots[number] for number in one.before if number not in before]
                before.update(one.before)
        return [found[number] for number in sorted(found)]

    # --- editing

    def merge(self, rows: Sequence[Sequence[Any]], user: int) -> Operation:
        """Make one root of those that the rows' supervoxels belong to."""
        with self._lock:
            before = sorted({self.root_of(int(row[0])) for row in rows})
            if len(before) < 2:
                raise GraphError("supervoxels already belong to the same object")
            chunks = frozenset().union(*(self.roots[number].chunks for number in before))
            return self._edit("merge", before, [chunks], user, list(rows))

    def parts(
        self, sources: Sequence[Sequence[Any]], sinks: Sequence[Sequence[Any]]
    ) -> tuple[int, list[frozenset[int]]]:
        """The root that the points are in, and its chunks on either side."""
        root = self.root(self.root_of(int(sources[0][0])))
        chunks = sorted(root.chunks)
        if len(chunks) < 2 or any(self.root_of(int(row[0])) != root.id for row in [*sources, *sinks]):
            raise GraphError("the points are not in one object that can be split")
        half = len(chunks) // 2
        return root.id, [frozenset(chunks[:half]), frozenset(chunks[half:])]

    def split(self, sources: Sequence[Sequence[Any]], sinks: Sequence[Sequence[Any]], user: int) -> Operation:
        """Make two roots of one."""
        with self._lock:
            root, parts = self.parts(sources, sinks)
            return self._edit("split", [root], parts, user, [*sources, *sinks])

    def undo(self, number: int, user: int) -> Operation:
        """Make the roots again that an edit has ended."""
        with self._lock:
            one = self.operations.get(number)
            if one is None or one.undone or any(self.roots[root].ended is not None for root in one.after):
                raise GraphError(f"operation {number} cannot be undone")
            one.undone = True
            return self._edit(
                "undo", list(one.after), [self.roots[root].chunks for root in one.before], user, []
            )

    def _edit(
        self, kind: str, before: list[int], parts: Sequence[frozenset[int]], user: int, rows: list[Any]
    ) -> Operation:
        when, number = time.time(), len(self.operations) + 1
        for root in before:
            self.roots[root].ended = when
        after = tuple(self._add(part, when, number).id for part in parts)
        made = Operation(number, user, when, kind, tuple(before), after, rows)
        self.operations[number] = made
        return made
