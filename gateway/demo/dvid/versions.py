"""What does a node know of a key? What it wrote itself, else what the nearest of its ancestors wrote."""

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

Lineage = Sequence[int]
"""The version ids of a node and of all its ancestors, the nearest first."""


class Layers(Generic[K, V]):
    """Values by key, one layer for each node that ever wrote; a value None says: deleted here.

    Values are never changed, only replaced, so that readers need no lock.
    """

    def __init__(self) -> None:
        self._layers: dict[int, dict[K, V | None]] = {}

    def get(self, lineage: Lineage, key: K) -> V | None:
        """The value that the first node of `lineage` sees, None if there is none."""
        for version in lineage:
            layer = self._layers.get(version)
            if layer is not None and key in layer:
                return layer[key]
        return None

    def put(self, version: int, entries: Mapping[K, V | None]) -> None:
        """Write into a node's own layer; what its ancestors have stays as it is."""
        self._layers.setdefault(version, {}).update(entries)

    def visible(self, lineage: Lineage) -> dict[K, V]:
        """All that the first node of `lineage` sees."""
        seen: dict[K, V | None] = {}
        for version in reversed(lineage):
            seen.update(self._layers.get(version, {}))
        return {key: value for key, value in seen.items() if value is not None}
