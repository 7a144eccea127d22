"""Laws of tests/all.py: a test that fails alone fails the run; one that fails beside others alone is told of."""

import os
import subprocess
import sys
from pathlib import Path

ALL = Path(__file__).parent / "all.py"
STARVED = """
import os, pytest
def test_{name}():
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    assert alone
"""


def run(folder: Path, **tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in tests.items():
        (folder / f"test_{name}.py").write_text(text)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environ |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist.plugin"}
    return subprocess.run(
        [sys.executable, str(ALL), "--numprocesses", "2", "--quiet"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_what_fails_beside_others_alone_passes_and_is_named(tmp_path: Path) -> None:
    found = run(tmp_path, one=STARVED.format(name="one"), good="def test_good(): pass\n")
    assert found.returncode == 0
    assert "passed alone 3 times, and failed beside others" in found.stderr
    assert "test_one.py::test_one" in found.stderr
    assert "assert alone" in found.stdout


def test_what_fails_alone_fails_the_run(tmp_path: Path) -> None:
    found = run(tmp_path, bad="def test_bad(): assert not 'found'\n", one=STARVED.format(name="one"))
    assert found.returncode == 1
    assert "failed alone as well" in found.stderr


def test_what_passes_alone_only_sometimes_fails_the_run(tmp_path: Path) -> None:
    second = "from pathlib import Path\ndef test_second():\n    tried = Path('tried')\n"
    second += "    tried.write_text((tried.read_text() if tried.exists() else '') + '.')\n"
    second += "    assert len(tried.read_text()) == 2\n"
    found = run(tmp_path, second=second)
    assert found.returncode == 1
    assert "failed alone as well" in found.stderr


def test_more_than_a_few_fail_the_run_at_once(tmp_path: Path) -> None:
    found = run(tmp_path, **{name: STARVED.format(name=name) for name in ("a", "b", "c", "d")})
    assert found.returncode == 1
    assert "alone" not in found.stderr


def test_what_is_no_failure_of_tests_fails_the_run(tmp_path: Path) -> None:
    assert run(tmp_path).returncode == 5


def test_a_run_without_failures_says_nothing_more(tmp_path: Path) -> None:
    found = run(tmp_path, good="def test_good(): pass\n")
    assert (found.returncode, found.stderr) == (0, "")
