"""What the tests of workers need: a scripted upstream, and a gate of several processes in front of it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest


def _helper(name: str) -> None:
    """Make a file of helpers importable by its name: tests are imported by path, and find nothing beside them."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_helper("working_gates")


@pytest.fixture(scope="module")
def upstream():
    """A service for the tests of one file."""
    from working_gates import scripted

    with scripted() as service:
        yield service


@pytest.fixture
def gate_at(tmp_path, upstream):
    """Starts gates in the test's own folder: `gate_at(workers=2)`; they are ended with the test."""
    from working_gates import Gate

    gates = []

    def made(**options):
        gates.append(Gate(tmp_path, upstream, **options))
        return gates[-1]

    yield made
    for gate in gates:
        gate.kill()


@pytest.fixture(scope="module")
def gate(tmp_path_factory, upstream):
    """A gate of two workers that the tests of one file share: none of them ends it."""
    from working_gates import Gate

    gate = Gate(tmp_path_factory.mktemp("gate"), upstream)
    yield gate
    gate.kill()
