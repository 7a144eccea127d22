"""How are several parts of one piece of work done at once in an event loop, so that it is done whole or fails at once?"""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator, Sequence
    from typing import Any, TypeVar

    Job = TypeVar("Job")


async def all_in_tasks(
    work: Callable[[Job], Coroutine[Any, Any, None]],
    jobs: Sequence[Job],
    workers: int,
    end: Callable[[], None] | None = None,  # noqa: ARG001 - threads must be told; tasks are cancelled
) -> None:
    """Do the work for every job, in up to `workers` tasks; a single one is done by the caller's own.

    The first failure, and cancelling the caller, cancels the others. When this returns or raises, no task works any
    longer.

    Raises:
        Exception: the first that the work raised.
        ValueError: there are no workers.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError("workers is a whole number from 1 on")
    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            await work(job)
        return
    await all_ended(work, iter(jobs), min(workers, len(jobs)))


async def all_ended(
    work: Callable[[Job], Coroutine[Any, Any, None]], waiting: Iterator[Job], workers: int
) -> None:
    """Let so many tasks take one job after the other, until there are no more or one has failed."""

    async def labour() -> None:
        for job in waiting:
            await work(job)

    tasks = [asyncio.create_task(labour()) for _ in range(workers)]
    try:
        left = {*tasks}
        while left:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
