"""What does the cache hold, and how much did it help? For operators as JSON, and for Prometheus as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.core import cache_counts
from gateway.core.ports import Generations
from gateway.status import Numbers


class Memory(Protocol):
    """The tier in memory."""

    limit: int

    @property
    def bytes(self) -> int: ...
    @property
    def pinned_bytes(self) -> int: ...
    def __len__(self) -> int: ...


class Holdings:
    """Reads the cache's parts, and changes none."""

    def __init__(
        self,
        memory: Memory,
        generations: Generations,
        counts: Callable[[], Mapping[str, cache_counts.Ended]],
        far: Mapping[str, Callable[[], Mapping[str, Any]]] | None = None,
    ) -> None:
        """`counts` tells of each method how many calls ended how, and the bytes of their answers.

        `far` are the tiers beyond memory by their names; each tells of itself in its own words.
        """
        self._memory = memory
        self._generations = generations
        self._counts = counts
        self._far = far or {}

    def told(self) -> dict[str, Any]:
        """What each tier holds, and for each method that was called how much the cache helped: numbers that add up."""
        memory = self._memory
        mine = {
            "entries": len(memory),
            "bytes": memory.bytes,
            "pinned": memory.pinned_bytes,
            "limit": memory.limit,
        }
        return {
            "epoch": self._generations.epoch,
            "tiers": {"memory": mine, **{name: dict(tell()) for name, tell in self._far.items()}},
            "by_method": {name: cache_counts.counted(ended) for name, ended in self._counts().items()},
        }

    def publish(self, numbers: Numbers) -> None:
        """Have the numbers read whenever metrics are asked for."""
        memory = self._memory
        numbers.gauge(
            "cache_bytes", "Bytes that entries take in memory.", (), lambda: [((), float(memory.bytes))]
        )
        numbers.gauge("cache_entries", "Entries in memory.", (), lambda: [((), float(len(memory)))])
        numbers.gauge(
            "cache_pinned_bytes",
            "Bytes that pinned entries take in memory.",
            (),
            lambda: [((), float(memory.pinned_bytes))],
        )
