"""How much did the cache help? From counts of calls to what operators are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

Ended = Mapping[str, tuple[int, int]]
"""How many calls ended in each way, and the bytes of their answers."""

FROM_CACHE: Final = ("hit", "stale")
_VERDICTS: Final = (*FROM_CACHE, "miss", "pass")


def told(methods: Mapping[str, Ended]) -> dict[str, Any]:
    """The counts of all methods together, and those of each by its name."""
    total: dict[str, tuple[int, int]] = {}
    for ended in methods.values():
        for outcome, (count, size) in ended.items():
            before = total.get(outcome, (0, 0))
            total[outcome] = (before[0] + count, before[1] + size)
    return {**_told(total), "methods": {name: _told(methods[name]) for name in sorted(methods)}}


def _told(ended: Ended) -> dict[str, Any]:
    """`failed` are the calls that ended with an error or a fault; `hit_ratio` is of those the cache had a part in."""
    calls = dict.fromkeys((*_VERDICTS, "failed"), 0)
    sizes = Counter({"cache": 0, "upstream": 0})
    for outcome, (count, size) in ended.items():
        calls[outcome if outcome in _VERDICTS else "failed"] += count
        sizes["cache" if outcome in FROM_CACHE else "upstream"] += size
    helped = sum(calls[one] for one in FROM_CACHE)
    asked = helped + calls["miss"]
    return {
        "hit_ratio": round(helped / asked, 4) if asked else None,
        "calls": calls,
        "bytes": dict(sizes),
    }
