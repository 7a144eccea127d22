"""What many tests need: a running gate made from a settings text, and tokens for it."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from gateway.app import Gate

# No test asserts a time, and a slow machine is no fault.
hypothesis.settings.register_profile(
    "labgate", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("labgate")

GateOf = Callable[..., AbstractAsyncContextManager["Gate"]]

HEAD = """\
listen: 127.0.0.1:0
operator: {listen: 127.0.0.1:0}
state_dir: STATE
telemetry: {access_log: "off"}
shutdown_seconds: 0.5
"""


@pytest.fixture
def gate_of(tmp_path: Path) -> GateOf:
    """Makes a gate from the rest of a settings file: `async with gate_of("services: …") as gate`."""
    # Most tests need no gate, and importing one takes half a second.
    from gateway.app import running
    from gateway.settings import load

    @asynccontextmanager
    async def made(text: str, **options: Any) -> AsyncIterator[Gate]:
        file = tmp_path / "labgate.yaml"
        text = dedent(text)
        own = {line.partition(":")[0] for line in text.splitlines()}
        head = [line for line in HEAD.splitlines(keepends=True) if line.partition(":")[0] not in own]
        file.write_text("".join(head).replace("STATE", str(tmp_path / "state")) + text)
        async with running(load(file, {}), **options) as gate:
            yield gate

    return made


@pytest.fixture
def token_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Makes tokens for the gates of this test: `token_for("alice", "lab")` is alice's, of the group lab."""

    from gateway.commands import token

    def made(subject: str, *groups: str, scopes: tuple[str, ...] = (), ttl: str = "1h") -> str:
        parser = argparse.ArgumentParser()
        token.add_arguments(parser)
        words = ["create", "--subject", subject, "--ttl", ttl, "--config", str(tmp_path / "labgate.yaml")]
        words += [word for group in groups for word in ("--group", group)]
        words += [word for scope in scopes for word in ("--scope", scope)]
        capsys.readouterr()
        assert token.run(parser.parse_args(words)) == 0
        return capsys.readouterr().out.strip()

    return made


def _lab(name: str) -> ModuleType:
    """A file of lab/, as a module: tests are imported by path, and find nothing beside them."""
    spec = importlib.util.spec_from_file_location(f"{name}_lab", Path(__file__).parent / "lab" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def authority_of(tmp_path: Path) -> Callable[..., Any]:
    """Makes authorities: `authority_of("other").issue("CN=ada, OU=Imaging", "email:ada@lab.org")`."""
    folder = tmp_path / "certificates"
    folder.mkdir()

    def made(name: str = "lab") -> Any:
        own = folder / name
        own.mkdir()
        return _lab("certificates").Authority(own, name)

    return made


@pytest.fixture
def authority(authority_of: Callable[..., Any]) -> Any:
    """An authority that gives out certificates: `authority.issue()` is the gate's own."""
    return authority_of()


@pytest.fixture(scope="session")
def cave_lab() -> ModuleType:
    """The module lab/cave.py: a CAVE deployment on threads of this process, and its faults."""
    return _lab("cave")


@pytest.fixture(scope="session")
def chromium_lab() -> ModuleType:
    """The module lab/chromium.py: a real browser without a screen."""
    return _lab("chromium")


@pytest.fixture(scope="session")
def dvid_lab() -> ModuleType:
    """The module lab/dvid.py: a DVID on threads of this process, and its faults."""
    return _lab("dvid")


@pytest.fixture(scope="session")
def edges() -> ModuleType:
    """The module lab/edges.py: the requests that readers of HTTP have read differently, and what the gate says to each."""
    return _lab("edges")


@pytest.fixture(scope="session")
def https_proxy_lab() -> ModuleType:
    """The module lab/https_proxy.py: an nginx with TLS before an address."""
    return _lab("https_proxy")


@pytest.fixture(scope="session")
def intake_lab() -> ModuleType:
    """The module lab/intake.py: a catalog server on a thread of this process, and its faults."""
    return _lab("intake")


@pytest.fixture(scope="session")
def issuer_lab() -> ModuleType:
    """The module lab/issuer.py: an authorization server that takes device logins, on threads of this process."""
    return _lab("issuer")
