"""`./dev bench identity`: what callers cost who should come in, and what those may cost who should not."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from aiohttp import ClientSession, web
from msgspec.structs import replace

from gateway.app import running
from gateway.core.faults import Unauthenticated
from gateway.core.principal import Principal
from gateway.identity import ledger
from gateway.identity.api_keys import issue_key
from gateway.identity.identities import Identities, Showing, Trusted
from gateway.identity.local import issue
from gateway.identity.passport import Passports
from gateway.settings import load

JUNK = 8 << 20
KEY_IDS = 10_000
SETTINGS = """\
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0}}
state_dir: {folder}/state
telemetry: {{access_log: "off"}}
policies:
  - {{to: [authenticated], allow: ["*"]}}
"""


def run() -> None:
    """Measure, and print a table."""
    print("\n### Identity\n\n| what | figure | of it |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for what, figure, note in asyncio.run(_rows(Path(folder))):
            print(f"| {what} | {figure} | {note} |")


async def _rows(folder: Path) -> list[tuple[str, str, str]]:
    world, issuer = _world()
    async with ClientSession() as session, _Keys(world) as keys:
        open_ = Identities.open(
            state_dir=folder / "state",
            local_tokens=True,
            keys=(),
            trusted=[Trusted(issuer, keys.url)],
            session=session,
            now=world.now,
            showing=Showing(signs=True),
        )
        async with open_ as identities:
            return [
                await _key_ids(identities, world, keys),
                await _junk(identities),
                await _junk_at_the_gate(folder),
                await _verified(
                    "a token of the gate's own (EdDSA)", identities, world, _own(identities, world)
                ),
                await _verified(
                    "an RS256 token of another issuer", identities, world, lambda n: world.token(n=n)
                ),
                await _verified("a key of the gate's", identities, world, _opaque(folder, world)),
                await _verified("a key that was made up", identities, world, lambda n: f"lgk_{n:049d}"),
                await _known(identities, world),
                _passport(identities, world),
            ]


async def _key_ids(identities: Identities, world: Any, keys: _Keys) -> tuple[str, str, str]:
    await identities.identify(world.token(), world.now)
    before = keys.hits
    _, payload, signature = world.token().split(".")
    vectors = _vectors()
    tokens = [
        f"{vectors.b64(vectors.dump(world.header({'kid': f'random-{n}'})))}.{payload}.{signature}"
        for n in range(KEY_IDS)
    ]
    started = time.process_time()
    await asyncio.gather(*(_refused(identities, token, world.now) for token in tokens))
    spent = time.process_time() - started
    return (
        f"{KEY_IDS:,} tokens with random `kid`s",
        f"{keys.hits - before} fetches",
        f"{spent / KEY_IDS * 1e6:.0f} µs CPU each",
    )


async def _junk(identities: Identities) -> tuple[str, str, str]:
    token = "eyJhbGciOiJSUzI1NiJ9." + "A" * JUNK
    spent = [await _timed(lambda: _refused(identities, token, 0.0)) for _ in range(50)]
    return (
        "an 8 MB junk token, looked at",
        f"{statistics.median(spent) * 1e3:.3f} ms CPU",
        "at most 1 ms wanted",
    )


async def _junk_at_the_gate(folder: Path) -> tuple[str, str, str]:
    """The same as a head of HTTP, on the gate's own thread: the sender has another."""
    file = folder / "labgate.yaml"
    file.write_text(SETTINGS.format(folder=folder))
    head = b"POST /rpc HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer %b\r\n\r\n"
    async with running(load(file, {})) as gate:

        async def spent(token: bytes, expected: bytes) -> float:
            found, whole = [], head % token
            for _ in range(50):
                started = time.thread_time()
                status = await asyncio.to_thread(_sent, gate.address, whole)
                found.append(time.thread_time() - started)
                assert status in (expected, b""), status
            return statistics.median(found) * 1e3

        small, large = await spent(b"junk", b"401"), await spent(b"A" * JUNK, b"431")
    note = f"a new connection and a token of 4 bytes: {small:.3f} ms"
    return "an 8 MB junk token, sent to a running gate", f"{large:.3f} ms CPU", note


