"""What do policies, limits and the audit log cost, by processor time for each call? Gates that differ in these alone, side by side."""

from __future__ import annotations

from contextlib import ExitStack

import checks_seen
import lane_alone
import parsed_alone
from bench_lab import Lab, lab, post, switch, table
from relay_calls import call
from side_by_side import gates_beside, median

MANY = 1000
LIMITS = "limits: {per_principal: {rate: 1000000/s, bytes: 500TiB/h}}\n"
SETTINGS = {
    "10 rules": {"rules": 10},
    f"{MANY} rules": {"rules": MANY},
    "limits": {"rules": 10, "limits": True},
    "limits and audit": {"rules": 10, "limits": True, "audit": True},
}


def _gate(ends: ExitStack, rules: int, *, limits: bool = False, audit: bool = False) -> Lab:
    lines = "".join(
        f'  - {{to: ["group:bench"], allow: ["other{n}.get_*", "GET /other{n}/**"]}}\n'
        for n in range(rules - 1)
    )
    more = LIMITS if limits else ""
    telemetry = 'access_log: "off"' + (", audit: /dev/null" if audit else "")
    here = ends.enter_context(lab(with_nginx=False, rules=lines, more=more, telemetry=telemetry))
    for name in ("bench.get_00000", "bench.get_00001"):
        assert b"completed" in post(here.gate, call(name, ["J42"]).encode(), here.token)
    return here


def run(seconds: float, runs: int) -> None:
    """Print the table."""
    with ExitStack() as ends:
        gates = {name: _gate(ends, **settings) for name, settings in SETTINGS.items()}
        hit, write = call("bench.get_00000", ["J42"]), call("bench.get_00003", ["@@"])
        found = {"front lane, cached": gates_beside(gates, seconds, runs, hit, "post.lua")}
        found["write to the service"] = gates_beside(gates, seconds, runs, write, "post_unique.lua")
        for here in gates.values():
            switch(here, "off")
        found["parsed, cached"] = gates_beside(gates, seconds, runs, hit, "post.lua")
    rows = [("CPU us for a call", *SETTINGS)]
    for work, figures in found.items():
        rows.append((work, *(f"{median(figures[name]).cpu:.2f}" for name in SETTINGS)))
    table("Access, one core for the server, 32 connections, token and metrics on, access log off", rows)
    lane_alone.run()
    parsed_alone.run()
    checks_seen.run()
