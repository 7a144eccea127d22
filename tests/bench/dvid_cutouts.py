"""How fast do cutouts come through the gate: cold beside the best direct client, warm beside a raw socket?"""

from __future__ import annotations

import http.client
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from bench_lab import HERE, LOAD_CORE, SERVER_CORE, free_port, process, token_of
from cached_files import peak_from_now, resident_mib
from side_by_side import own_seconds
from volume_reads import rate_of, served, straight

SHAPE = (256, 1024, 1024)
LARGE = (1024, 1024, 1024)
MIB = 1 << 20
CONFIG = """
listen: 127.0.0.1:{port}
operator: {{listen: 127.0.0.1:{operator}}}
state_dir: {folder}/state
policies: [{{to: ["group:bench"], allow: ["*", "/**"], operate: true}}]
services:
  dvid: {{dialect: dvid, url: "{url}", mount: /dvid}}
cache: {{memory: {memory}}}
telemetry: {{access_log: "off"}}
"""


@contextmanager
def gate(url: str, memory: str) -> Iterator[tuple[Any, int, str]]:
    """A client of a fresh gate before this DVID, the gate's process and its address."""
    sys.path.insert(0, str(HERE.parents[1] / "sdk"))
    import labgate

    with tempfile.TemporaryDirectory() as folder:
        port, config = free_port(), Path(folder) / "labgate.yaml"
        config.write_text(
            CONFIG.format(port=port, operator=free_port(), folder=folder, url=url, memory=memory)
        )
        token = token_of(config)
        serve = (sys.executable, "-m", "gateway.cli", "serve", "--config", str(config))
        with process(*serve, core=SERVER_CORE, wait_for="ready") as pid:
            address = f"http://127.0.0.1:{port}"
            while True:
                lab = labgate.connect(address, token=token, cache_dir=f"{folder}/cache", timeout=600)
                if hasattr(lab, "dvid"):
                    break
                time.sleep(0.1)
            yield lab, pid, address


