"""What does a plain HTTP server see and answer when real callers come? Echoes, bytes, events and WebSockets.

What a caller does next to a request, or leaves undone, it tells and asks by `/tell`, `/started`, `/gone`, `/closed`.
"""

import asyncio
import gzip
import hashlib
import json
import os
import re
import socket
import sys
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import uvicorn

Message = dict[str, Any]
Fields = list[tuple[str, str]]

JSON = [("Content-Type", "application/json")]
EVENTS = (
    b": a comment first\nretry: 5000\nid: 1\ndata: one\n\n",
    "id: 2\nevent: named\ndata: two\ndata: lines, Zürich\n\n".encode(),
    b'id: 3\ndata: {"three": 3}\n\n',
)


@dataclass(slots=True)
class Watched:
    """What has become of one request, by the name that its caller gave it."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    closed: tuple[int, str] = (0, "")


watched: defaultdict[str, Watched] = defaultdict(Watched)
stored: dict[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and the ways to answer it."""

    scope: Message
    receive: Callable[[], Awaitable[Message]]
    send: Callable[[Message], Awaitable[None]]

    def field(self, name: str) -> str:
        """A field of the request, or an empty text."""
        return dict(self.scope["headers"]).get(name.encode(), b"").decode("latin-1")

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes."""
        more = True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                return
            yield message.get("body", b"")
            more = message.get("more_body", False)

    async def left(self) -> None:
        """Return when the caller has left."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def begin(self, status: int, fields: Fields) -> None:
        """Send the head."""
        raw = [(name.encode(), value.encode("latin-1")) for name, value in fields]
        await self.send({"type": "http.response.start", "status": status, "headers": raw})

    async def more(self, data: bytes, more: bool = True) -> None:
        """Send a piece of the body."""
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def answer(self, status: int, fields: Fields, body: bytes = b"") -> None:
        """Answer at once with a body of known length."""
        length = [] if status in (204, 304) else [("Content-Length", str(len(body)))]
        await self.begin(status, fields + length)
        await self.more(body, False)


def seen(scope: Message) -> Message:
    """A request head as this server saw it."""
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    return {"verb": scope.get("method"), "target": target.decode("latin-1"), "fields": fields}


@lru_cache
def octets(size: int) -> bytes:
    """As many bytes as are asked for, always the same."""
    return hashlib.shake_128(b"callers").digest(size)


async def echo(exchange: Exchange, _: str) -> None:
    """What was asked, with size and digest of its body."""
    digest, size = hashlib.sha256(), 0
    async for piece in exchange.pieces():
        digest.update(piece)
        size += len(piece)
    body = json.dumps(seen(exchange.scope) | {"size": size, "sha256": digest.hexdigest()}).encode()
    await exchange.answer(200, [*JSON, ("X-Twice", "a"), ("x-twice", "b"), ("X_Odd", "caf\xe9")], body)


async def store(exchange: Exchange, name: str) -> None:
    """Keep what is put, give it back, forget it."""
    match exchange.scope["method"]:
        case "PUT":
            stored[name] = b"".join([piece async for piece in exchange.pieces()])
            digest = hashlib.sha256(stored[name]).hexdigest()
            await exchange.answer(
                201, JSON, json.dumps({"size": len(stored[name]), "sha256": digest}).encode()
            )
        case "DELETE" if stored.pop(name, None) is not None:
            await exchange.answer(204, [])
        case "GET" if name in stored:
            await exchange.answer(200, [("Content-Type", "application/octet-stream")], stored[name])
        case _:
            await missing(exchange, name)


async def some_bytes(exchange: Exchange, size: str) -> None:
    """Bytes with a validator, whole, in part, or only their head."""
    data = octets(int(size))
    fields = [
        ("Content-Type", "application/octet-stream"),
        ("ETag", f'"{hashlib.sha256(data).hexdigest()}"'),
        ("Accept-Ranges", "bytes"),
    ]
    span = re.fullmatch(r"bytes=(\d+)-(\d+)", exchange.field("range"))
    if exchange.field("if-none-match") == fields[1][1]:
        await exchange.answer(304, fields)
    elif exchange.scope["method"] == "HEAD":
        await exchange.begin(200, [*fields, ("Content-Length", size)])
        await exchange.more(b"", False)
    elif span is None:
        await exchange.answer(200, fields, data)
    elif int(span[1]) >= len(data):
        await exchange.answer(416, [*fields, ("Content-Range", f"bytes */{size}")])
    else:
        first, last = int(span[1]), min(int(span[2]), len(data) - 1)
        fields.append(("Content-Range", f"bytes {first}-{last}/{size}"))
        await exchange.answer(206, fields, data[first : last + 1])


