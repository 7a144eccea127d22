"""Does every request mean to real servers what it means to the gate? The parser's edges, sent through a mount to each.

What the gate lets in is one request at the server, with the verb, the target and the body that the gate took it for, and
never more or less; of what it refuses the server sees nothing.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fidelity import servers
from fidelity.raw import PATIENCE

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

SERVERS = ("aiohttp", "werkzeug", "node", "nginx")
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  up: {{dialect: listed, url: "http://127.0.0.1:{port}{path}", mount: /up}}
"""

REFUSED_THERE = {
    "aiohttp": {"bodies: a verb that is not known here", "request line: a path with bytes beyond ASCII"},
    "node": {"bodies: a verb that is not known here", "request line: a path with bytes beyond ASCII"},
    "werkzeug": set(),
    "nginx": set(),
}
"""What a server does not take though it is sound, and says so."""

Told = tuple[bytes, bytes, str]
"""Verb, target and the digest of the body."""


NEVER_SEEN = frozenset(
    b"content_length transfer_encoding x_forwarded_for keep-alive te trailer upgrade http2-settings proxy-connection "
    b"authorization x-sum".split()
)
"""Fields of the cases that end at the gate: no server may take them for what frames the message, or for whose it is."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: its port, what stands before targets there, and the file where nginx notes what it saw."""

    name: str
    port: int
    path: str = ""
    notes: Path | None = None

    async def saw(self) -> list[Told]:
        """Every request that came to it."""
        if self.notes is not None:
            return [_noted(line) for line in self.notes.read_bytes().splitlines()]
        seen = await servers.seen(self.port)
        for one in seen:
            names = [name.lower() for name, _ in one.fields]
            assert NEVER_SEEN.isdisjoint(names), (one.target, names)
            assert names.count(b"host") == 1
            assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1, names
        return [(one.verb, one.target, one.sha256) for one in seen]


def _noted(line: bytes) -> Told:
    told = json.loads(line.decode("latin-1"))
    target = told["target"].encode("latin-1").removeprefix(b"/noted")
    return told["verb"].encode(), target, digest(told["body"].encode("latin-1"))


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


@pytest.fixture(scope="module")
def server_of(
    python_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """`server_of(name)`: a running server."""
    with ExitStack() as ends:

        def started(name: str) -> Server:
            folder = tmp_path_factory.mktemp(name)
            port = servers.start(name, python_of, folder, ends)
            if name == "nginx":
                return Server(name, port, "/noted", folder / "noted.json")
            return Server(name, port)

        yield started


async def exchanged(port: int, data: bytes) -> bytes:
    """What is answered to some bytes until the connection ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE):
            return await reader.read()
    finally:
        writer.transport.abort()


def expected(case: Any) -> Told:
    """What a server has to see of a case that passes."""
    return case.verb, b"/" + case.target.lstrip(b"/").removeprefix(b"up/"), digest(case.body)


@pytest.mark.parametrize("name", SERVERS)
async def test_what_the_gate_lets_in_is_one_request_at_the_server_and_the_same_and_nothing_else_is_any(
    name, server_of, gate_of, token_for, edges
) -> None:
    server = await asyncio.to_thread(server_of, name)
    cases = list(edges.cases("mount", b"/up/{n}"))
    wrong: list[str] = []
    async with gate_of(CONFIG.format(port=server.port, path=server.path)) as gate:
        token = token_for("ada", "lab")
        last = b"GET /up/last HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer %b\r\n\r\n"
        for case in cases:
            answers = await exchanged(gate.address[1], case.shown_by(token) + last % token.encode())
            status = int(answers[9:12])
            if status == 200 if not case.passes else status != 200 and case.name not in REFUSED_THERE[name]:
                wrong.append(f"{case.name}: answered {status}")
    saw = [one for one in await server.saw() if one[:2] != (b"GET", b"/last")]
    wanted = [expected(one) for one in cases if one.passes and one.name not in REFUSED_THERE[name]]
    wrong += [f"not seen, or otherwise: {one}" for one in wanted if saw.count(one) != 1]
    wrong += [f"seen, and never asked: {one}" for one in saw if one not in wanted]
    assert len(wanted) > 50
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong)
