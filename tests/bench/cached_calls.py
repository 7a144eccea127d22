"""How many calls a second does one core answer from memory, beside nginx on the same core in the same run?"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable

from bench_lab import Lab, lab, post
from relay_calls import call
from side_by_side import Contender, Load, Row, compared, posts, row, times

WARM_SET = 10_000
"""As many as post_set.lua makes."""
_PASSES = 3
"""Over the set before it counts: the cache is filled, then the gate's lanes see each of it again."""


def same_bytes(seconds: float, runs: int) -> list[Row]:
    """The same request over and over."""
    with lab() as here:
        mine, theirs = call("bench.get_00000", ["J42"]), call("get_00000", ["J42"])
        for body in (mine, mine):
            post(here.gate, body.encode(), here.token)
        _must_be_hits(here, mine)
        post(here.nginx("cached"), theirs.encode())
        found = compared(
            runs,
            gate=Contender(here.pid, posts(here.gate, mine, token=here.token, seconds=seconds)),
            cache=Contender(here.nginx_pid, posts(here.nginx("cached"), theirs, seconds=seconds)),
            constant=Contender(here.nginx_pid, posts(here.nginx("return"), theirs, seconds=seconds)),
        )
    work = "cached call, equal bytes"
    return [
        row(work, found["gate"], "nginx proxy_cache", found["cache"], "2.5"),
        row(work, found["gate"], "nginx return 200", found["constant"], "0.9"),
    ]


def warm_set(seconds: float, runs: int) -> list[Row]:
    """Ids and parameters vary over ten thousand calls, all in memory."""
    with lab() as here:
        mine = call("bench.get_00002", ["@@"]).replace('"id": 1', '"id": @@')
        theirs = call("get_00002", ["@@"]).replace('"id": 1', '"id": @@')
        gate = posts(here.gate, mine, script="post_set.lua", token=here.token, seconds=seconds)
        nginx = posts(here.nginx("cached"), theirs, script="post_set.lua", seconds=seconds)
        _warmed(gate)
        _warmed(nginx)
        kept = sum(1 for path in (here.folder / "cache").rglob("*") if path.is_file())
        if kept < WARM_SET:
            sys.exit(f"nginx keeps {kept} of {WARM_SET} answers")
        _must_be_hits(here, mine.replace("@@", str(WARM_SET)))
        _must_be_hits(here, mine.replace("@@", "1"))
        found = compared(runs, gate=Contender(here.pid, gate), nginx=Contender(here.nginx_pid, nginx))
    work = f"cached call, id and params vary over {WARM_SET:,}"
    return [row(work, found["gate"], "nginx proxy_cache", found["nginx"], "1.7")]


def batch(seconds: float, runs: int, size: int = 1000) -> list[Row]:
    """A batch of cached calls over two connections, so that the server has the next while the last is read."""
    with lab() as here:
        body = json.dumps([json.loads(call("bench.get_00002", [n], n)) for n in range(size)])
        single = call("get_00000", ["J42"])
        for _ in range(2):
            answers = json.loads(post(here.gate, body.encode(), here.token))
            assert [answer["id"] for answer in answers] == list(range(size))
            assert all("result" in answer for answer in answers)
        _must_be_hits(here, body)
        post(here.nginx("cached"), single.encode())
        load = posts(here.gate, body, token=here.token, seconds=seconds, connections=2)
        found = compared(
            runs,
            gate=Contender(here.pid, times(size, load)),
            nginx=Contender(here.nginx_pid, posts(here.nginx("cached"), single, seconds=seconds)),
        )
    work = f"cached calls in batches of {size:,}"
    wanted = "10, and 500,000 /s"
    return [row(work, found["gate"], "nginx proxy_cache, single calls", found["nginx"], wanted)]


def _warmed(load: Callable[[], Load]) -> None:
    """Load and throw the figures away until the whole set was asked for several times."""
    done = 0.0
    while done < _PASSES * WARM_SET:
        done += load().done


def _must_be_hits(here: Lab, body: str) -> None:
    """Exit where the gate does not answer this from its memory: the figures would be of something else."""
    fields = {"Content-Type": "application/json", "Authorization": f"Bearer {here.token}"}
    with urllib.request.urlopen(urllib.request.Request(here.gate, body.encode(), fields)) as response:
        told = response.headers["Cache-Status"] or ""
    if "; hit" not in told:
        sys.exit(f"no hit: {told}")
