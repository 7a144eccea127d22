"""What do a million entries in the memory tier cost: to look up, to hold, to the garbage collector?

`python tests/bench/cache_entries.py` measures in a process of its own, which has nothing else in its memory, and prints
one JSON object.
"""

from __future__ import annotations

import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_lab import SERVER_CORE
from side_by_side import Row, resident_mib

FEW, MANY = 10_000, 1_000_000
_BODY = 200
"""Bytes of each entry's body."""
_LOOKS = 200_000
_ROUNDS = 5


class Pauses:
    """The longest collection of each generation since the last `reset`, in seconds."""

    def __init__(self) -> None:
        self.longest = [0.0, 0.0, 0.0]
        self._started = 0.0
        gc.callbacks.append(self._seen)

    def _seen(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._started = time.perf_counter()
            return
        spent = time.perf_counter() - self._started
        self.longest[info["generation"]] = max(self.longest[info["generation"]], spent)


def million() -> list[Row]:
    """The rows, measured in a process of its own on the server's core."""
    done = subprocess.run(
        ["taskset", "-c", str(SERVER_CORE), sys.executable, __file__],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    few, many = told["few"], told["many"]
    work = f"{MANY:,} entries in memory: "
    return [
        Row(
            work + "look-up",
            f"{many:,.0f} ns",
            f"{FEW:,} entries",
            f"{few:,.0f} ns",
            f"{many / few:.2f}",
            "flat",
        ),
        Row(
            work + "look-up of the same few again",
            f"{told['hot_many']:,.0f} ns",
            f"{FEW:,} entries",
            f"{told['hot_few']:,.0f} ns",
            f"{told['hot_many'] / told['hot_few']:.2f}",
            "flat",
        ),
        Row(
            work + f"beside key ({told['key']:.0f} B) and body ({_BODY} B)",
            f"{told['overhead']:,.0f} B each",
            "what the tier counts",
            f"{told['counted']:,.0f} B each",
            "",
            "at most 400 B",
        ),
        Row(
            work + "longest collection while filling",
            f"{told['pause']:.1f} ms",
            "asked for, when full",
            f"{told['full']:.1f} ms",
            "",
            "at most 10 ms",
        ),
    ]


def measure() -> dict[str, float]:
    """Fill a tier with few entries, then with many; look them up; see what they took."""
    from gateway.commands.pauses import leave_tables_alone
    from gateway.tiers.memory import MemoryTier

    tier = MemoryTier(4 << 30)
    leave_tables_alone()  # as `labgated serve` does
    entries = _entries()
    keys: list[bytes] = []
    pauses = Pauses()
    _fill(tier, entries, keys, FEW)
    few, hot_few = _look_up(tier, keys, _LOOKS), _look_up(tier, keys[:1000], _LOOKS)
    gc.collect()
    before, counted_before, index_before = _resident(), tier.bytes, sys.getsizeof(keys)
    pauses.longest = [0.0, 0.0, 0.0]
    _fill(tier, entries, keys, MANY)
    pause = max(pauses.longest)
    taken = _resident() - before - (sys.getsizeof(keys) - index_before)
    added = MANY - FEW
    key = sum(map(len, keys)) / len(keys)
    assert len(tier) == MANY
    many, hot_many = _look_up(tier, keys, _LOOKS), _look_up(tier, keys[:1000], _LOOKS)
    keys.clear()  # it would be looked through as well
    pauses.longest = [0.0, 0.0, 0.0]
    gc.collect()
    return {
        "few": few,
        "many": many,
        "hot_few": hot_few,
        "hot_many": hot_many,
        "key": key,
        "overhead": taken / added - key - _BODY,
        "counted": (tier.bytes - counted_before) / added - key - _BODY,
        "pause": pause * 1000,
        "full": max(pauses.longest) * 1000,
    }


def _entries() -> Iterator[Any]:
    """Entries as the relay makes them of replies, each of its own call."""
    from gateway.core.freshness import entry_of
    from gateway.core.keys import EVERYONE, parameters, target
    from gateway.core.method import CacheRule
    from gateway.core.quick_envelope import usual_call
    from gateway.core.verdict import Miss
    from gateway.tiers.shared_generations import SharedGenerations

    rule, names = CacheRule(fresh=3600.0, share="everyone"), ("bench", "bench.get_job")
    folder = tempfile.TemporaryDirectory()
    generations = SharedGenerations(Path(folder.name) / "generations")
    before = target("bench", "get_job") + EVERYONE
    for number in range(MANY):
        text = b'{"jsonrpc":"2.0","method":"bench.get_job","params":["J%d"],"id":1}' % number
        call = usual_call(text, 512)
        assert call is not None
        key = before + parameters(call[1], rule)
        miss = Miss(key, generations.read(names), generations.epoch, rule, "not stored", names)
        yield entry_of(miss, "result", b"%0*d" % (_BODY, number), time.time())


def _fill(tier: Any, entries: Iterator[Any], keys: list[bytes], until: int) -> None:
    while len(keys) < until:
        entry = next(entries)
        assert tier.put(entry.key, entry)
        keys.append(entry.key)


def _look_up(tier: Any, keys: list[bytes], times: int) -> float:
    """Nanoseconds of one look-up that finds its entry, in no order; less those of the loop around it.

    The keys are copies: what comes in with a request is never the object that lies in the tier.
    """
    chance = random.Random(4)
    found = []
    for _ in range(_ROUNDS):
        asked = [bytes(bytearray(keys[chance.randrange(len(keys))])) for _ in range(times)]
        get = tier.get
        started = time.perf_counter()
        for key in asked:
            get(key)
        spent = time.perf_counter() - started
        started = time.perf_counter()
        for _key in asked:
            pass
        found.append((spent - (time.perf_counter() - started)) / times * 1e9)
        assert all(tier.peek(key) is not None for key in asked[:100])
    return statistics.median(found)


def _resident() -> float:
    """The memory of this process, in bytes."""
    return resident_mib(os.getpid()) * 2**20


if __name__ == "__main__":
    print(json.dumps(measure()))