def _sent(address: tuple[str, int], head: bytes) -> bytes:
    """The status; empty where the gate hung up while we still wrote."""
    with socket.create_connection(address) as one:
        try:
            one.sendall(head)
            return one.recv(4096)[9:12]
        except ConnectionError:
            return b""


async def _verified(
    what: str, identities: Identities, world: Any, token: Callable[[int], str]
) -> tuple[str, str, str]:
    tokens = [token(number) for number in range(2000)]
    started = time.process_time()
    for one in tokens:
        await _refused(identities, one, world.now)
    each = (time.process_time() - started) / len(tokens)
    return f"{what}, seen for the first time", f"{each * 1e6:.1f} µs CPU", f"{1 / each:,.0f}/s on a core"


async def _known(identities: Identities, world: Any) -> tuple[str, str, str]:
    token = world.token()
    await identities.identify(token, world.now)
    started = time.process_time()
    for _ in range(100_000):
        identities.known(token, world.now)
    each = (time.process_time() - started) / 100_000
    return "a token that was seen before", f"{each * 1e6:.2f} µs CPU", f"{1 / each:,.0f}/s on a core"


def _passport(identities: Identities, world: Any) -> tuple[str, str, str]:
    assert identities.signing is not None
    passports = Passports(identities.signing, lambda: "labgate")
    who = Principal("ada", "labgate", ("lab",), ("em.read",))
    started = time.process_time()
    for number in range(2000):
        passports.of(replace(who, subject=f"u{number}"), "files", ("groups", "scope"), world.now)
    first = (time.process_time() - started) / 2000
    started = time.process_time()
    for _ in range(100_000):
        passports.of(who, "files", ("groups", "scope"), world.now)
    again = (time.process_time() - started) / 100_000
    return (
        "telling a service who asks",
        f"{again * 1e6:.1f} µs CPU",
        f"{first * 1e6:.0f} µs for the first call in half a minute",
    )


async def _refused(identities: Identities, token: str, now: float) -> None:
    try:
        await identities.identify(token, now)
    except Unauthenticated:
        pass


async def _timed(work: Callable[[], Awaitable[None]]) -> float:
    started = time.process_time()
    await work()
    return time.process_time() - started


def _own(identities: Identities, world: Any) -> Callable[[int], str]:
    assert identities.signing is not None
    keys = identities.signing
    return lambda n: issue(keys, f"u{n}", (), (), 3600, world.now)[0]


def _opaque(folder: Path, world: Any) -> Callable[[int], str]:
    def made(number: int) -> str:
        key, issued = issue_key(f"u{number}", (), (), 3600, world.now)
        with (folder / "state" / "tokens.jsonl").open("a") as file:  # without its flush: they are many
            file.write(
                json.dumps({name: getattr(issued, name) for name in ledger.Issued.__struct_fields__}) + "\n"
            )
        return key

    return made


class _Keys:
    """A server of the issuer's key set, which counts."""

    def __init__(self, world: Any) -> None:
        self._body = json.dumps(world.jwks())
        self.hits = 0
        self.url = ""

    async def __aenter__(self) -> _Keys:
        app = web.Application()
        app.router.add_get("/jwks.json", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/jwks.json"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, _: web.Request) -> web.Response:
        self.hits += 1
        return web.Response(text=self._body)


def _vectors() -> ModuleType:
    if "bench_vectors" not in sys.modules:
        path = Path(__file__).parent.parent / "identity" / "vectors.py"
        spec = importlib.util.spec_from_file_location("bench_vectors", path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["bench_vectors"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["bench_vectors"]


def _world() -> tuple[Any, Any]:
    world = _vectors().World(time.time())
    return world, world.issuer
