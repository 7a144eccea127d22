"""How long do answers take when requests come at their own times, whether or not the last ones are answered?

`open_loop.py PORT PATH RATE SECONDS` sends the POST of $BENCH_BODY with $BENCH_TOKEN so many times a second at even
distances, each on a connection that has nothing else to do, and prints one JSON object. A latency counts from the time
at which the request was due: what waits for a free connection, or for this process, is late by that.

It asks the kernel again and again instead of sleeping: timers of event loops are a millisecond coarse, as long as
several of the answers that are measured.
"""

from __future__ import annotations

import gc
import json
import os
import re
import select
import socket
import sys
import time
from array import array
from collections import deque

_CONNECTIONS = int(os.environ.get("BENCH_CONNECTIONS", "32"))
_LEAD = 0.05
"""Seconds from the start to the first request."""
_PATIENCE = 10.0
"""Seconds after the last due time within which all must be answered."""
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


class Line:
    """One connection, and when the request on its way was due."""

    __slots__ = ("due", "held", "number", "sock")

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.number = self.sock.fileno()
        self.held = b""
        self.due = 0.0

    def answered(self) -> bool:
        """Read what has come; whether the answer is whole. Exits on any but a 200."""
        data = self.held + self.sock.recv(65536)
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            length = _LENGTH.search(data, 0, end)
            if not data.startswith(b"HTTP/1.1 200 ") or length is None:
                sys.exit(f"an answer failed: {data[:200]!r}")
            if len(data) >= end + 4 + int(length[1]):
                self.held = b""
                return True
        elif not data:
            sys.exit("a connection was closed")
        self.held = data
        return False


class Schedule:
    """Requests at even distances, and what became of them; times in seconds."""

    def __init__(self, rate: float, seconds: float) -> None:
        self.gap = 1 / rate
        self.count = max(int(rate * seconds), 1)
        self.latencies = array("d")
        self.lateness = array("d")
        """By how much a request was sent later than it was due and a connection was free: this process's own fault."""

    def run(self, port: int, request: bytes) -> float:
        """Send all and wait for all answers; how long after its due time the last one was sent."""
        clock = time.perf_counter
        lines = {line.number: line for line in (Line(port) for _ in range(_CONNECTIONS))}
        idle, free_since = deque(lines.values()), 0.0
        poller = select.epoll()
        for number in lines:
            poller.register(number, select.EPOLLIN)
        gap, count, sent, behind = self.gap, self.count, 0, 0.0
        begun = clock() + _LEAD
        latest = begun + count * gap + _PATIENCE
        while len(self.latencies) < count:
            now = clock()
            due = begun + sent * gap
            if sent < count and idle and due <= now:
                line = idle.popleft()
                line.due = due
                self.lateness.append(now - max(due, free_since))
                behind = now - due
                line.sock.send(request)
                sent += 1
            for number, _ in poller.poll(0):
                line = lines[number]
                if line.answered():
                    now = clock()
                    self.latencies.append(now - line.due)
                    if not idle:
                        free_since = now
                    idle.append(line)
            if now > latest:
                sys.exit(f"{count - len(self.latencies)} requests were not answered")
        return behind


def at(values: array[float], part: float) -> float:
    """The value below which this part of them is, in microseconds."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] * 1e6


def main(port: int, path: str, rate: float, seconds: float) -> None:
    """Warm the connections' way, measure and print."""
    body, token = os.environ["BENCH_BODY"].encode(), os.environ.get("BENCH_TOKEN", "")
    credential = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{credential}Content-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    gc.disable()  # a collection here would be taken for one of the server's
    Schedule(rate, 0.3).run(port, request)
    schedule = Schedule(rate, seconds)
    behind = schedule.run(port, request)
    print(
        json.dumps(
            {
                "sent": schedule.count,
                "seconds": seconds,
                "p50": at(schedule.latencies, 0.5),
                "p99": at(schedule.latencies, 0.99),
                "late_p99": at(schedule.lateness, 0.99),
                "behind": behind * 1e6,
            }
        )
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
