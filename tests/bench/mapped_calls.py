"""How much sooner are 10,000 small calls done by `labgate.map` than by a loop? Both by the SDK, in one process, in turns."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import bench_lab

CALLS = 10_000
BUDGET = 5.0
_BARE = 3000
_BODY = b'{"jsonrpc":"2.0","id":1,"method":"get_00003","params":{"uid":"J1"}}'
_CALL = (
    b"POST /api HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
    % (
        len(_BODY),
        _BODY,
    )
)
KINDS = {
    "reads from memory, one for all": ("get_00000", lambda at: {"uid": f"J{at % 1000}"}),
    "reads that the service answers": ("get_00001", lambda at: {"uid": f"J{at}"}),
    "writes": ("get_00003", lambda at: {"uid": f"J{at}"}),
}


def run(runs: int, calls: int = CALLS) -> bool:
    """Print the table; whether every kind keeps the budget."""
    import labgate

    rows: list[tuple[str, ...]] = [
        (f"{calls:,} small calls", "loop, calls/s", "map, calls/s", "ratio", "budget")
    ]
    kept = True
    with bench_lab.lab(with_nginx=False) as here, tempfile.TemporaryDirectory() as folder:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {bench_lab.LOAD_CORE})
        address = f"http://127.0.0.1:{here.gate_port}"
        lab = labgate.connect(address, token=here.token, cache_dir=folder)
        for title, (name, item) in KINDS.items():
            method = lab[f"bench.{name}"]
            items = [item(at) for at in range(calls)]
            for one in items[:1000]:
                method(**one)
            loop, mapped = (
                _rate(partial(_loop, method, items), calls),
                _rate(partial(_mapped, method, items), calls),
            )
            median = bench_lab.median_of(runs, ("loop", loop), ("map", mapped))
            ratio = median["map"] / median["loop"]
            kept = kept and ratio >= BUDGET
            rows.append(
                (title, f"{median['loop']:,.0f}", f"{median['map']:,.0f}", f"{ratio:.1f}", f"{BUDGET:g}")
            )
        spent = bench_lab.median_of(
            runs, *((name, _rate(partial(each, here.upstream), _BARE)) for name, each in _WAYS.items())
        )
    bench_lab.table("labgate.map against a loop", rows)
    kept_open, apart = (1e6 / spent[name] for name in _WAYS)
    print(
        f"\nThe service alone, without SDK and gate, by bare sockets: {kept_open:.0f} us a call over a kept connection,"
        f" {apart:.0f} us over one of its own, which each write has behind the gate."
    )
    return kept


def _loop(method: Any, items: list[dict[str, str]]) -> None:
    for one in items:
        method(**one)


def _mapped(method: Any, items: list[dict[str, str]]) -> None:
    import labgate

    count = sum(1 for _ in labgate.map(method, items))
    assert count == len(items)


def _kept(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        for _ in range(_BARE):
            _exchange(sock)


def _apart(port: int) -> None:
    for _ in range(_BARE):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            _exchange(sock)


_WAYS = {"kept": _kept, "apart": _apart}


def _exchange(sock: socket.socket) -> None:
    sock.sendall(_CALL)
    if not sock.recv(65536).startswith(b"HTTP/1.1 200"):
        raise SystemExit("the service refused a call")


def _rate(action: Callable[[], None], calls: int) -> Callable[[], float]:
    def measured() -> float:
        began = time.perf_counter()
        action()
        return calls / (time.perf_counter() - began)

    return measured


if __name__ == "__main__":
    raise SystemExit(0 if run(3) else 1)
