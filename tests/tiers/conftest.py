"""The helpers of these tests, importable by name: tests are imported by path, and find nothing beside them."""

import importlib.util
import sys
from pathlib import Path


def _helper(name: str, path: Path | None = None) -> None:
    spec = importlib.util.spec_from_file_location(name, path or Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_helper("disks")
_helper("relays")
_helper("relay_machine", Path(__file__).parents[1] / "test_relay_machine.py")
