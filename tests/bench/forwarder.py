"""The least that a program in Python does between a caller and a service: `forwarder.py PORT TO_PORT`.

Each connection gets one of its own to the service, and bytes pass both ways as they come; nothing is read, judged or noted.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop


class Far(asyncio.Protocol):
    """The way to the service, and back from it."""

    def __init__(self, near: Near) -> None:
        self._near = near

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send what has come so far."""
        self._near.connected(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it to the caller."""
        self._near.caller.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The service has ended it."""
        self._near.caller.close()


class Near(asyncio.Protocol):
    """One caller."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._early = b""
        self._service: asyncio.Transport | None = None
        self._beginning: asyncio.Task[object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The caller is there."""
        self.caller = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._beginning = loop.create_task(loop.create_connection(lambda: Far(self), "127.0.0.1", self._to))

    def connected(self, transport: asyncio.BaseTransport) -> None:
        """The service is there."""
        self._service = cast(asyncio.Transport, transport)
        self._service.write(self._early)

    def data_received(self, data: bytes) -> None:
        """Pass it to the service."""
        if self._service is None:
            self._early += data
        else:
            self._service.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The caller has gone."""
        if self._service is not None:
            self._service.close()


async def main(port: str, to: str) -> None:
    """Forward until the end."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Near(int(to)), "127.0.0.1", int(port))
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
