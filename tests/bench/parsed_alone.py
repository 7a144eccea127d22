"""What do token, policy, switches and limits cost a call on the parsed path, without reading and sending?

One gate in this process, its lanes off, is given the same request of three callers in turns, and writes its answers nowhere: so
that nothing but the checks differs. Who is not checked sends just as many bytes, in a field that nobody looks at.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench_lab import table, token_of
from lane_alone import CONFIG, request, service

from gateway.app import running
from gateway.core.switches import Wish
from gateway.settings import load
from gateway.wire.connection import Connection

CALLS = 1000
ROUNDS = 40
POLICIES = (
    '[{to: ["group:limited"], allow: ["*"], rate: 1000000/s, bytes: 500TiB/h}, '
    '{to: [anonymous, "group:bench"], allow: ["*"]}]'
)
UNREAD, TOKEN, LIMITS = "no token", "a token", "a token, under limits"


class Nowhere(asyncio.Transport):
    """A caller who takes whatever is written."""

    written = 0
    latest = b""

    def write(self, data: Any) -> None:
        self.written += 1
        self.latest = data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Caller:
    """A connection that sends one request again and again."""

    def __init__(self, connection: Connection, field: str, token: str) -> None:
        self.connection = connection
        self._request = request(token, field)
        self.out = Nowhere()
        connection.connection_made(self.out)

    async def asks(self, times: int) -> float:
        """Microseconds of processor time for a call."""
        began = time.process_time()
        for _ in range(times):
            before = self.out.written
            self.connection.data_received(self._request)
            while self.out.written == before:  # the service was asked
                await asyncio.sleep(0)
        return (time.process_time() - began) / times * 1e6


def run() -> None:
    """Print the table."""
    found = asyncio.run(_measured())
    rows = [("processor time for a call, us", "median", "least")]
    rows += [(name, f"{statistics.median(each):.2f}", f"{min(each):.2f}") for name, each in found.items()]
    for what, one, other in (
        ("the token adds", UNREAD, TOKEN),
        ("the limits add", TOKEN, LIMITS),
        ("all checks add (10 wanted)", UNREAD, LIMITS),
    ):
        added = [more - less for less, more in zip(found[one], found[other], strict=True)]
        least = min(found[other]) - min(found[one])
        rows.append((what, f"{statistics.median(added):.2f}", f"{least:.2f}"))
    table("A call on the parsed path whose reply is in memory, without reading and sending", rows)


async def _measured() -> dict[str, list[float]]:
    with TemporaryDirectory() as name:
        file = Path(name, "labgate.yaml")
        async with service() as url:
            file.write_text(
                CONFIG.format(folder=name, policies=POLICIES, more="identity: {anonymous: true}", url=url)
            )
            async with running(load(file, {})) as gate:
                gate.switches.lanes = False
                gate.switched(Wish())
                known, limited, listener = token_of(file), token_of(file, "limited"), gate.servers[0]
                callers = {
                    UNREAD: Caller(listener.connection(), "X-Authorization", known),
                    TOKEN: Caller(listener.connection(), "Authorization", known),
                    LIMITS: Caller(listener.connection(), "Authorization", limited),
                }
                for name, caller in callers.items():
                    await caller.asks(2)
                    assert b"labgate; hit" in caller.out.latest, caller.out.latest
                    assert (b"\r\nRateLimit: " in caller.out.latest) is (name == LIMITS)
                found: dict[str, list[float]] = {name: [] for name in callers}
                for _ in range(ROUNDS):
                    for name, caller in callers.items():
                        found[name].append(await caller.asks(CALLS))
                for caller in callers.values():
                    caller.connection.connection_lost(None)
                return found
