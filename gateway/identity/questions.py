"""How do all who want to know the same at once share one question?"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Hashable
from typing import Any, Generic, TypeVar

from gateway.core.faults import Unavailable

_Key = TypeVar("_Key", bound=Hashable)
_Said = TypeVar("_Said")


class Questions(Generic[_Key, _Said]):
    """Questions under way, by what they are about. Whoever leaves ends none of them."""

    def __init__(self, name: str) -> None:
        """`name` says what their tasks are."""
        self._name = name
        self._flights: dict[_Key, asyncio.Task[_Said]] = {}

    def __contains__(self, key: _Key) -> bool:
        return key in self._flights

    def __len__(self) -> int:
        return len(self._flights)

    def get(self, key: _Key) -> asyncio.Task[_Said] | None:
        """The question about this that is under way."""
        return self._flights.get(key)

    def set_off(self, key: _Key, asking: Coroutine[Any, Any, _Said]) -> asyncio.Task[_Said]:
        """Begin a question."""
        flight = asyncio.get_running_loop().create_task(asking, name=self._name)
        self._flights[key] = flight
        flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return flight

    def beside(self, key: _Key, asking: Coroutine[Any, Any, _Said]) -> None:
        """Begin a question that nobody waits for: whoever needs to know is told, and the log knows."""
        self.set_off(key, asking).add_done_callback(_heard)

    async def close(self) -> None:
        """End those under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)


async def joined(flight: asyncio.Task[_Said]) -> _Said:
    """What a question brings. Raises what it raises, and `Unavailable` when the gate goes down."""
    try:
        return await asyncio.shield(flight)
    except asyncio.CancelledError:
        if flight.cancelled():
            raise Unavailable("The gate is going down: call again in a moment.", retry_after=1) from None
        raise


def _heard(flight: asyncio.Task[Any]) -> None:
    if not flight.cancelled():
        flight.exception()
