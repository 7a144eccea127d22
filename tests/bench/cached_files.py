"""How fast do large bodies come from the disk tier, and how fast do they pass while they are stored there?"""

from __future__ import annotations

import http.client
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from bench_lab import LOAD_CORE
from cached_gets import fetched
from mount_lab import CACHED_MIB, MIB, STORED_MIB, mounted
from side_by_side import Contender, Load, Row, compared, for_seconds, on_core, resident_mib, row

_WAIT = 30
"""Seconds within which what was received must be found in the disk tier."""


def from_disk(seconds: float, runs: int) -> list[Row]:
    """A body of 64 MiB that lies in the gate's disk tier, beside the same file from nginx's sendfile."""
    with mounted(disk=True) as here, on_core(LOAD_CORE):
        path = f"/large/{CACHED_MIB}"
        fetched(here.at_gate(path), here.token)
        _until_stored(here.at_gate(path), here.token)
        found = compared(
            runs,
            gate=Contender(here.pid, _downloads(here.gate, path, here.token, CACHED_MIB, seconds)),
            nginx=Contender(
                here.nginx_pid, _downloads(here.nginx, f"/files/{CACHED_MIB}", "", CACHED_MIB, seconds)
            ),
        )
    work = f"cached body of {CACHED_MIB} MiB"
    return [row(work, found["gate"], "nginx sendfile", found["nginx"], "0.95", "MiB/s")]


def stored_on_the_way(seconds: float, runs: int) -> list[Row]:
    """Streams of 256 MiB, each of another target, that the gate stores and nginx does not; and the gate's memory."""
    with mounted(disk=True) as here, on_core(LOAD_CORE):
        targets = (f"/large/{STORED_MIB}?n={n}" for n in count())
        download(here.gate, next(targets), here.token, STORED_MIB)
        before = peak_from_now(here.pid)
        stored = _each_stored(here.gate, targets, here.token, seconds)
        found = compared(
            runs,
            gate=Contender(here.pid, stored),
            nginx=Contender(
                here.nginx_pid, _downloads(here.nginx, f"/proxy/{STORED_MIB}", "", STORED_MIB, seconds)
            ),
        )
        grown = resident_mib(here.pid, "VmHWM") - before
    work = f"uncached stream of {STORED_MIB} MiB, stored on the way"
    return [
        row(work, found["gate"], "nginx proxy_pass, not stored", found["nginx"], "0.7", "MiB/s"),
        Row(work, f"+ {grown:.0f} MiB of memory", "", "", "", "at most + 32 MiB"),
    ]


def download(port: int, path: str, token: str, mib: int) -> float:
    """Receive a body of so many MiB into one buffer, and say so many; the connection is the body's own."""
    buffer = bytearray(MIB)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    response = connection.getresponse()
    total = 0
    while got := response.readinto(buffer):
        total += got
    connection.close()
    assert (response.status, total) == (200, mib * MIB), (response.status, total)
    return mib


def _downloads(port: int, path: str, token: str, mib: int, seconds: float) -> Callable[[], Load]:
    """One download after the other."""
    return for_seconds(seconds, lambda: download(port, path, token, mib))


def _each_stored(port: int, targets: Iterator[str], token: str, seconds: float) -> Callable[[], Load]:
    """Downloads that are each of the next target.

    When the time is over, each must be stored; so the processor time of the last one's storing counts as well.
    """

    def load() -> Load:
        taken: list[str] = []

        def one() -> float:
            taken.append(next(targets))
            return download(port, taken[-1], token, STORED_MIB)

        done = for_seconds(seconds, one)()
        for target in taken:
            _until_stored(f"http://127.0.0.1:{port}{target}", token)
        return done

    return load


def _until_stored(url: str, token: str) -> None:
    """Wait until the gate has the body in its cache; exits when it does not come to that."""
    fields = {"Authorization": f"Bearer {token}", "Cache-Control": "only-if-cached"}
    latest = time.monotonic() + _WAIT
    while True:
        try:
            with urllib.request.urlopen(
                urllib.request.Request(url, headers=fields, method="HEAD")
            ) as response:
                told = response.headers["Cache-Status"] or ""
                if "; hit" in told:
                    return
        except urllib.error.HTTPError as error:
            told = f"{error.code}, {error.headers['Cache-Status']}"
            error.close()
        if time.monotonic() > latest:
            sys.exit(f"{url} is not stored: {told}")
        time.sleep(0.01)


def peak_from_now(pid: int) -> float:
    """Let the kernel forget the most memory that the process had; its memory now, in MiB."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return resident_mib(pid)
