"""How much of what all workers may have together is one worker's?"""

from __future__ import annotations


def share(total: int, number: int, workers: int) -> int:
    """The part of the worker `number` (from 1) of `workers`; the parts add up to `total`, but none is less than 1."""
    return max(1, total // workers + (number <= total % workers))
