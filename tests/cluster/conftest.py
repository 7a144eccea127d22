"""What the tests of a cluster share: one of them, which every test leaves whole."""

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


_helper("cluster_lab")


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory):
    """A cluster for all tests."""
    from cluster_lab import clustered

    with clustered(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running_cluster):
    """The same; it has to be whole again before the next test."""
    from cluster_lab import until

    yield running_cluster
    running_cluster.service.pause = 0.0
    until(running_cluster.whole)
