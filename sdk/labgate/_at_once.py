"""How does one piece of code serve callers that wait and callers that await? As a coroutine that may find all at hand.

What reads replies, brings parts and writes files is written as coroutines. Over a socket that blocks none of their steps
waits for an event loop, so that they run to their end at once; asyncio need not be there for it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeVar

    Found = TypeVar("Found")


def at_once(work: Coroutine[Any, Any, Found]) -> Found:
    """What a coroutine returns that waits for nothing; what it raises is raised."""
    try:
        work.send(None)
    except StopIteration as ended:
        found: Found = ended.value
        return found
    work.close()
    raise RuntimeError("blocking work has awaited an event loop")


async def settled(step: Any) -> Any:
    """What a step has brought: itself, or what awaiting it brings."""
    return await step if hasattr(step, "__await__") else step


def is_awaited(node: object) -> bool:
    """Whether what is asked of a client, of a namespace, a volume or a source, is awaited."""
    return getattr(getattr(node, "_session", None), "awaited", False)


def carried(node: object, work: Coroutine[Any, Any, Found]) -> Found:
    """What the work brings; of a client whose calls are awaited, the work itself, to be awaited."""
    return work if is_awaited(node) else at_once(work)  # type: ignore[return-value]


def beside(awaited: bool) -> Callable[..., Any]:
    """How a piece of work is done that waits for this machine, such as for a disk: to be `settled`."""
    if awaited:
        from asyncio import to_thread

        return to_thread
    return _here


def _here(work: Callable[..., Any], *args: Any) -> Any:
    return work(*args)
