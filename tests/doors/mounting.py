"""How is the mount door tried? A gate before upstreams whose every answer is a test's, and callers with raw sockets."""

import argparse
import asyncio
import base64
import json
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from gateway.commands import token as tokens
from tests.tiers.own_generations import OwnGenerations

PATIENCE = 20.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""

CutShort = (OSError, EOFError)
_LIMIT = 1 << 26
_lengths = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)")

Fields = list[tuple[bytes, bytes]]


def _fields(head: bytes) -> Fields:
    lines = head[:-4].split(b"\r\n")[1:]
    return [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]


async def _body(reader: asyncio.StreamReader, head: bytes) -> tuple[bytes, bytes]:
    """A body that has a length or comes in chunks: its bytes as they came, and without frames."""
    found = _lengths.search(head.lower())
    if found is not None:
        body = await reader.readexactly(int(found[1]))
        return body, body
    if b"\r\ntransfer-encoding: chunked" not in head.lower():
        return b"", b""
    raw, bare = [], []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line, 16)
        piece = await reader.readexactly(size + 2)
        raw += [line, piece]
        bare.append(piece[:-2])
        if not size:
            return b"".join(raw), b"".join(bare)


# --- what is never the same twice

_VARIES = (
    (re.compile(rb"labgate-[0-9a-f]{12}"), b"labgate-GATE"),
    (re.compile(rb"(?i)(\r\nx-request-id: )[0-9a-f]{16,}"), rb"\1ID"),
    (re.compile(rb'"request_id": ?"[0-9a-f]{16,}"'), b'"request_id":"ID"'),
    (re.compile(rb"request_id\xb8[0-9a-f]{24}"), b"request_id=ID"),
    (re.compile(rb"(\r\nLabgate-Timeout: )\S+"), rb"\1TIME"),
    (re.compile(rb"(\r\nDate: )[^\r]*2[^\r]+"), rb"\1DATE"),
    (re.compile(rb"(\r\nAge: )\d+"), rb"\1AGE"),
    (re.compile(rb"dur=[0-9.]+"), b"dur=TIME"),
    (re.compile(rb"ttl=-?\d+"), b"ttl=TIME"),
)


def same(raw: bytes) -> bytes:
    """The bytes without ids, dates and timings."""
    for pattern, text in _VARIES:
        raw = pattern.sub(text, raw)
    return raw


# --- upstreams


@dataclass
class Asked:
    """A request as the upstream got it."""

    verb: str
    target: str
    fields: Fields
    body: bytes
    head: bytes
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader

    def values(self, name: str) -> list[bytes]:
        """Every value of a field, in order."""
        return [value for key, value in self.fields if key.lower() == name.lower().encode()]

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


Told = bytes | None
"""An answer's bytes; None = the connection ends here."""


DATE = "Date: Thu, 01 Jan 1970 00:00:00 GMT"


def told(body: bytes = b"ok", *lines: str, status: str = "200 OK") -> bytes:
    """An answer with a date and a length."""
    head = "\r\n".join([f"HTTP/1.1 {status}", DATE, *lines, f"Content-Length: {len(body)}"])
    return head.encode("latin-1") + b"\r\n\r\n" + body


def as_json(value: object, *lines: str) -> bytes:
    """An answer that is this value."""
    return told(json.dumps(value).encode(), "Content-Type: application/json", *lines)


@dataclass
class Upstream:
    """A server whose answers by path (`*`: others) are the test's, else `ok N`, where N counts; it remembers what it was asked."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    routes: dict[str, Callable[[Asked], Awaitable[Told]]] = field(default_factory=dict)
    connections: int = 0
    server: asyncio.Server | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def on(self, path: str, answer: bytes | Callable[[Asked], Awaitable[Told]]) -> None:
        """Answer requests for this path so."""

        async def same(asked: Asked) -> Told:
            return answer if isinstance(answer, bytes) else await answer(asked)

        self.routes[path] = same

    def to(self, path: str, verb: str | None = None) -> list[Asked]:
        """The requests that there were for this path, in order."""
        return [one for one in self.asked if one.path == path and verb in (None, one.verb)]

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request after the other."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while (answer := await self._answer(reader, writer)) is not None:
                writer.write(answer)
                await writer.drain()
        except (*CutShort, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Told:
        head = await reader.readuntil(b"\r\n\r\n")
        verb, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        asked = Asked(verb, target, _fields(head), b"", head, writer, reader)
        early = self.routes.get(f"{asked.path} head")
        if early is not None:
            await early(asked)
        _, asked.body = await _body(reader, head)
        self.asked.append(asked)
        route = self.routes.get(asked.path) or self.routes.get("*")
        return await route(asked) if route else told(b"ok %d" % len(self.asked))

    async def start(self) -> None:
        """Listen."""
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0, limit=_LIMIT)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and let nobody wait."""
        assert self.server is not None
        self.server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.server.wait_closed()


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
"""The head of an answer that comes bit by bit."""