class Dvid:
    """A DVID with one volume in a locked version, in a process of its own."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        command = ["taskset", "-c", str(LOAD_CORE), sys.executable, str(HERE / "dvid_upstream.py")]
        self._child = subprocess.Popen(
            [*command, *map(str, shape)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url, self.version, self.open_version = self._line().split()
        self.pid = self._child.pid

    def _line(self) -> str:
        assert self._child.stdout is not None
        return self._child.stdout.readline()

    @property
    def sent(self) -> int:
        """Bytes of voxels that it has sent so far."""
        return self._told("sent")

    def pace(self, mib: float) -> None:
        """Have each of its answers bring so many MiB of voxels a second."""
        self._told(f"pace {mib}")

    def _told(self, line: str) -> int:
        assert self._child.stdin is not None
        self._child.stdin.write(f"{line}\n")
        self._child.stdin.flush()
        return int(self._line())

    def __enter__(self) -> Dvid:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.terminate()
        self._child.communicate()


def direct(url: str, version: str, out: np.ndarray, workers: int = 8) -> None:
    """The best that a client can do without a gate: parallel aligned reads, received in place."""
    host = url.removeprefix("http://")
    parts = [(z, y) for z in range(0, out.shape[0], 64) for y in range(0, out.shape[1], 256)]

    def read(part: tuple[int, int]) -> None:
        z, y = part
        view = out[z : z + 64, y : y + 256]
        size = "_".join(map(str, reversed(view.shape)))
        connection = http.client.HTTPConnection(host, timeout=600)
        connection.request("GET", f"/api/node/{version}/big/raw/0_1_2/{size}/0_{y}_{z}")
        answer = connection.getresponse()
        data = np.empty(view.shape, out.dtype)
        memory, at = memoryview(data.reshape(-1)), 0  # type: ignore[arg-type]
        while got := answer.readinto(memory[at:]):
            at += got
        connection.close()
        assert at == len(memory)
        view[:] = data

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(read, parts))


def run(runs: int) -> None:
    """Print the table."""
    print("\n| cutouts of a DVID's locked version, through gate and SDK | measured | wanted |\n|---|---|---|")
    out = np.empty(SHAPE, np.uint8)
    out[:] = 1  # its pages are there before anything is measured
    with Dvid(SHAPE) as dvid:
        _cold(dvid, out, runs)
        _warm(dvid, out, runs)
        _open_beside_locked(dvid, out, runs)
        _overlapping(dvid)
        _parallel(dvid, out, runs)
    with Dvid(LARGE) as dvid:
        _memory(dvid)


def _cold(dvid: Dvid, out: np.ndarray, runs: int) -> None:
    pairs, alone, spent = [], Spent(), Spent()
    for _ in range(runs):
        with alone.of(dvid.pid):
            beside = rate_of(lambda: direct(dvid.url, dvid.version, out))
        expected = out[::50].copy()
        with gate(dvid.url, "1GiB") as (lab, pid, _):
            vol = lab.dvid.volume(dvid.version, "big")
            with spent.of(dvid.pid, pid):
                own = rate_of(lambda: vol.read(out=out))  # noqa: B023 - called at once
        assert (out[::50] == expected).all()
        pairs.append((beside, own))
    _row("cold, 256 MiB", _compared(pairs, "a direct client's"), "0.8")
    _row("its processor time", spent.told("the DVID", "gate", "SDK"), "")
    _row("the direct client's", alone.told("the DVID", "client"), "")
    seconds = out.nbytes / MIB / statistics.median(beside for beside, _ in pairs)
    best = 1000 * seconds / (spent.total / (os.cpu_count() or 1))
    _row("cold, were no processor ever idle", f"{best:.2f} of a direct client's", "")


def _warm(dvid: Dvid, out: np.ndarray, runs: int) -> None:
    from labgate._volume_read import ArrayReading, Reading

    with gate(dvid.url, "1GiB") as (lab, pid, _), served() as port:
        vol = lab.dvid.volume(dvid.version, "big")
        vol.read(out=out)
        flat, forms = out.reshape(-1), (Reading._accepted, ArrayReading._accepted)
        pairs: list[list[tuple[float, float]]] = [[], []]
        spent = [Spent(), Spent()]
        for _ in range(runs):
            for form in (0, 1):  # they take turns
                Reading._accepted = forms[form]
                beside = rate_of(lambda: straight(port, flat, flat.nbytes))
                with spent[form].of(pid):
                    own = rate_of(lambda: vol.read(out=out))
                pairs[form].append((beside, own))
        Reading._accepted = forms[0]
        for form, name in enumerate(("warm, 256 MiB", "the same as numpy files")):
            _row(name, _compared(pairs[form], "a raw socket's"), "0.8")
            _row("its processor time", spent[form].told("gate", "SDK"), "")
        _row("24 random cubes of 64 voxels at once, warm", f"{_random(vol):.1f} ms each", "3 ms")
        tracemalloc.start()
        vol.read(out=out)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        _row("the SDK's memory beside the array", f"{peak / MIB:.1f} MiB", "8 MiB")


class Spent:
    """The processor time of some processes and of this one in several runs, which others on the machine change less than the clock's."""

    def __init__(self) -> None:
        self._runs: list[list[float]] = []

    @contextmanager
    def of(self, *pids: int) -> Iterator[None]:
        """One run of these processes and of this one."""
        before, own = [own_seconds(pid) for pid in pids], time.process_time()
        yield
        after = [own_seconds(pid) for pid in pids]
        others = [end - begin for begin, end in zip(before, after, strict=True)]
        self._runs.append([1000 * one for one in (*others, time.process_time() - own)])

    @property
    def _medians(self) -> list[float]:
        return [statistics.median(column) for column in zip(*self._runs, strict=True)]

    @property
    def total(self) -> float:
        """Milliseconds of all of them, the medians."""
        return sum(self._medians)

    def told(self, *names: str) -> str:
        """The medians, of the processes by these names."""
        return ", ".join(f"{name} {ms:.0f} ms" for name, ms in zip(names, self._medians, strict=True))


