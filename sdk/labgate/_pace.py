"""How many calls travel in one request? As many as take little time together."""

from __future__ import annotations

import threading

# What several batches at once take is mostly each other's time: sooner than this, small ones would only make each other small.
_SOON = 0.05
_LATE = 0.15
_LARGE = 1 << 20


class Pace:
    """The size of the next batch, which follows from how the last ones went; for any thread.

    It doubles while batches come back soon (50 ms), and falls where they take long (0.15 s) or bring much (1 MiB), so that
    a slow call holds up no others.
    """

    MOST = 256
    MOST_UNSURE = 16  # of calls that cannot be sent again: a connection that breaks leaves so many in doubt

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self.size = 1

    def took(self, count: int, seconds: float, size: int) -> None:
        """A batch of so many calls took so long, and its answer had so many bytes."""
        with self._lock:
            if seconds > _LATE or size > _LARGE:
                share = min(_LATE / 2 / max(seconds, 1e-9), _LARGE / 2 / max(size, 1))
                self.size = min(self.size, max(1, int(count * share)))
            elif seconds < _SOON and count >= self.size:
                self.size = min(2 * count, self._most)

    def at_most(self, most: int) -> None:
        """The gate takes no larger batches."""
        with self._lock:
            self._most = min(self._most, max(1, most))
            self.size = min(self.size, self._most)