class Held:
    """An answer that waits until it is `free`; it knows when the upstream's connection ends before."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer or told(b"done")
        self.free = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, asked: Asked) -> Told:
        """The answer, in its time."""
        waiting = asyncio.ensure_future(self.free.wait())
        closed = asyncio.ensure_future(asked.reader.read(1))
        try:
            await asyncio.wait((waiting, closed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            closed.cancel()
            await asyncio.gather(closed, return_exceptions=True)
        if self.free.is_set():
            return self.answer
        self.gone.set()
        return None


class Begun:
    """An answer of which one half comes at once, and the other when it is `free`."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.begun = asyncio.Event()
        self.free = asyncio.Event()

    async def __call__(self, asked: Asked) -> Told:
        """The answer, in its time."""
        whole = told(self.body)
        half = len(whole) - len(self.body) // 2
        asked.writer.write(whole[:half])
        self.begun.set()
        await self.free.wait()
        return whole[half:]


async def stream(asked: Asked) -> Told:
    """A stream that goes on for as long as somebody takes it."""
    asked.writer.write(STREAM + b"5\r\nfirst\r\n")
    while not asked.writer.is_closing():
        asked.writer.write(b"1\r\n.\r\n")
        await asked.writer.drain()
        await asyncio.sleep(0.1)
    return None


# --- callers


@dataclass
class Answer:
    """An answer as a caller gets it; `raw` is all of it."""

    status: int
    reason: bytes
    fields: Fields
    body: bytes
    raw: bytes

    def values(self, name: str) -> list[str]:
        """Every value of a field, in order."""
        return [value.decode("latin-1") for key, value in self.fields if key.lower() == name.lower().encode()]

    def __getitem__(self, name: str) -> str:
        """The one value of a field, empty if it is not there."""
        found = self.values(name)
        assert len(found) < 2, (name, found)
        return found[0] if found else ""

    @property
    def hit(self) -> bool:
        """Whether memory answered."""
        return "labgate; hit" in self["Cache-Status"]

    @property
    def fault(self) -> str:
        """The name of the gate's own fault."""
        return str(json.loads(self.body)["error"]["data"]["fault"])


