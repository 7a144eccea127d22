"""How are the garbage collector's pauses kept short in a gate that holds a million entries?"""

from __future__ import annotations

import gc
from typing import Final

_FEW: Final = 20_000
"""Entries whose tables the collector visits within 10 ms."""


def leave_tables_alone() -> None:
    """Take what is there by now out of the collector's rounds, the tables of the tiers among it.

    A round that visits a table of a million entries takes half a second. The entries themselves are never visited: they
    refer to nothing that could lead back to them.
    """
    gc.collect()
    gc.freeze()


def let_go(entries: int) -> None:
    """Free what a gate that has ended leaves behind; so many entries are in memory.

    Its parts know each other, so that the collector alone can free them, and it looks at what is old very rarely. Where there are
    so many entries that a round over their tables would be felt, what was left alone before stays, once.
    """
    if entries > _FEW:
        gc.collect()
        return
    gc.unfreeze()
    leave_tables_alone()
