"""One small answer for each kind of client: `anchors_upstream.py` prints its port. As bare as a server can be, on kept connections."""

from __future__ import annotations

import asyncio
import json

_JOB = {"uid": "J1", "status": "done"}
_SOAP = (
    b'<?xml version="1.0"?><soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
    b'<r:GetJobResponse xmlns:r="urn:jobs"><r:status>done</r:status></r:GetJobResponse></soap:Body></soap:Envelope>'
)
_METHOD = {
    "name": "jobs.get_job",
    "params": [{"name": "project_uid", "required": True, "schema": {"type": "string"}}],
    "x-labgate": {"safe": True},
}
_PROC = {"name": "get_job", "params": [{"name": "project_uid", "type": "any"}], "summary": ""}


def _json(value: object) -> bytes:
    return _reply(json.dumps(value).encode(), "application/json")


def _reply(body: bytes, kind: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


_LIST = _json({"openrpc": "1.3.2", "methods": [_METHOD]})
_CALL = _json({"jsonrpc": "2.0", "id": 1, "result": _JOB})
_DESCRIBED = _json({"jsonrpc": "2.0", "id": "0", "result": {"procs": [_PROC]}})
_XML = _reply(_SOAP, "text/xml; charset=utf-8")
_TABLES = _reply(b'{"TableNames":["J1"]}', "application/x-amz-json-1.0")
_PLAIN = _json(_JOB)


def answer(head: bytes, body: bytes) -> bytes:
    """The answer to one request."""
    if b"x-amz-target" in head.lower():
        return _TABLES
    if head.startswith(b"POST /soap"):
        return _XML
    if b"system.describe" in body:
        return _DESCRIBED
    if b'"jsonrpc"' in body:
        return _CALL
    return _LIST if b"/openrpc.json" in head.partition(b"\r\n")[0] else _PLAIN


class Connection(asyncio.Protocol):
    """One request after the other."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._data = b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        while b"\r\n\r\n" in self._data:
            head, _, rest = self._data.partition(b"\r\n\r\n")
            length = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    length = int(line[15:])
            if len(rest) < length:
                return
            self._data = rest[length:]
            self._transport.write(answer(head, rest[:length]))


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
