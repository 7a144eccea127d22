"""A gate in front of a lab that fails as it is told."""

import importlib.util
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest


def _helper(name: str) -> None:
    """Make a file of helpers importable by its name: tests are imported by path, and find nothing beside them."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_helper("chaos_bodies")
_helper("faulty_lab")
_helper("chaos_callers")
_helper("moody_store")

from chaos_callers import Caller  # noqa: E402 - made just now
from faulty_lab import FaultyLab  # noqa: E402

CONFIG = """
identity: {{anonymous: true}}
policies: [{{to: [anonymous], allow: ["*", "/**"], operate: true}}]
services:
  lab:
    dialect: listed
    url: {lab}
    rpc_path: /api
    mount: /lab
    timeout: {timeout}
    breaker: {breaker}
    methods:
      get: {{safe: true}}
      put: {{}}
  other:
    dialect: listed
    url: {other}
    rpc_path: /api
    mount: /other
    methods:
      get: {{safe: true}}
"""

Stand = Callable[..., AbstractAsyncContextManager["Scene"]]


class Scene:
    """The gate, the lab that fails, the one that does not, and callers."""

    def __init__(self, gate, lab: FaultyLab, other: FaultyLab) -> None:
        self.gate, self.lab, self.other = gate, lab, other
        self.caller = Caller(gate.address[1])

    @property
    def upstream(self):
        """What the gate knows of the lab that fails."""
        return self.gate.estate.upstreams["lab"]


@pytest.fixture
def scene(gate_of) -> Stand:
    """`async with scene(timeout="1s") as …`: everything runs, and ends in the end."""

    @asynccontextmanager
    async def made(
        *, timeout: str = "20s", url: str | None = None, breaker: str = "{failures: 8, open: 0.1s}"
    ) -> AsyncIterator[Scene]:
        async with FaultyLab() as lab, FaultyLab() as other:
            said = CONFIG.format(lab=url or lab.url, other=other.url, timeout=timeout, breaker=breaker)
            async with gate_of(said) as gate:
                yield Scene(gate, lab, other)

    return made
