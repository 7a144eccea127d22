"""How are the garbage collector's pauses kept short in a gate that holds a million entries?"""

from __future__ import annotations

import gc


def leave_tables_alone() -> None:
    """Take what is there by now out of the collector's rounds, the tables of the tiers among it.

    A round that visits a table of a million entries takes half a second. The entries themselves are never visited: they
    refer to nothing that could lead back to them.
    """
    gc.collect()
    gc.freeze()
