"""When is an environment built, and what is said when it cannot be?"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

SMALLEST = "jsonrpclib-pelix"


def test_an_environment_is_built_once_and_built_anew_when_its_build_was_cut_short(
    environments: ModuleType, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: environments.ensure(SMALLEST, cache=tmp_path), range(2))
    assert first == second
    assert first.python.exists()
    mark = first.folder / "mark"
    mark.touch()
    environments.ensure(SMALLEST, cache=tmp_path)
    assert mark.exists()
    (first.folder / ".complete").unlink()
    environments.ensure(SMALLEST, cache=tmp_path)
    assert not mark.exists()


def test_another_lock_is_another_environment(environments: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "tool.txt").write_text("tool==1.0\n")
    before = environments.environment("tool", tmp_path, tmp_path)
    (tmp_path / "tool.txt").write_text("tool==1.1\n")
    assert environments.environment("tool", tmp_path, tmp_path) != before


def test_a_broken_lock_is_told_with_what_pip_said_and_leaves_nothing_complete(
    environments: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "tool.txt").write_text("./not-there\n")
    with pytest.raises(environments.BrokenEnvironmentError, match=r"(?s)tool: exit code 1.*not-there"):
        environments.ensure("tool", tmp_path, tmp_path)
    assert not environments.environment("tool", tmp_path, tmp_path).complete


def test_every_lock_pins_every_line(environments: ModuleType) -> None:
    for lock in environments.LOCKS.glob("*.txt"):
        pins = [line for line in lock.read_text().splitlines() if not line.startswith(("#", "--"))]
        assert pins
        assert all(line.count("==") == 1 for line in pins), lock.name
