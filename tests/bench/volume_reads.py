"""How fast do voxels come into an array: by the size of a read from the socket, and through the SDK beside a raw socket?"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_HERE = Path(__file__).parent
_MIB = 1 << 20
_SECONDS_A_MIB = 0.02
_SIZES = (1000, 8 << 10, 64 << 10, 256 << 10, _MIB, 4 * _MIB)


def run(runs: int) -> None:
    """Print both tables; the memory is what the reading took beside its array."""
    out = np.empty(256 * _MIB, np.uint8)
    out[:] = 1  # its pages are there before anything is measured
    with served() as port:
        print("\n| 256 MiB over loopback, one connection | MiB/s |\n|---|---|")
        rows: list[tuple[str, Callable[[], None]]] = [
            ("`recv(1000)`, joined behind the last one", lambda: _joined(port, out)),
            *(
                (f"`recv_into`, {_named(size)} at most", lambda size=size: straight(port, out, size))
                for size in _SIZES
            ),
            ("`recv_into`, all that is left", lambda: straight(port, out, out.nbytes)),
        ]
        rounds = [[rate_of(read) for _, read in rows] for _ in range(runs)]  # they take turns
        for (name, _), rates in zip(rows, zip(*rounds, strict=True), strict=True):
            print(f"| {name} | {statistics.median(rates):,.0f} |")
        _through_the_sdk(port, out, runs)
    _in_parallel(runs)


def _through_the_sdk(port: int, out: np.ndarray, runs: int) -> None:
    sys.path.insert(0, str(_HERE.parents[1] / "sdk"))
    import labgate

    with tempfile.TemporaryDirectory() as folder:
        lab = labgate.connect(f"http://127.0.0.1:{port}", token="t", cache_dir=folder)
        vol = lab.dvid.volume("0", "zeros")
        box = out.reshape(vol.shape)
        print(
            "\n| 256 MiB into a given array | MiB/s | of a raw socket | memory beside it |\n|---|---|---|---|"
        )
        for workers in (1, 2, 4, 8):
            pairs = [
                (
                    rate_of(lambda: straight(port, out, out.nbytes)),
                    rate_of(lambda: vol.read(out=box, workers=workers)),  # noqa: B023 - called at once
                )
                for _ in range(runs)
            ]
            own = statistics.median(rate for _, rate in pairs)
            ratio = statistics.median(rate / raw for raw, rate in pairs)
            tracemalloc.start()
            vol.read(out=box, workers=workers)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            print(f"| workers={workers} | {own:,.0f} | {ratio:.2f} | {peak / _MIB:.1f} MiB |")


def _in_parallel(runs: int) -> None:
    """Print how much sooner many workers are done where the upstream serves each of them as fast as one alone."""
    import labgate

    with served(_SECONDS_A_MIB) as port, tempfile.TemporaryDirectory() as folder:
        vol = labgate.connect(f"http://127.0.0.1:{port}", token="t", cache_dir=folder).dvid.volume(
            "0", "zeros"
        )
        box = np.empty((64, 512, 1024), np.uint8)
        print(
            "\n| 32 MiB of a service that takes 20 ms for each | times as fast as one worker | at least |\n|---|---|---|"
        )

        def read(workers: int) -> float:
            started = time.perf_counter()
            vol.read((0, 0, 0), box.shape, out=box, workers=workers)
            return time.perf_counter() - started

        for workers, least in ((2, ""), (4, ""), (8, "4")):
            ratio = statistics.median(read(1) / read(workers) for _ in range(runs))
            print(f"| {workers} workers | {ratio:.1f} | {least} |")


def straight(port: int, out: np.ndarray, most: int) -> None:
    """Receive into the array, at most so many bytes in one read."""
    with _asked(port) as sock, memoryview(out) as view:
        at = 0
        while at < len(view) and (got := sock.recv_into(view[at : at + most])):
            at += got
        assert at == len(view)


def _joined(port: int, out: np.ndarray) -> None:
    """Receive as dvidclient does: in reads of 1000 bytes, which are joined and copied."""
    parts, left = [], out.nbytes
    with _asked(port) as sock:
        while left and (part := sock.recv(min(1000, left))):
            parts.append(part)
            left -= len(part)
    out[:] = np.frombuffer(b"".join(parts), np.uint8)


def _asked(port: int) -> socket.socket:
    """A connection whose reply's head has been read, and nothing behind it."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(b"GET /raw HTTP/1.1\r\nHost: bench\r\n\r\n")
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(1)
    return sock


def rate_of(read: Callable[[], object]) -> float:
    """How fast it is, in MiB/s."""
    started = time.perf_counter()
    read()
    return 256 / (time.perf_counter() - started)


def _named(size: int) -> str:
    if size >= _MIB:
        return f"{size // _MIB} MiB"
    return f"{size >> 10} KiB" if size % 1024 == 0 else f"{size} bytes"


@contextmanager
def served(seconds: float = 0.0) -> Iterator[int]:
    """The port of the server, which is a process of its own; a MiB of a box costs it so many seconds."""
    command = [sys.executable, str(_HERE / "volume_upstream.py"), "0", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ}) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline().split()[1])
        try:
            yield port
        finally:
            child.terminate()


if __name__ == "__main__":
    run(5)
