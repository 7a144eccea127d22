"""The helpers of these tests, importable by name: tests are imported by path, and find nothing beside them."""

import importlib.util
import sys
from pathlib import Path


def _helper(name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_helper("disks")
_helper("relays")
