"""Is the gate alive, and does it take calls? `/-/healthy` and `/-/ready`, open and without detail."""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.reply import Fields
from gateway.doors.asked import Asked
from gateway.wire.answer import Answer

_PLAIN: Fields = ((b"Content-Type", b"text/plain; charset=utf-8"), (b"Cache-Control", b"no-store"))


class HealthDoor:
    """Says `ok` while the process answers."""

    async def answer(self, asked: Asked) -> Answer:
        """200 whenever it can be asked at all."""
        return Answer(200, None, _PLAIN, b"ok\n")


class ReadyDoor:
    """Says `ok` once the first discovery is over and until the gate is told to end."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready

    async def answer(self, asked: Asked) -> Answer:
        """200 while calls shall come, else 503; the gate may take some for a little longer."""
        if self._ready():
            return Answer(200, None, _PLAIN, b"ok\n")
        return Answer(503, None, ((b"Retry-After", b"1"), *_PLAIN), b"not ready\n")
