"""How much did the cache help? From counts of calls to what operators are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

Ended = Mapping[str, tuple[int, int]]
"""How many calls ended in each way, and the bytes of their answers."""

FROM_CACHE: Final = ("hit", "stale")
_VERDICTS: Final = (*FROM_CACHE, "miss", "pass")
_FAILED: Final = "failed"


def counted(ended: Ended) -> dict[str, Any]:
    """The counts of one method as a status has them, numbers alone, which can be summed over processes.

    `failed` are the calls that ended with an error or a fault.
    """
    calls = dict.fromkeys((*_VERDICTS, _FAILED), 0)
    sizes = Counter({"cache": 0, "upstream": 0})
    for outcome, (count, size) in ended.items():
        calls[outcome if outcome in _VERDICTS else _FAILED] += count
        sizes["cache" if outcome in FROM_CACHE else "upstream"] += size
    return {"calls": calls, "bytes": dict(sizes)}


def told(by_method: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of all methods together, and those of each by its name, with the ratio of hits."""
    calls: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for one in by_method.values():
        calls.update(one["calls"])
        sizes.update(one["bytes"])
    whole = counted({})
    total = {"calls": {**whole["calls"], **calls}, "bytes": {**whole["bytes"], **sizes}}
    return {
        **_with_ratio(total),
        "methods": {name: _with_ratio(one) for name, one in sorted(by_method.items())},
    }


def _with_ratio(one: Mapping[str, Any]) -> dict[str, Any]:
    """`hit_ratio` is of the calls that the cache had a part in, None without any."""
    calls = one["calls"]
    helped = sum(calls[name] for name in FROM_CACHE)
    asked = helped + calls["miss"]
    return {"hit_ratio": round(helped / asked, 4) if asked else None, **one}
