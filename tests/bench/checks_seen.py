"""What do token, policy and limits cost a call, seen from outside? Three callers of one gate in turns, so that they alone differ.

Two processes of the same program differ by some per cent, which is more than the checks of a call take, and so do two seconds of
one process: turns are short. Who is not checked sends just as many bytes, in a field that nobody looks at.
"""

from __future__ import annotations

import socket
import statistics
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench_lab import LOAD_CORE, Lab, lab, switch, table, token_of
from lane_alone import request
from relay_calls import call
from side_by_side import on_core

RULES = """\
  - {to: ["group:limited"], allow: ["*"], rate: 1000000/s, bytes: 500TiB/h}
  - {to: [anonymous], allow: ["*"]}
"""
ADDED = ("limits add (half of the turns within)", "all checks add (likewise)")
OPEN = "identity: {anonymous: true}\n"
CONNECTIONS: Final = 32
ROUNDS: Final = 40
TURNS: Final = 300


def run() -> None:
    """Print the table."""
    with ExitStack() as ends:
        here = ends.enter_context(lab(with_nginx=False, rules=RULES, more=OPEN))
        ends.enter_context(on_core(LOAD_CORE))
        peers = [
            ends.enter_context(socket.create_connection(("127.0.0.1", here.gate_port)))
            for _ in range(CONNECTIONS)
        ]
        body, limited = call("bench.get_00000", ["J42"]).encode(), token_of(here.config, "limited")
        callers = {
            "no token": request(here.token, "X-Authorization", body),
            "a token": request(here.token, body=body),
            "a token, under limits": request(limited, body=body),
        }
        front = _told(here, peers, callers)
        switch(here, "off")
        parsed = _told(here, peers, callers)
    rows = [
        ("CPU us for a call", *callers, *ADDED),
        ("front lane, cached", *front),
        ("parsed, cached (10 wanted)", *parsed),
    ]
    table("Callers of one gate, one core for it, 32 connections, metrics on, access log off", rows)


def _told(here: Lab, peers: list[socket.socket], callers: dict[str, bytes]) -> list[str]:
    for one in callers.values():
        _cost(here, peers, one)
    spent = [[_cost(here, peers, one) for one in callers.values()] for _ in range(TURNS)]
    told = [f"{statistics.median(each):.2f}" for each in zip(*spent, strict=True)]
    for beside in (1, 0):
        least, middle, most = statistics.quantiles([turn[2] - turn[beside] for turn in spent], n=4)
        told.append(f"{middle:.2f} ({least:.2f} to {most:.2f})")
    return told


def _cost(here: Lab, peers: list[socket.socket], said: bytes) -> float:
    """Microseconds of processor time for a call."""
    before = _nanoseconds(here.pid)
    for _ in range(ROUNDS):
        for peer in peers:
            peer.sendall(said)
        for peer in peers:
            answer = peer.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            assert answer.endswith(b"}"), answer
    return (_nanoseconds(here.pid) - before) / (ROUNDS * CONNECTIONS) / 1e3


def _nanoseconds(pid: int) -> int:
    """What the threads of a process have had of its core: `stat` counts in hundredths of a second."""
    return sum(int(one.read_text().split()[0]) for one in Path(f"/proc/{pid}/task").glob("*/schedstat"))
