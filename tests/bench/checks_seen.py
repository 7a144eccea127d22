"""What do token, policy and limits cost a call, seen from outside? Three callers of one gate in turns, so that they alone differ.

Two processes of the same program differ by some per cent, which is more than the checks of a call take. Who is not checked
sends just as many bytes, in a field that nobody looks at.
"""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path

from bench_lab import Lab, lab, post, switch, table, token_of, wrk_counts
from relay_calls import call

RULES = """\
  - {to: ["group:limited"], allow: ["*"], rate: 1000000/s, bytes: 500TiB/h}
  - {to: [anonymous], allow: ["*"]}
"""
ADDED = ("limits add (half of the turns within)", "all checks add (likewise)")
OPEN = "identity: {anonymous: true}\n"


def run(seconds: float, runs: int) -> None:
    """Print the table."""
    with ExitStack() as ends:
        here = ends.enter_context(lab(with_nginx=False, rules=RULES, more=OPEN))
        callers = {
            "no token": ("X-Authorization", here.token),
            "a token": ("Authorization", here.token),
            "a token, under limits": ("Authorization", token_of(here.config, "limited")),
        }
        body = call("bench.get_00000", ["J42"])
        for _, token in callers.values():
            assert b"completed" in post(here.gate, body.encode(), token)
        front = _told(here, callers, body, seconds, runs)
        switch(here, "off")
        parsed = _told(here, callers, body, seconds, runs)
    rows = [
        ("CPU us for a call", *callers, *ADDED),
        ("front lane, cached", *front),
        ("parsed, cached", *parsed),
    ]
    table("Callers of one gate, one core for it, 32 connections, metrics on, access log off", rows)


def _told(here: Lab, callers: dict[str, tuple[str, str]], body: str, seconds: float, runs: int) -> list[str]:
    spent = [[_cost(here, *caller, body, seconds) for caller in callers.values()] for _ in range(runs)]
    told = [f"{statistics.median(each):.2f}" for each in zip(*spent, strict=True)]
    for one in (1, 0):
        least, middle, most = statistics.quantiles([turn[2] - turn[one] for turn in spent], n=4)
        told.append(f"{middle:.2f} ({least:.2f} to {most:.2f})")
    return told


def _cost(here: Lab, field: str, token: str, body: str, seconds: float) -> float:
    """Microseconds of processor time for a call."""
    before = _nanoseconds(here.pid)
    done, _ = wrk_counts(here.gate, body, script="post.lua", token=token, seconds=seconds, field=field)
    return (_nanoseconds(here.pid) - before) / done / 1e3


def _nanoseconds(pid: int) -> int:
    """What the threads of a process have had of its core: `stat` counts in hundredths of a second."""
    return sum(int(one.read_text().split()[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat"))
