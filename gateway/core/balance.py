"""Which of several replicas is asked, and which ones after it if it does not take the request?

Of two the one with fewer requests under way (power of two choices); or always the same one for the same key, where that
is wanted (rendezvous hashing). Replicas that are out are asked last, unless most of them are: then that says more of the way there
than of them, and all are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b


def in_use(out: Sequence[bool]) -> list[int]:
    """The replicas that are asked first: those that are not out, or all where more than half are."""
    there = [one for one, is_out in enumerate(out) if not is_out]
    return there if 2 * len(there) >= len(out) else list(range(len(out)))


def by_load(loads: Sequence[int], out: Sequence[bool], turn: int, draw: float) -> list[int]:
    """All replicas in the order in which they are asked.

    The two to choose from are the one whose `turn` it is and another by `draw`, a random number from 0 to 1 (exclusive): so they
    take turns while none has more to do.
    """
    there = in_use(out)
    count = len(there)
    first = turn % count
    if count > 1:
        other = (first + 1 + int(draw * (count - 1))) % count
        if loads[there[other]] < loads[there[first]]:
            first = other
    chosen = there[first:] + there[:first]
    return chosen + [one for one in range(len(out)) if one not in chosen]


def by_key(key: bytes, names: Sequence[bytes], out: Sequence[bool]) -> list[int]:
    """All replicas in the order in which they are asked for this key: with one of them gone, only its keys move."""
    there = set(in_use(out))

    def weight(one: int) -> tuple[bool, bytes]:
        return one in there, blake2b(key, key=blake2b(names[one], digest_size=32).digest()).digest()

    return sorted(range(len(names)), key=weight, reverse=True)
