"""How are several parts of one piece of work done at once, so that it is done whole or fails at once?"""

from __future__ import annotations

import threading
from collections import deque

from labgate._at_once import at_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any, TypeVar

    from labgate._session import Terms

    Job = TypeVar("Job")

_GLANCE_SECONDS = 0.5  # Ctrl-C is noticed between two waits where a system does not interrupt them


def all_of(work: Callable[[Job], None], jobs: Sequence[Job], workers: int, end: Callable[[], None]) -> None:
    """Do the work for every job, on up to `workers` threads; a single one is done by the caller's own.

    The first failure, and Ctrl-C, call `end`, which makes the others fail too. When this returns or raises, no thread
    works any longer.

    Raises:
        Exception: the first that the work raised.
        ValueError: there are no workers.
    """
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError("workers is a whole number from 1 on")
    if workers == 1 or len(jobs) == 1:
        for job in jobs:
            work(job)
        return
    waiting = deque(jobs)
    failures: list[BaseException] = []

    def labour(over: threading.Event) -> None:
        try:
            while not failures and (job := _next(waiting)) is not None:
                try:
                    work(job)
                except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
                    failures.append(error)
                    end()
        finally:
            over.set()

    # Not `join`: where Ctrl-C interrupts it, Python takes the thread for one that has ended (gh-90882).
    overs = [threading.Event() for _ in range(min(workers, len(jobs)))]
    threads = [threading.Thread(target=labour, args=(over,), daemon=True) for over in overs]
    try:
        for thread in threads:
            thread.start()
        _await(overs)
    except BaseException as error:
        failures.append(error)
        end()
        _await([over for over, thread in zip(overs, threads, strict=True) if thread.ident is not None])
        raise
    if failures:
        raise failures[0]


def everything(session: Terms) -> Callable[..., Coroutine[Any, Any, None]]:
    """As `all_of`, for work that is a coroutine: on threads, or in tasks where the session's calls are awaited."""
    if session.awaited:
        from labgate._async_crew import all_in_tasks

        return all_in_tasks
    return _all_in_threads


async def _all_in_threads(
    work: Callable[[Job], Coroutine[Any, Any, None]],
    jobs: Sequence[Job],
    workers: int,
    end: Callable[[], None],
) -> None:
    all_of(lambda job: at_once(work(job)), jobs, workers, end)


def _next(waiting: deque[Job]) -> Job | None:
    try:
        return waiting.popleft()
    except IndexError:  # another thread took the last one
        return None


def _await(overs: Sequence[threading.Event]) -> None:
    for over in overs:
        while not over.wait(_GLANCE_SECONDS):
            continue
