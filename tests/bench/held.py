"""What do honest callers notice of those who hold connections without using them?"""

from __future__ import annotations

import statistics
import sys
from contextlib import nullcontext

from bench_lab import HERE, LOAD_CORE, Lab, lab, post, process, table
from half_load import Latency, once
from relay_calls import call

_HONEST, _SLOW = 1800, 200
_RATE = 1500.0
_MORE = "limits: {connections_per_address: 5000}\n"
_HEAD = ("who holds connections", "p50", "p99", "the load itself was late by")


def run(seconds: float, runs: int) -> None:
    """Print the table: the same load with and without slow callers, in turn."""
    body = call("bench.get_00000", ["J42"])
    with lab(with_nginx=False, more=_MORE) as here:
        for _ in range(2):
            post(here.gate, body.encode(), here.token)
        alone: list[Latency] = []
        beside: list[Latency] = []
        for _ in range(runs):
            alone.append(_measured(here, body, seconds, slow=0))
            beside.append(_measured(here, body, seconds, slow=_SLOW))
    ratio = statistics.median(one.p99 for one in beside) / statistics.median(one.p99 for one in alone)
    table(
        f"{_HONEST + _SLOW:,} connections, cached calls at {_RATE:,.0f} /s over the honest ones; "
        f"p99 with slow callers {ratio:.2f} of that without (at most 2)",
        [_HEAD, _row(f"{_HONEST} honest callers", alone), _row(f"and {_SLOW} slow ones", beside)],
    )


def _measured(here: Lab, body: str, seconds: float, *, slow: int) -> Latency:
    command = (sys.executable, str(HERE / "slow_callers.py"), str(here.gate_port), str(slow))
    env = {"BENCH_BODY": body, "BENCH_TOKEN": here.token}
    with process(*command, core=LOAD_CORE, wait_for="ready", env=env) if slow else nullcontext():
        return once(here.gate_port, "/rpc", body, here.token, _RATE, seconds, connections=_HONEST)


def _row(who: str, found: list[Latency]) -> tuple[str, ...]:
    names = ("p50", "p99", "late_p99")
    figures = [f"{statistics.median(getattr(one, name) for one in found):,.0f} us" for name in names]
    if sum(one.kept_up for one in found) * 2 <= len(found):
        # Then it is the load's own wait for its processor that is seen, and not the gate.
        figures[-1] = f"THE LOAD DID NOT KEEP UP: {figures[-1]}"
    return (who, *figures)
