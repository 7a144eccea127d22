"""Real third-party programs for the tests: environments that are built once, and upstreams that run in them."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent


def _package(name: str) -> None:
    """Make a folder of helpers importable by its name: tests are imported by path, and find nothing beside them."""
    spec = importlib.util.spec_from_file_location(name, HERE / name / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_package("fidelity")

RPC_PATHS = {
    "flask-jsonrpc-2": "/api",
    "flask-jsonrpc-4": "/api",
    "jsonrpclib-pelix": "/",
    "openrpc": "/rpc",
    "django-modern-rpc": "/jsonrpc",
}
"""Every JSON-RPC upstream of these tests, and where it takes calls."""

REST_UPSTREAMS = {
    "fastapi": "/openapi.json",
    "flask-restx": "/swagger.json",
    "connexion": "/api/openapi.json",
    "cryosparc5": "/openapi.json",
}
"""Every REST upstream of these tests, and where its document is."""

RUNS_IN = {"cryosparc5": "fastapi"}
"""The environments of upstreams that have none of their own name."""

LARGE = ("checkers", "dvidtools", "intake", "mkdocs", "notebook", "tiled")
"""The environments that take minutes to build: pandas, pyarrow and their like; and that of the site, which talks to nobody."""


@pytest.fixture(scope="module")
def command_server(python_of: Callable[[str], Path]) -> Iterator[str]:
    """Where a server like CryoSPARC's command services is."""
    command = [python_of("flask-jsonrpc-2"), HERE / "upstreams" / "cryosparc_like_app.py"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[1]
        server.kill()


@dataclass(slots=True)
class Upstream:
    """A running server: `url` without a path, its process, and where it takes calls or has its document.

    `rpc_path` is empty for REST, `document_path` for JSON-RPC.
    """

    name: str
    url: str
    rpc_path: str
    process: subprocess.Popen[str]
    document_path: str = ""

    @property
    def port(self) -> int:
        """The port on loopback that it listens on."""
        return int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="session")
def environments() -> ModuleType:
    """The module environments.py; tests are imported by path, so this folder is no package to import from."""
    spec = importlib.util.spec_from_file_location("interop_environments", HERE / "environments.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def conformance() -> Callable[[], list[str]]:
    """`conformance()`: the command of the official suite of the Model Context Protocol."""
    spec = importlib.util.spec_from_file_location("interop_conformance", HERE / "conformance.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[], list[str]] = module.suite
    return found


@pytest.fixture(scope="session")
def python_of(environments: ModuleType) -> Callable[[str], Path]:
    """`python_of(name)`: the interpreter of the environment made from `locks/NAME.txt`.

    The missing environments are built side by side, once; the large ones only when they are asked for.
    """
    built: dict[str, Any] = {}

    def found(name: str) -> Path:
        if name not in built:
            small = [one for one in environments.NAMES if one not in LARGE]
            built.update(environments.ensure_all([name] if name in LARGE else small))
        python: Path = built[name].python
        return python

    return found


@pytest.fixture(scope="session")
def upstream(python_of: Callable[[str], Path]) -> Iterator[Callable[[str], Upstream]]:
    """`upstream(name)`: a running server that all tests share; it is started when first asked for."""
    running: dict[str, Upstream] = {}
    with ExitStack() as ends:

        def started(name: str) -> Upstream:
            if name not in running:
                running[name] = _start(name, python_of(RUNS_IN.get(name, name)), ends)
            return running[name]

        yield started


@pytest.fixture
def fresh_upstream(python_of: Callable[[str], Path]) -> Iterator[Callable[..., Upstream]]:
    """`fresh_upstream(name, *words)`: a server of this test's own, which may be killed; words go to its command line."""
    with ExitStack() as ends:
        yield lambda name, *words: _start(name, python_of(RUNS_IN.get(name, name)), ends, *words)


@pytest.fixture(scope="session")
def calls_of(
    python_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[str, Any]]:
    """`calls_of(environment, script, *words)`: what a caller of callers/ that prints a line for each call got, by call."""
    home = tmp_path_factory.mktemp("home")

    def called(environment: str, script: str, *words: str) -> dict[str, Any]:
        command = [str(python_of(environment)), str(HERE / "callers" / script), *words]
        environ = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "*", "PYTHONUTF8": "1"}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr[-3000:]
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"call"')]
        return {line["call"]: line["outcome"] for line in lines}

    return called


def _start(name: str, python: Path, ends: ExitStack, *words: str) -> Upstream:
    app = HERE / "upstreams" / f"{name.replace('-', '_')}_app.py"
    process = subprocess.Popen(
        [str(python), str(app), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    ends.enter_context(process)
    ends.callback(process.kill)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line.startswith("ready "):
        raise RuntimeError(f"{name} did not start: try {python} {app}")
    return Upstream(name, line.split()[1], RPC_PATHS.get(name, ""), process, REST_UPSTREAMS.get(name, ""))


@pytest.fixture
async def before(gate_of: Any, token_for: Any) -> AsyncIterator[Any]:
    """`await before(talk)`: an upstream that talks so, and a gate before it; see fidelity/scripted.py."""
    from fidelity.scripted import standing

    async with standing(gate_of, token_for) as started:
        yield started
