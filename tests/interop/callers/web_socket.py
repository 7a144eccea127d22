"""What does a WebSocket client (websockets) get?"""

import hashlib
import json
import random
import uuid
from collections.abc import Callable
from typing import Any

from story import base, credential, side
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

LARGE = 8 * 1024 * 1024


def main() -> None:
    """`web_socket.py BASE SIDE [TOKEN]`: everything, or the status of a refusal."""
    try:
        outcomes = tell()
    except InvalidStatus as refused:
        outcomes = {"refused": refused.response.status_code}
    print(json.dumps(outcomes))


def opened(path: str) -> Any:
    """A connection that offers two protocols and, as the library always does, compression."""
    return connect(
        base().replace("http", "ws", 1) + path,
        additional_headers=credential(),
        subprotocols=["first", "second"],  # type: ignore[list-item]
        max_size=None,
        open_timeout=60,
        close_timeout=60,
    )


def tell() -> dict[str, Any]:
    """Both ways, then each way to an end."""
    outcomes: dict[str, Any] = {}
    with opened("/ws/main") as socket:
        outcomes |= {"head": head(socket), "echoes": echoes(socket)}
        outcomes["ponged"] = socket.ping(b"there?").wait(60)
    outcomes["closed by the caller"] = ended(lambda socket: socket.close(4002, "enough, Zürich"))
    outcomes["closed without a word"] = ended(lambda socket: socket.close())
    outcomes["closed by the server"] = ended(lambda socket: socket.send("close 4001 bye, Zürich"))
    outcomes["cut off"] = ended(lambda socket: socket.socket.shutdown(2))["caller"]
    try:
        opened("/ws/closed/x")
    except InvalidStatus as refused:
        outcomes["not opened"] = refused.response.status_code
    return outcomes


def head(socket: ClientConnection) -> dict[str, Any]:
    """What both sides saw of the handshake."""
    socket.send("seen")
    seen = json.loads(socket.recv(60))
    seen["fields"] = [pair for pair in seen["fields"] if pair[0] != "sec-websocket-key"]
    assert socket.response is not None
    fields = [[name, value] for name, value in socket.response.headers.raw_items()]
    return {
        "seen": seen,
        "status": socket.response.status_code,
        "fields": [pair for pair in fields if pair[0].lower() != "sec-websocket-accept"],
        "subprotocol": socket.subprotocol,
        "extensions": [extension.name for extension in socket.protocol.extensions],
    }


def echoes(socket: ClientConnection) -> list[Any]:
    """Text, bytes, nothing, many pieces, a lot; each must come back as it went."""
    large = random.Random(2).randbytes(LARGE)
    sent: list[Any] = ["text, Zürich \U0001f52c", bytes(range(256)), "", b"", "x" * 70_000, large]
    outcomes = []
    for message in [*sent, [b"in ", b"three ", b"pieces"]]:
        socket.send(message)
        expected = b"".join(message) if isinstance(message, list) else message
        got = socket.recv(60)
        data = got.encode() if isinstance(got, str) else got
        outcomes.append([type(got).__name__, got == expected, hashlib.sha256(data).hexdigest()])
    return outcomes


def ended(by: Callable[[ClientConnection], Any]) -> dict[str, Any]:
    """The code and the reason that each side has at the end."""
    name = uuid.uuid4().hex
    with opened(f"/ws/{name}") as socket:
        socket.send("hello")
        socket.recv(60)
        by(socket)
        try:
            socket.recv(60)
        except ConnectionClosed:
            pass
        caller = [socket.close_code, socket.close_reason]
    return {"caller": caller, "server": json.loads(side("GET", f"/closed/{name}"))}


if __name__ == "__main__":
    main()
