"""What does a call cost two gates of two workers behind HAProxy, beside one worker, and beside nginx in the same places?

Processor time of the servers alone. Each of four gets a fourth of the calls, so that more of them come alone, and wake a process
that slept: the second column is one worker whose calls all do, the third one worker that is where each of the four is, behind
HAProxy with a fourth of the connections. Beside that one it shows what it costs to be several; nginx with four processes in the
same places tells how much of the rest is anybody's.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench_lab import HERE, free_port, nginx_binary, table, until_it_answers
from capacity import one_of, processor, warm
from side_by_side import family

CONNECTIONS = 32
_NGINX = """
daemon off; master_process on; worker_processes {workers}; pid {folder}/{port}.pid; error_log {folder}/{port}.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/{port}1; proxy_temp_path {folder}/{port}2;
  fastcgi_temp_path {folder}/{port}3; uwsgi_temp_path {folder}/{port}4; scgi_temp_path {folder}/{port}5;
  keepalive_requests 100000000;
  server {{ listen 127.0.0.1:{port} reuseport; default_type application/json; location / {{ return 200 '{{"result": 1}}'; }} }}
}}
"""


def _wrk(addresses: Sequence[str], token: str, method: str, connections: int, seconds: float) -> int:
    """How many calls were answered, by a wrk for each address with so many connections."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": ["same"]})
    environ = os.environ | {"BENCH_BODY": body, "BENCH_TOKEN": token}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "-s", str(HERE / "post.lua")]
    running = [
        subprocess.Popen([*command, f"http://{one}/rpc"], env=environ, stdout=subprocess.PIPE, text=True)
        for one in addresses
    ]
    done = 0
    for one in running:
        out, _ = one.communicate()
        found = re.search(r"(\d+) requests in", out)
        assert found is not None, out
        assert "Non-2xx" not in out, out
        done += int(found[1])
    return done


@contextmanager
def _nginx(folder: Path, workers: int) -> Iterator[tuple[str, int]]:
    port = free_port()
    config = folder / f"{port}.conf"
    config.write_text(_NGINX.format(folder=folder, port=port, workers=workers))
    with subprocess.Popen([nginx_binary(), "-c", str(config), "-p", str(folder)]) as child:
        try:
            until_it_answers(f"http://127.0.0.1:{port}/")
            yield f"127.0.0.1:{port}", child.pid
        finally:
            child.terminate()


@contextmanager
def _haproxy(addresses: Sequence[str], folder: Path) -> Iterator[str]:
    """The address of a HAProxy by config/haproxy.cfg before these."""
    from cluster_lab import Balancer, until

    class Server:
        def __init__(self, name: str, address: str) -> None:
            self.name, self.address = name, address

    balancer = Balancer(folder, [Server(*one) for one in zip(("one", "two"), addresses, strict=True)])
    balancer.start()
    try:
        until(lambda: len(balancer.up()) == len(addresses))
        yield balancer.address
    finally:
        balancer.stop()


class _Places:
    """The figures of each way to a server, in turns."""

    def __init__(self, runs: int, seconds: float) -> None:
        self._runs, self._seconds = runs, seconds
        self._ways: list[tuple[str, Callable[[], list[int]], Callable[[], int]]] = []

    def add(self, name: str, pids: Callable[[], list[int]], load: Callable[[], int]) -> None:
        self._ways.append((name, pids, load))

    def found(self) -> dict[str, float]:
        """Microseconds of these processes for a call, the median."""
        seen: dict[str, list[float]] = {name: [] for name, _, _ in self._ways}
        for _ in range(self._runs):
            for name, pids, load in self._ways:
                before = processor(pids())
                done = load()
                time.sleep(0.05)
                seen[name].append(1e6 * (processor(pids()) - before) / done)
        return {name: statistics.median(values) for name, values in seen.items()}


def run(seconds: float, runs: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as name, one_of(1) as alone, one_of(2) as cluster:
        folder = Path(name)
        warm(alone, alone.gates["one"].address)
        warm(cluster, cluster.balancer.address)
        with (
            _nginx(folder, 1) as (single, single_pid),
            _nginx(folder, 2) as (first, first_pid),
            _nginx(folder, 2) as (second, second_pid),
            _haproxy((first, second), folder) as before,
            _haproxy((single, single), folder) as before_nginx,
            _haproxy((alone.gates["one"].address,) * 2, folder) as before_gate,
        ):
            nginx = {
                "alone": ([single], lambda: family(single_pid)),
                "alone behind": ([before_nginx], lambda: family(single_pid)),
                "apart": ([first, second], lambda: family(first_pid) + family(second_pid)),
                "behind": ([before], lambda: family(first_pid) + family(second_pid)),
            }
            gates = _gates(alone, cluster, before_gate)
            rows: list[tuple[str, ...]] = [
                ("server", "one worker, us", "one call at a time", "behind HAProxy, 8 connections",
                 "4 workers, no proxy", "4 workers behind HAProxy", "beside one worker", "beside one behind HAProxy"),
            ]  # fmt: skip
            for title, ways, token, method in (
                ("gate, cached call", gates, cluster.token, "lab.get"),
                ("gate, uncached call", gates, cluster.token, "lab.echo"),
                ("nginx `return 200`", nginx, "", "any"),
            ):
                rows.append(_row(title, ways, token or alone.token, method, seconds, runs, alone.token))
    table(f"2 gates of 2 workers behind HAProxy, {CONNECTIONS} connections", rows)


def _gates(alone: Any, cluster: Any, before: str) -> dict[str, tuple[list[str], Callable[[], list[int]]]]:
    single = alone.gates["one"]
    both = list(cluster.gates.values())
    return {
        "alone": ([single.address], lambda: single.pids),
        "alone behind": ([before], lambda: single.pids),
        "apart": ([one.address for one in both], lambda: [pid for one in both for pid in one.pids]),
        "behind": ([cluster.balancer.address], lambda: [pid for one in both for pid in one.pids]),
    }


def _row(
    title: str,
    ways: dict[str, tuple[list[str], Callable[[], list[int]]]],
    token: str,
    method: str,
    seconds: float,
    runs: int,
    alone_token: str,
) -> tuple[str, ...]:
    places = _Places(runs, seconds)

    def load(way: str, connections: int) -> Callable[[], int]:
        addresses, _ = ways[way]
        whose = alone_token if way.startswith("alone") and token else token
        return lambda: _wrk(addresses, whose, method, connections // len(addresses), seconds)

    places.add("alone", ways["alone"][1], load("alone", CONNECTIONS))
    places.add("one by one", ways["alone"][1], load("alone", 1))
    places.add("alone behind", ways["alone behind"][1], load("alone behind", CONNECTIONS // 4))
    places.add("apart", ways["apart"][1], load("apart", CONNECTIONS))
    places.add("behind", ways["behind"][1], load("behind", CONNECTIONS))
    found = places.found()
    ratios = (found["behind"] / found[one] for one in ("alone", "alone behind"))
    return (title, *(f"{value:.1f}" for value in found.values()), *(f"{ratio:.2f}" for ratio in ratios))
