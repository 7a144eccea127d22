"""How are many calls of async clients made at once, but not all at once?"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator
    from typing import Any


async def gather(*calls: Awaitable[Any], limit: int = 16, return_exceptions: bool = False) -> list[Any]:
    """The results of many calls, in the order of the calls.

        answers = await labgate.gather(*(lab.files.stats(uid) for uid in uids), limit=32)

    Args:
        calls: what would be awaited, one by one: calls of methods, coroutines, tasks.
        limit: how many are on their way at once; coroutines behind them have not begun.
        return_exceptions: an error stands in its call's place. Without it the first error ends the other calls, and is
            raised when they have ended.

    Raises:
        Exception: the first that a call raised.
        ValueError: there is no limit that lets one through.
    """
    import asyncio

    from labgate._async_crew import all_ended

    waiting = iter(enumerate(calls))
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        _forget(waiting)
        raise ValueError("limit is a whole number from 1 on")
    results: list[Any] = [None] * len(calls)

    async def work(job: tuple[int, Awaitable[Any]]) -> None:
        at, call = job
        try:
            results[at] = await call
        except (Exception, asyncio.CancelledError) as error:
            own = asyncio.current_task()
            if not return_exceptions or (own is not None and own.cancelling()):
                raise
            results[at] = error

    try:
        await all_ended(work, waiting, min(limit, len(calls)))
    finally:
        _forget(waiting)
    return results


def _forget(waiting: Iterator[tuple[int, Any]]) -> None:
    """End what has not begun: a coroutine that is never awaited would say so."""
    for _, call in waiting:
        for end in ("close", "cancel"):
            if hasattr(call, end):
                getattr(call, end)()
                break
