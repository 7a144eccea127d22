"""What does the cache hold, and how much did it help? For operators as JSON, and for Prometheus as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gateway.core import cache_counts
from gateway.core.ports import Generations
from gateway.core.switches import Switches
from gateway.status import Numbers


class Memory(Protocol):
    """The tier in memory."""

    limit: int
    largest: int

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
        switches: Switches,
        counts: Callable[[], Mapping[str, cache_counts.Ended]],
        *,
        others: Sequence[Callable[[], Mapping[str, Any]]] = (),
    ) -> None:
        """`counts` tells of each method how many calls ended how, and the bytes of their answers.

        `others` tell of the tiers beyond memory, each in its own words, its `name` among them.
        """
        self._memory = memory
        self._generations = generations
        self._switches = switches
        self._counts = counts
        self._others = others

    def told(self) -> dict[str, Any]:
        """What each tier holds, and how much the cache helped, in all and for each method."""
        return {
            "switch": "on" if self._switches.cache else "off",
            "epoch": self._generations.epoch,
            "tiers": [self._told_of_memory(), *(dict(told()) for told in self._others)],
            **cache_counts.told(self._counts()),
        }

    def _told_of_memory(self) -> dict[str, Any]:
        memory = self._memory
        return {
            "name": "memory",
            "entries": len(memory),
            "bytes": memory.bytes,
            "pinned": memory.pinned_bytes,
            "limit": memory.limit,
            "largest": memory.largest,
        }

    def by_method(self) -> dict[str, Any]:
        """How much the cache helped each method that was called."""
        methods: dict[str, Any] = cache_counts.told(self._counts())["methods"]
        return methods

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