async def zipped(exchange: Exchange, _: str) -> None:
    """An answer that is gzip'd whatever the caller accepts."""
    body = gzip.compress(json.dumps({"numbers": list(range(5000))}).encode(), mtime=0)
    await exchange.answer(200, [*JSON, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")], body)


async def streamed(exchange: Exchange, count: str) -> None:
    """An answer of unknown length in many pieces."""
    await exchange.begin(200, [("Content-Type", "text/plain; charset=utf-8")])
    for number in range(int(count)):
        await exchange.more(f"line {number} ü\n".encode())
    await exchange.more(b"", False)


async def redirect(exchange: Exchange, rest: str) -> None:
    """`/redirect/STATUS/path` or `/redirect/STATUS/full`: to /echo, named by its path or by its whole URL."""
    status, _, form = rest.partition("/")
    origin = f"http://{exchange.field('host')}" if form == "full" else ""
    await exchange.answer(int(status), [("Location", f"{origin}/echo/landed?from=redirect")])


async def login(exchange: Exchange, _: str) -> None:
    """Two cookies, one for everything and one for a part."""
    cookies = [
        ("Set-Cookie", "session=s3cret; Path=/; HttpOnly; SameSite=Lax"),
        ("Set-Cookie", "part=7; Path=/echo/part"),
    ]
    await exchange.answer(200, JSON + cookies, b"{}")


async def status_of(exchange: Exchange, status: str) -> None:
    """A status, with a page that says so."""
    await exchange.answer(int(status), [("Content-Type", "text/html")], f"<h1>{status}</h1>".encode())


async def missing(exchange: Exchange, _: str) -> None:
    """404 with a page."""
    await status_of(exchange, "404")


async def held(exchange: Exchange, name: str) -> None:
    """The beginning of an answer that never ends; the caller has to leave."""
    await exchange.begin(200, [("Content-Type", "application/octet-stream")])
    await exchange.more(b"the beginning")
    await silent(exchange, name)


async def silent(exchange: Exchange, name: str) -> None:
    """No answer at all; the caller has to leave."""
    watched[name].started.set()
    await exchange.left()
    watched[name].gone.set()


async def events(exchange: Exchange, name: str) -> None:
    """Server-sent events: the first at once, each other when the caller has told that it has the one before."""
    already = int(exchange.field("last-event-id") or 0)
    await exchange.begin(200, [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")])
    leaving = asyncio.ensure_future(exchange.left())
    for number, event in enumerate(EVENTS[already:]):
        if number:
            told = asyncio.ensure_future(watched[name].told.acquire())
            await asyncio.wait({told, leaving}, return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
        if leaving.done():
            watched[name].gone.set()
            return
        await exchange.more(event)
    await exchange.more(b"", False)
    leaving.cancel()


async def tell(exchange: Exchange, name: str) -> None:
    """The caller has what was sent: go on."""
    watched[name].told.release()
    await exchange.answer(204, [])


async def started(exchange: Exchange, name: str) -> None:
    """Answer when the request of that name has come."""
    await watched[name].started.wait()
    await exchange.answer(204, [])


async def gone(exchange: Exchange, name: str) -> None:
    """Answer when the caller of the request of that name is seen to have left."""
    await watched[name].gone.wait()
    await exchange.answer(204, [])


async def closed(exchange: Exchange, name: str) -> None:
    """Answer with the code and reason that the WebSocket of that name was closed with."""
    await watched[name].gone.wait()
    await exchange.answer(200, JSON, json.dumps(watched[name].closed).encode())


ROUTES = {
    "echo": echo, "store": store, "bytes": some_bytes, "gzip": zipped, "streamed": streamed,
    "redirect": redirect, "login": login, "status": status_of, "held": held, "silent": silent, "events": events,
    "tell": tell, "started": started, "gone": gone, "closed": closed,
}  # fmt: skip


async def web_socket(scope: Message, receive: Any, send: Any) -> None:
    """Echo; `seen` is answered with the head, `close CODE REASON` by doing it; `/ws/closed/…` is not opened."""
    await receive()
    name = scope["path"].rpartition("/")[2]
    if scope["path"].startswith("/ws/closed/"):
        await send({"type": "websocket.close", "code": 1000})
        return
    protocol = "second" if "second" in scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": protocol, "headers": [(b"X-Socket", b"open")]})
    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        if text == "seen":
            await send({"type": "websocket.send", "text": json.dumps(seen(scope))})
        elif text is not None and text.startswith("close "):
            _, code, reason = text.split(" ", 2)
            await send({"type": "websocket.close", "code": int(code), "reason": reason})
        elif text is not None:
            await send({"type": "websocket.send", "text": text})
        else:
            await send({"type": "websocket.send", "bytes": message["bytes"]})
    watched[name].closed = (message["code"], message.get("reason") or "")
    watched[name].gone.set()


async def app(scope: Message, receive: Any, send: Any) -> None:
    """Go by the first segment of the path."""
    if scope["type"] == "websocket":
        await web_socket(scope, receive, send)
        return
    first, _, rest = scope["path"].lstrip("/").partition("/")
    await ROUTES.get(first, missing)(Exchange(scope, receive, send), rest)


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    # The socket listens before the line is printed, so no caller comes too early.
    listening = socket.create_server(("127.0.0.1", 0))
    # asyncio sees to it only for sockets that name their protocol.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"ready http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        app, log_level="critical", lifespan="off", ws="websockets-sansio", date_header=False
    )
    uvicorn.Server(config).run(sockets=[listening])
