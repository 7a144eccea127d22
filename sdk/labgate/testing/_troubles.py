"""What is the matter with the methods of a scripted gate?"""

from __future__ import annotations

import threading


class Trouble:
    """What happens to the calls of a method, and to how many of them."""

    def __init__(self, times: int | None) -> None:
        self.times = times
        self.error: Exception | None = None
        self.seconds = 0.0
        self.gate: threading.Event | None = None


class Troubles:
    """The trouble of each method that has some."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        """Nobody waits for what comes late any more."""
        self._of: dict[str, Trouble] = {}
        self._lock = threading.Lock()

    def begin(self, method: str, times: int | None) -> Trouble:
        """New trouble, in the place of what there was; nothing happens by it yet."""
        with self._lock:
            found = self._of[method] = Trouble(times)
            return found

    def end(self, method: str | None = None) -> None:
        """End the trouble of a method, or of all."""
        with self._lock:
            for name in [method] if method is not None else [*self._of]:
                trouble = self._of.pop(name, None)
                if trouble is not None and trouble.gate is not None:
                    trouble.gate.set()

    def met(self, name: str) -> Exception | None:
        """The error that a call of the method is to end with, after the time that it is to take."""
        with self._lock:
            trouble = self._of.get(name)
            if trouble is None or trouble.times == 0:
                return None
            if trouble.times is not None:
                trouble.times -= 1
        if trouble.gate is not None:
            trouble.gate.wait()
        if trouble.seconds:
            self.ended.wait(trouble.seconds)
        return trouble.error
