"""How are several parts of one piece of work done at once, so that it is done whole or fails at once?"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

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
    import threading

    waiting = deque(jobs)
    failures: list[BaseException] = []

    def labour() -> None:
        while not failures:
            try:
                job = waiting.popleft()
            except IndexError:
                return
            try:
                work(job)
            except BaseException as error:  # noqa: BLE001 - it is raised where the work was asked for
                failures.append(error)
                end()

    threads = [threading.Thread(target=labour, daemon=True) for _ in range(min(workers, len(jobs)))]
    try:
        for thread in threads:
            thread.start()
        _await(threads)
    except BaseException as error:
        failures.append(error)
        end()
        _await([thread for thread in threads if thread.ident is not None])
        raise
    if failures:
        raise failures[0]


def _await(threads: Sequence[object]) -> None:
    for thread in threads:
        while thread.is_alive():  # type: ignore[attr-defined]
            thread.join(_GLANCE_SECONDS)  # type: ignore[attr-defined]