def _compared(pairs: list[tuple[float, float]], beside: str) -> str:
    one, other = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(own / another for another, own in pairs)
    return f"{other:,.0f} MiB/s, {ratio:.2f} of {beside} {one:,.0f}"


def _random(vol: Any) -> float:
    """Milliseconds for each of 24 small reads at once: the median over rounds."""
    chance = random.Random(5)
    times = []
    with ThreadPoolExecutor(24) as pool:
        for _ in range(20):
            corners = [[chance.randrange(0, n - 64) for n in SHAPE] for _ in range(24)]
            begun = time.perf_counter()
            list(pool.map(lambda at: vol.read(at, [one + 64 for one in at], workers=1), corners))
            times.append((time.perf_counter() - begun) / 24 * 1000)
    return statistics.median(times)


def _overlapping(dvid: Dvid) -> None:
    with gate(dvid.url, "1GiB") as (lab, _, _):
        vol = lab.dvid.volume(dvid.version, "big")
        vol.read((0, 0, 0), (256, 512, 512))
        before = dvid.sent
        part = vol.read((0, 0, 256), (256, 512, 768))
        share = (dvid.sent - before) / part.nbytes
    _row("a cutout of which another one has half fetches", f"{share:.2f} of its bytes", "0.55")


def _open_beside_locked(dvid: Dvid, out: np.ndarray, runs: int) -> None:
    """64 MiB that are asked for each time, beside the same stored: what they cost the gate and the SDK, and the gate's memory."""
    part = out[:64]
    versions = {"of an open version": dvid.open_version, "of a locked one, stored": dvid.version}
    with gate(dvid.url, "1GiB") as (lab, pid, _):
        handles = {name: lab.dvid.volume(version, "big") for name, version in versions.items()}
        grown = {}
        for name, vol in handles.items():
            vol[0:1, 0:1, 0:1]
            before = peak_from_now(pid)
            vol.read((0, 0, 0), part.shape, out=part)
            grown[name] = resident_mib(pid, "VmHWM") - before
        spent = {name: Spent() for name in handles}
        for _ in range(max(runs, 20)):
            for name, vol in handles.items():  # they take turns
                with spent[name].of(pid):
                    vol.read((0, 0, 0), part.shape, out=part)
    for name, times in spent.items():
        _row(f"64 MiB {name}: processor time", times.told("gate", "SDK"), "")
    _row("64 MiB of an open version: the gate's memory", f"+ {grown['of an open version']:.0f} MiB", "64 MiB")


def _parallel(dvid: Dvid, out: np.ndarray, runs: int) -> None:
    """Of an open version, whose voxels pass as they come: a service that gives each reader 4 MiB a second."""
    part, ratios = out[:32], []
    dvid.pace(4)
    with gate(dvid.url, "1GiB") as (lab, _, _):
        vol = lab.dvid.volume(dvid.open_version, "big")
        for _ in range(runs):
            one, eight = (
                rate_of(lambda: vol.read((0, 0, 0), part.shape, out=part, workers=workers))  # noqa: B023 - called at once
                for workers in (1, 8)
            )
            ratios.append(eight / one)
    dvid.pace(0)
    _row("32 MiB of an open version by 8 workers", f"{statistics.median(ratios):.1f} times one", "4")


def _memory(dvid: Dvid) -> None:
    import labgate

    size = 0
    with gate(dvid.url, "16MiB") as (lab, pid, _):
        lab.dvid.volume(dvid.version, "big")[0:1, 0:1, 0:1]
        before = peak_from_now(pid)
        target = f"/api/node/{dvid.version}/big/raw/0_1_2/1024_1024_1024/0_0_0"
        with labgate.request(lab.dvid, method="GET", url=target) as answer:
            while got := len(answer.read(8 * MIB)):
                size += got
        grown = resident_mib(pid, "VmHWM") - before
    assert size == 1 << 30
    _row("a cutout of 1 GiB in one request: the gate's memory", f"+ {grown:.0f} MiB", "256 MiB")


def _row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)
