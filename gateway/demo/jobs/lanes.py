"""When does a queued job run? Each lane has a queue and a few threads that take from it, first come first."""

import contextlib
import queue
import threading
from collections.abc import Callable

LANES = {"default": 2, "csworker": 1}
"""Every lane with the number of jobs that it runs at a time."""

Task = Callable[[], None]


class Lanes:
    """The lanes' threads; `close` ends them when their present tasks are done."""

    def __init__(self) -> None:
        self._queues: dict[str, queue.SimpleQueue[Task | None]] = {
            name: queue.SimpleQueue() for name in LANES
        }
        self._threads = [
            threading.Thread(target=self._work, args=(name,), name=f"lane {name} {number}", daemon=True)
            for name, slots in LANES.items()
            for number in range(slots)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, lane: str, task: Task) -> None:
        """Queue `task`; it must not raise."""
        self._queues[lane].put(task)

    def close(self) -> None:
        """Let every thread finish its present task; tasks still queued are dropped."""
        for name, slots in LANES.items():
            waiting = self._queues[name]
            with contextlib.suppress(queue.Empty):
                while True:
                    waiting.get_nowait()
            for _ in range(slots):
                waiting.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, name: str) -> None:
        while (task := self._queues[name].get()) is not None:
            task()
