"""An issuer with its keys, a server for them, and a gate's identities that trust it."""

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from aiohttp import ClientSession, DummyCookieJar, web

from gateway.identity.identities import Identities, Trusted


def _load(name: str) -> ModuleType:
    """Tests are imported by path, so this folder is no package to import from."""
    spec = importlib.util.spec_from_file_location(f"identity_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _mounting() -> ModuleType:
    """The helpers of the doors' tests, by the name under which these import them."""
    name = "mounting"
    if name not in sys.modules:
        path = Path(__file__).parent.parent / "doors" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[name]


vectors = _load("vectors")
mounting = _mounting()
NOW = 1_800_000_000.0


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that ask for `vector` or `good` run for every one."""
    if "vector" in metafunc.fixturenames:
        metafunc.parametrize("vector", vectors.VECTORS, ids=[vector.name for vector in vectors.VECTORS])
    if "good" in metafunc.fixturenames:
        metafunc.parametrize(
            "good", [build for _, build in vectors.GOOD], ids=[name for name, _ in vectors.GOOD]
        )


@pytest.fixture(scope="session")
def world() -> Any:
    """An issuer (see vectors.py); its tokens hold around NOW."""
    return vectors.World(NOW)


@pytest.fixture
def vector_table() -> ModuleType:
    """The module vectors.py."""
    return vectors


@pytest.fixture
async def stand(gate_of: Any, token_for: Any, tmp_path: Path) -> AsyncIterator[Any]:
    """Gates, upstreams and callers with raw sockets; see doors/mounting.py."""
    async with AsyncExitStack() as ends:
        yield mounting.Stand(gate_of, token_for, str(tmp_path / "labgate.yaml"), ends)


@pytest.fixture(scope="session")
def jwk() -> Callable[..., dict[str, Any]]:
    """The public half of a key as a JSON Web Key."""
    return vectors.jwk


class KeyServer:
    """A real server of one document; `hits` counts the requests for it, `asked` is set at the first."""

    def __init__(self) -> None:
        self.document: object = {"keys": []}
        self.status = 200
        self.headers: dict[str, str] = {}
        self.hits = 0
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.url = ""
        self.endless_url = ""
        self.poured = 0
        self.ended = asyncio.Event()

    async def pour(self, request: web.Request) -> web.StreamResponse:
        """Spaces without an end, until the reader has had enough; `poured` bytes were sent."""
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            try:
                await response.write(b" " * 65536)
            except ConnectionError:
                self.ended.set()
                return response
            self.poured += 65536

    async def answer(self, _: web.Request) -> web.Response:
        """The document as it is set at the end of the wait for `open`."""
        self.hits += 1
        self.asked.set()
        await self.open.wait()
        body = self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()
        return web.Response(status=self.status, body=body, headers=self.headers)


@pytest.fixture
async def key_server() -> AsyncIterator[KeyServer]:
    """A server of keys on loopback."""
    server = KeyServer()
    app = web.Application()
    app.router.add_get("/jwks.json", server.answer)
    app.router.add_get("/endless", server.pour)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/jwks.json"
    server.endless_url = f"http://{host}:{port}/endless"
    yield server
    server.open.set()
    await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    """A client session as the app has it."""
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        yield session


Opener = Callable[..., AbstractAsyncContextManager[Identities]]


@pytest.fixture
def opening(tmp_path: Path, session: ClientSession) -> Opener:
    """`async with opening(trusted…) as identities`: what a gate with this configuration knows."""

    @asynccontextmanager
    async def opened(
        *trusted: Trusted, local: bool = True, keys: tuple[str, ...] = (), now: float = NOW
    ) -> AsyncIterator[Identities]:
        async with Identities.open(
            state_dir=tmp_path / "state",
            local_tokens=local,
            keys=keys,
            trusted=trusted,
            session=session,
            now=now,
        ) as identities:
            yield identities

    return opened


@pytest.fixture
def keys_file(tmp_path: Path, world: Any) -> Path:
    """The issuer's key set as a file."""
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps(world.jwks()))
    return path


@pytest.fixture
async def from_file(opening: Opener, keys_file: Path, world: Any) -> AsyncIterator[Identities]:
    """Identities that trust the issuer, whose keys are in a file, beside the gate's own tokens."""
    async with opening(Trusted(world.issuer, keys_file)) as identities:
        yield identities
