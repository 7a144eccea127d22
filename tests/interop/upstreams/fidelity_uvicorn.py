"""How does uvicorn on httptools answer, and what does it see? Scripted by the request; see fidelity_script.py."""

import os
import socket
import sys
import threading
from typing import Any

import uvicorn
from fidelity_script import SEEN, Record, script

record = Record()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer as the request says; uvicorn takes no reason phrase and no other framing than length and chunked."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    if target == SEEN.encode():
        told = record.told()
        await _answer(send, 200, [("Content-Length", str(len(told)))], [told])
        return
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    record.add(scope["method"], target.decode("latin-1"), fields, body)
    asked = script(dict(fields).get("x-script"))
    parts = [] if scope["method"] == "HEAD" or asked.framing == "none" else asked.parts()
    await _answer(send, asked.status, asked.head(), parts)


async def _answer(send: Any, status: int, fields: list[tuple[str, str]], parts: list[bytes]) -> None:
    head = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "http.response.start", "status": status, "headers": head})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    # The socket listens before the line is printed, so no caller comes too early.
    listening = socket.create_server(("127.0.0.1", 0))
    # asyncio does this only for sockets that were made with the protocol's number.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"ready http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_level="critical", timeout_keep_alive=600
    )
    uvicorn.Server(config).run(sockets=[listening])
