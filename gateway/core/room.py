"""Where does the body of an answer go that is not gathered: into which memory, which is there before it comes?"""

from __future__ import annotations

from typing import Protocol


class Room(Protocol):
    """Memory that the body of a 200 goes into, one byte after the other."""

    def begin(self) -> int:
        """Be filled from the beginning, whatever was there; for how many bytes there is place."""

    def open(self) -> memoryview:
        """Where the next bytes go: at least one, as long as there is place."""

    def came(self, size: int) -> None:
        """So many bytes lie there now."""


class Plain:
    """A room in one piece, which lies there as it came."""

    def __init__(self, size: int) -> None:
        self.memory = memoryview(bytearray(size))
        self._filled = 0

    def begin(self) -> int:
        """See there."""
        self._filled = 0
        return len(self.memory)

    def open(self) -> memoryview:
        """See there."""
        return self.memory[self._filled :]

    def came(self, size: int) -> None:
        """See there."""
        self._filled += size


def put(room: Room, data: bytes | memoryview) -> None:
    """Put what has come elsewhere into the room, which has place for it."""
    with memoryview(data) as rest:
        at = 0
        while at < len(rest):
            space = room.open()
            size = min(len(space), len(rest) - at)
            space[:size] = rest[at : at + size]
            room.came(size)
            at += size
