"""A fast JSON-RPC upstream for benchmarks: answers any call with 200 bytes and the call's id.

`python tests/bench/upstream.py PORT [METHODS]`; `system.describe` lists METHODS names (10 by default).
"""

import asyncio
import json
import re
import sys

import uvloop

_ID = re.compile(rb'"id":\s*("(?:[^"\\]|\\.)*"|[-0-9.eE+]+|null)')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_RESULT = json.dumps({"uid": "J42", "status": "completed", "log": "x" * 150}).encode()


class FastUpstream(asyncio.Protocol):
    """Reads whole requests, pipelined or not, and answers each with the same result."""

    def __init__(self, description: bytes) -> None:
        self._description = description
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in what has come."""
        held = self._held + data
        while (end := held.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(held, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(held) < whole:
                break
            self._answer(held[end + 4 : whole])
            held = held[whole:]
        self._held = held

    def _answer(self, body: bytes) -> None:
        found = _ID.search(body)
        token = found[1] if found else b"null"
        if b'"system.describe"' in body:
            answer = b'{"jsonrpc":"2.0","result":%b,"id":%b}' % (self._description, token)
        elif b'"rpc.discover"' in body:
            answer = b'{"jsonrpc":"2.0","error":{"code":-32601,"message":"no"},"id":%b}' % token
        else:
            answer = b'{"jsonrpc":"2.0","result":%b,"id":%b}' % (_RESULT, token)
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
            % (len(answer), answer)
        )


async def main(port: int, methods: int) -> None:
    """Serve until killed."""
    procs = [
        {
            "name": f"get_{n:05d}",
            "summary": f"Method {n} of the benchmark.",
            "params": [{"name": "uid", "type": "str"}],
        }
        for n in range(methods)
    ]
    description = json.dumps(
        {
            "sdversion": "1.0",
            "name": "bench",
            "id": "urn:uuid:00000000-0000-0000-0000-000000000000",
            "procs": procs,
        }
    ).encode()
    server = await asyncio.get_running_loop().create_server(
        lambda: FastUpstream(description), "127.0.0.1", port
    )
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10))
