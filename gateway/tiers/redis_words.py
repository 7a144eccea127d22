"""What do gates keep in Redis and tell each other through it, in which words?"""

from __future__ import annotations

import math
from contextlib import suppress

from msgspec import Struct

from gateway.tiers.bumps import EPOCH


class Names(Struct, frozen=True):
    """The names of everything that Redis keeps for the gates of one prefix. The tag puts all of it into one slot."""

    prefix: str
    database: int = 0

    def key(self, name: str) -> str:
        """The key of this name."""
        return f"{{{self.prefix}}}:{name}"

    @property
    def channel(self) -> str:
        """Where bumps are told; channels know no databases."""
        return f"{self.prefix}:bumps:{self.database}"


class Message(Struct, frozen=True):
    """What a gate told: the counters that it raised, and to what."""

    incarnation: bytes
    number: int
    host: str
    counters: dict[int, int]


def message_of(text: bytes) -> Message | None:
    """What the script that bumps has told; None if it was somebody else."""
    try:
        incarnation, number, host, *pairs = text.split()
        counters = {int(row): int(count) for row, _, count in (pair.partition(b"=") for pair in pairs)}
        if counters and not 0 <= min(counters) <= max(counters) <= EPOCH:
            return None
        return Message(incarnation, int(number), host.decode(), counters)
    except ValueError:
        return None


def revocations_of(told: list[bytes]) -> dict[str, float]:
    """What the hash of revocations holds; what no gate wrote is passed over."""
    found = {}
    for token, at in zip(told[::2], told[1::2], strict=True):
        with suppress(ValueError):
            found[token.decode("ascii")] = float(at)
    return {token: at for token, at in found.items() if math.isfinite(at)}


def texts_of(told: list[bytes]) -> dict[str, str]:
    """What a hash of texts holds; what is no text is passed over."""
    found = {}
    for name, text in zip(told[::2], told[1::2], strict=True):
        with suppress(ValueError):
            found[name.decode("ascii")] = text.decode("ascii")
    return found
