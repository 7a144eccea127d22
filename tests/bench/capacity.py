"""What do a call, a byte, an entry and a connection cost? Processor time and memory of each process, as the kernel counts them.

Unlike rates these hardly change when the machine is busy with something else, and they are what planning needs:
docs/why/capacity.md counts with them.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from side_by_side import own_seconds

sys.path.insert(0, str(Path(__file__).parents[1] / "cluster"))

CALLERS = 8
VARIED = 500
ENTRIES = 5000
CONNECTIONS = 1000
MIB = 1 << 20


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time of each kind of process, for so many things."""

    number: int
    gate: float
    balancer: float
    redis: float

    def micros(self, seconds: float) -> float:
        return 1e6 * seconds / self.number


def processor(pids: Sequence[int]) -> float:
    """Seconds that these processes have used so far."""
    return sum(map(own_seconds, pids))


def resident(pids: Sequence[int]) -> int:
    """Bytes of memory that these processes have."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE")


class Caller:
    """A connection that sends requests as bytes, and reads answers without looking at them."""

    def __init__(self, address: str, token: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=120)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._head = f"Host: {address}\r\nAuthorization: Bearer {token}\r\n".encode()

    def post(self, method: str, params: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        head = b"POST /rpc HTTP/1.1\r\n%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._ask(head % (self._head, len(body)) + body)

    def get(self, path: str) -> None:
        self._ask(b"GET %b HTTP/1.1\r\n%b\r\n" % (path.encode(), self._head))

    def _ask(self, request: bytes) -> None:
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            if not (more := self._socket.recv(MIB)):
                raise ConnectionError("the gate closed the connection")
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(data[:300].decode("latin-1"))
        length = next(
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        left = length - len(body)
        while left > 0:
            left -= len(self._socket.recv(min(left, MIB)))

    def close(self) -> None:
        self._socket.close()


Work = Callable[[Caller, int], None]


def measured(cluster: Any, address: str, work: Work, seconds: float) -> Spent:
    """What is spent while callers do this for so long; each call has a number."""
    numbers, over, done = count(), time.monotonic() + seconds, []
    gates = [pid for gate in cluster.gates.values() for pid in gate.pids]
    kinds = (gates, cluster.balancer.pids, cluster.redis.pids)
    failures: list[BaseException] = []

    def call() -> None:
        caller = Caller(address, cluster.token)
        try:
            while time.monotonic() < over:
                work(caller, next(numbers))
                done.append(1)
        except BaseException as failure:
            failures.append(failure)
        finally:
            caller.close()

    before = [processor(pids) for pids in kinds]
    threads = [threading.Thread(target=call) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    after = [processor(pids) for pids in kinds]
    return Spent(len(done), *(end - begin for begin, end in zip(before, after, strict=True)))


def calls() -> Iterator[tuple[str, Work]]:
    """What is called, and how."""
    yield "hit, equal calls", lambda caller, _: caller.post("lab.get", ["same"])
    yield f"hit, {VARIED} calls in turn", lambda caller, n: caller.post("lab.get", [n % VARIED])
    yield "miss, stored here and in Redis", lambda caller, n: caller.post("lab.get", ["new", n])
    yield "not cached", lambda caller, n: caller.post("lab.echo", [n])
    yield "write that ends a tag", lambda caller, n: caller.post("lab.put", [n])


@contextmanager
def one_of(workers: int) -> Iterator[Any]:
    from cluster_lab import clustered

    with tempfile.TemporaryDirectory() as folder, clustered(Path(folder), workers=workers) as cluster:
        yield cluster


def run(seconds: float) -> None:
    """Print the tables."""
    with one_of(1) as cluster:
        alone = table_of_calls(cluster, seconds)
        table_of_bytes(cluster, seconds)
        table_of_memory(cluster)
    with one_of(2) as cluster:
        print(
            "\n2 gates of 2 workers behind HAProxy, all on this machine; CPU per call of all gates beside one worker's\n"
        )
        print("| call | us of the gates | of one worker | ratio | us of HAProxy |\n|---|--:|--:|--:|--:|")
        warm(cluster, cluster.balancer.address)
        idle = measured(cluster, cluster.balancer.address, lambda *_: time.sleep(0.05), seconds)
        for name, work in calls():
            spent = measured(cluster, cluster.balancer.address, work, seconds)
            gates = spent.micros(max(spent.gate - idle.gate, 0.0))
            ratio = gates / alone[name]
            print(
                f"| {name} | {gates:.0f} | {alone[name]:.0f} | {ratio:.2f} | {spent.micros(spent.balancer):.0f} |"
            )


def warm(cluster: Any, address: str) -> None:
    """Every worker knows what is asked for again and again."""
    for _ in range(CALLERS):
        caller = Caller(address, cluster.token)
        caller.post("lab.get", ["same"])
        for n in range(VARIED):
            caller.post("lab.get", [n])
        caller.close()


def table_of_calls(cluster: Any, seconds: float) -> dict[str, float]:
    """The cost of calls to a gate of one process, and its cost by the call."""
    address = cluster.gates["one"].address
    idle = measured(cluster, address, lambda *_: time.sleep(0.05), seconds)
    print(
        f"\nCPU per call, one worker, no proxy before it (idle gates use {idle.gate / seconds:.3f} s a second)\n"
    )
    print("| call | us of the gate | us of Redis |\n|---|--:|--:|")
    warm(cluster, address)
    found = {}
    for name, work in calls():
        spent = measured(cluster, address, work, seconds)
        found[name] = spent.micros(max(spent.gate - idle.gate, 0.0))
        print(f"| {name} | {found[name]:.0f} | {spent.micros(max(spent.redis - idle.redis, 0.0)):.1f} |")
    return found


def table_of_bytes(cluster: Any, seconds: float) -> None:
    """The cost of bytes through a mount."""
    address, size = cluster.gates["one"].address, 8 * MIB
    print("\nCPU per GiB of answers of 8 MiB through a mount\n\n| | s of the gate |\n|---|--:|")
    for name, path in (("passed on", "passed"), ("hit", "kept")):
        target = f"/pages/{path}/{size}"
        spent = measured(cluster, address, lambda caller, _, target=target: caller.get(target), seconds)
        print(f"| {name} | {spent.gate / (spent.number * size / 2**30):.2f} |")


def fill(cluster: Any, address: str, first: int) -> None:
    """Have the gate store every so many-th of the entries."""
    caller = Caller(address, cluster.token)
    for n in range(first, ENTRIES, CALLERS):
        caller.post("lab.get", ["entry", n])
    caller.close()


def table_of_memory(cluster: Any) -> None:
    """The memory of entries and of connections."""
    gate = cluster.gates["two"]
    with ExitStack() as stack:
        caller = Caller(gate.address, cluster.token)
        stack.callback(caller.close)
        caller.post("lab.get", ["memory"])
        before = resident(gate.pids)
        with ThreadPoolExecutor(CALLERS) as pool:
            list(pool.map(lambda first: fill(cluster, gate.address, first), range(CALLERS)))
        print("\nMemory\n\n| | bytes |\n|---|--:|")
        print(f"| an entry of a few bytes, with its key | {(resident(gate.pids) - before) / ENTRIES:.0f} |")
        before = resident(gate.pids)
        for _ in range(CONNECTIONS):
            one = Caller(gate.address, cluster.token)
            stack.callback(one.close)
            one.post("lab.get", ["memory"])
        print(f"| a connection that waits | {(resident(gate.pids) - before) / CONNECTIONS:.0f} |")
