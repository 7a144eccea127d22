"""What of a body that lies in pieces comes after a place in it?"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.verdict import Extent

Part = bytes | memoryview | Extent
"""Some of a body: at hand, or in a file."""


def size_of(part: Part) -> int:
    """How many bytes it is."""
    return part.length if isinstance(part, Extent) else len(part)


def after(pieces: Iterable[bytes], begin: int, at: int, most: int) -> list[Part]:
    """What comes from the place `at` on, about `most` bytes and a piece more; the first piece begins at `begin`."""
    found: list[Part] = []
    for piece in pieces:
        if most <= 0:
            break
        end = begin + len(piece)
        if end > at:
            found.append(piece if begin >= at else memoryview(piece)[at - begin :])
            most -= end - max(at, begin)
        begin = end
    return found


def without_first(pieces: list[bytes], begin: int, upto: int) -> int:
    """Remove the pieces that end before `upto`; where the first one begins now."""
    gone = 0
    for piece in pieces:
        if begin + len(piece) > upto:
            break
        begin += len(piece)
        gone += 1
    del pieces[:gone]
    return begin
