"""Callers who believe nothing: what they are told is held against what the lab has done."""

import asyncio
import json
import os
from dataclasses import dataclass
from itertools import count

from chaos_bodies import body_of
from faulty_lab import FaultyLab

FULL = os.environ.get("LABGATE_CHAOS") == "full"
"""Whether all of the matrix is wanted, and not the part of it that is run each time."""

PATIENCE = 40.0
"""Seconds after which a call hangs for ever: reached only by a failure."""

DOORS = ("rpc read", "rpc write", "mount GET", "mount POST", "stream")
WRITES = ("rpc write", "mount POST")
DOWN = frozenset(("UpstreamUnreachable", "UpstreamBroken", "DeadlineExceeded", "Unavailable"))


@dataclass(frozen=True)
class Outcome:
    """What one caller got: `ok`, `cut` (the answer breaks off, and does not look complete), a fault's name, or a status."""

    door: str
    token: str
    kind: str
    status: int = 0
    maybe: bool = False
    retry_after: bool = False
    text: str = ""


class Caller:
    """Calls of every kind to one gate, each over a connection of its own unless it is `keep`ing one."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._numbers = count(1)

    async def call(self, door: str, service: str = "lab") -> Outcome:
        """One call through a door, and what came of it."""
        token = f"t{next(self._numbers)}"
        request = _request(door, token, service)
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(request)
                return await _outcome(door, token, reader)
            finally:
                writer.transport.abort()

    async def page(self, path: str, body: bytes = b"") -> tuple[int, bytes, bytes]:
        """Status, head and body of what is at a path."""
        request = _http("POST" if body else "GET", path, body, "Content-Type: application/json")
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                return int(head.split(b" ", 2)[1]), head, await body_of(reader, head)
            finally:
                writer.transport.abort()

    async def all(self, doors: tuple[str, ...] = DOORS, service: str = "lab") -> list[Outcome]:
        """One call through each door, all at once."""
        return list(await asyncio.gather(*(self.call(door, service) for door in doors)))

    async def until_well(self, doors: tuple[str, ...] = DOORS) -> None:
        """Return when each door answers again."""
        for door in doors:
            async with asyncio.timeout(PATIENCE):
                while (await self.call(door)).kind != "ok":
                    await asyncio.sleep(0.02)


def _request(door: str, token: str, service: str) -> bytes:
    if door.startswith("rpc"):
        method = f"{service}.{'put' if door in WRITES else 'get'}"
        said = {"jsonrpc": "2.0", "method": method, "params": {"token": token}, "id": token}
        return _http("POST", "/rpc", json.dumps(said).encode(), "Content-Type: application/json")
    if door == "mount POST":
        return _http("POST", f"/{service}/things", token.encode())
    return _http("GET", f"/{service}/stream" if door == "stream" else f"/{service}/{token}")


def _http(verb: str, target: str, body: bytes = b"", *lines: str) -> bytes:
    more = [*lines, *([f"Content-Length: {len(body)}"] if verb == "POST" else [])]
    return "\r\n".join([f"{verb} {target} HTTP/1.1", "Host: 127.0.0.1", *more, "", ""]).encode() + body


async def _outcome(door: str, token: str, reader: asyncio.StreamReader) -> Outcome:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        body = await body_of(reader, head)
    except (EOFError, ConnectionError):
        return Outcome(door, token, "cut")
    status = int(head.split(b" ", 2)[1])
    waits = b"\r\nretry-after:" in head.lower()
    if door.startswith("rpc") or status >= 400:
        return _told(door, token, status, body, waits=waits)
    wanted = {
        "mount GET": f"this is /{token}",
        "mount POST": f"stored {token}",
        "stream": "".join(f"piece {number}" for number in range(5)),
    }[door]
    assert body.decode() == wanted, f"{door}: a wrong answer that looks right"
    return Outcome(door, token, "ok", status)


def _told(door: str, token: str, status: int, body: bytes, *, waits: bool) -> Outcome:
    try:
        said = json.loads(body)
    except ValueError:
        return Outcome(door, token, "status", status, retry_after=waits, text=body.decode("latin-1"))
    if "result" in said:
        assert (said["id"], said["result"]["said"]) == (token, {"token": token})
        return Outcome(door, token, "ok", status)
    data = said["error"]["data"]
    maybe, waits = bool(data.get("maybe_executed")), waits or "retry_after" in data
    return Outcome(door, token, data["fault"], status, maybe, waits, said["error"]["message"])


def held_against(lab: FaultyLab, outcomes: list[Outcome]) -> None:
    """The laws that hold whatever fails: see DESIGN.md, section 5, Failure."""
    for one in outcomes:
        executed = lab.writes[one.token]
        if one.door in WRITES:
            assert executed <= 1, f"sent twice: {one}"
            if one.kind == "ok":
                assert executed == 1, f"acknowledged and missing: {one}"
            if executed and one.kind not in ("ok", "cut"):
                assert one.maybe or one.status == 500, f"it happened, and nobody is told: {one}"
            if one.door == "mount POST" and executed:
                assert one.status not in (502, 503, 504), f"its client would send it again: {one}"
        else:
            assert not one.maybe, f"what changes nothing cannot have changed something: {one}"
        if one.kind in DOWN:
            assert "'lab'" in one.text, f"it is not said which service: {one}"
        if one.kind == "Unavailable":
            assert one.retry_after, f"it is not said when to call again: {one}"
        assert one.kind in {"ok", "cut", "status"} | DOWN, one
        if one.door.startswith("rpc"):
            assert one.kind not in ("cut", "status"), f"a call gets a reply or a fault: {one}"