class Line:
    """A caller's connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def answer(self, verb: str = "GET") -> Answer:
        """The next answer, interim ones left out."""
        async with asyncio.timeout(PATIENCE):
            while True:
                head = await self.reader.readuntil(b"\r\n\r\n")
                first = head.partition(b"\r\n")[0].split(b" ", 2)
                if int(first[1]) >= 200 or first[1] == b"101":
                    break
            raw, body = b"", b""
            if verb != "HEAD" and int(first[1]) not in (101, 204, 304):
                raw, body = await _body(self.reader, head)
        return Answer(int(first[1]), first[2], _fields(head), body, head + raw)

    async def close(self) -> None:
        """Leave at once."""
        self.writer.transport.abort()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    async def ended(self) -> bytes:
        """What still comes until the connection ends, in whichever way."""
        came = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while piece := await self.reader.read(1 << 16):
                    came += piece
            except ConnectionError:
                pass
        return came


class Caller:
    """Whoever has a token (None: nobody) at a port of the gate."""

    def __init__(self, port: int, token: str | None, ends: AsyncExitStack) -> None:
        self.port = port
        self.token = token
        self._ends = ends

    def head(self, verb: str, target: str, *lines: str, host: str | None = None) -> bytes:
        """A head with the caller's credential."""
        first = [f"{verb} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{self.port}'}"]
        mine = [f"Authorization: Bearer {self.token}"] if self.token is not None else []
        return "\r\n".join([*first, *mine, *lines]).encode("latin-1") + b"\r\n\r\n"

    def request(self, verb: str, target: str, *lines: str, body: bytes | None = None, **how: Any) -> bytes:
        """A whole request."""
        length = () if body is None else (f"Content-Length: {len(body)}",)
        return self.head(verb, target, *lines, *length, **how) + (body or b"")

    async def line(self) -> Line:
        """A new connection."""
        line = Line(*await asyncio.open_connection("127.0.0.1", self.port, limit=_LIMIT))
        self._ends.push_async_callback(line.close)
        return line

    async def ask(
        self,
        verb: str,
        target: str,
        *lines: str,
        body: bytes | None = None,
        on: Line | None = None,
        **how: Any,
    ) -> Answer:
        """The answer to a request, on a connection of its own unless one is given."""
        line = on or await self.line()
        line.writer.write(self.request(verb, target, *lines, body=body, **how))
        answer = await line.answer(verb)
        if on is None:
            await line.close()
        return answer

    async def get(self, target: str, *lines: str, **how: Any) -> Answer:
        """The answer to a GET."""
        return await self.ask("GET", target, *lines, **how)

    async def rpc(self, target: str, said: object, *lines: str, **how: Any) -> Answer:
        """The answer to a POST of this value, or of these bytes, as JSON."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        return await self.ask("POST", target, "Content-Type: application/json", *lines, body=body, **how)

    async def call(self, method: str, *params: Any, **how: Any) -> Any:
        """The answer to a call of the gate's own rpc door."""
        said: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "id": 1}
        if params:
            said["params"] = params[0]
        return json.loads((await self.rpc("/rpc", said, **how)).body)


@dataclass
class Stand:
    """What a test of the mount door needs: `await upstream()`, `await gate(settings)`, then callers."""

    gate_of: Any
    token_for: Callable[..., str]
    config: str
    ends: AsyncExitStack
    running: Any = None

    async def upstream(self) -> Upstream:
        """A new upstream."""
        made = Upstream()
        await made.start()
        self.ends.push_async_callback(made.stop)
        return made

    async def gate(self, settings: str, **options: Any) -> None:
        """Run a gate by these settings, and by a clock of the test's where it has one (`wall`)."""
        self.running = await self.ends.enter_async_context(self.gate_of(settings, **options))

    def caller(self, *groups: str, name: str = "ada", scopes: tuple[str, ...] = ()) -> Caller:
        """Somebody of these groups, with these scopes."""
        return Caller(self.running.address[1], self.token_for(name, *groups, scopes=scopes), self.ends)

    def nobody(self) -> Caller:
        """Somebody without a token."""
        return Caller(self.running.address[1], None, self.ends)

    def at(self, caller: Caller, service: str | None = None) -> Caller:
        """The caller at a service's own port, or at the operator's listener."""
        gate = self.running
        address = gate.operator_address if service is None else gate.service_addresses[service]
        return Caller(address[1], caller.token, self.ends)

    async def switch(self, caller: Caller, **said: Any) -> None:
        """Change switches at the operator's door."""
        assert (await self.at(caller).rpc("/-/switches", said)).status == 200

    async def numbers(self, caller: Caller) -> dict[str, float]:
        """The metrics, by name and labels as they are written."""
        text = (await self.at(caller).get("/-/metrics")).body.decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def revoke(self, caller: Caller) -> None:
        """Take the caller's token back, as `labgated token revoke` does."""
        assert caller.token is not None
        claims = caller.token.split(".")[1]
        token_id = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["jti"]
        parser = argparse.ArgumentParser()
        tokens.add_arguments(parser)
        assert tokens.run(parser.parse_args(["revoke", token_id, "--config", self.config])) == 0


def alone(gate: Any) -> Any:
    """The gate, with an epoch and generations that it shares with no other gate of this test."""
    gate.generations = own = OwnGenerations()
    for part in (gate.relay, gate.relay.book, gate.relay.writes):
        part._generations = own
    return gate


async def until(found: Callable[[], Any]) -> None:
    """Give way until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not found():
            await asyncio.sleep(0.001)


async def past(seconds: float) -> None:
    """Give way until so much time has gone by on the clock that entries are judged by."""
    end = time.time() + seconds
    await until(lambda: time.time() > end)
