"""Laws of ./dev: it runs under a plain POSIX shell, and says what is missing instead of failing oddly."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHELL = shutil.which("dash") or "/bin/sh"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone, as far as ./dev looks at it; `bin` is the only folder on the PATH."""
    for name in ("dev", "pyproject.toml", "sdk/pyproject.toml"):
        (tmp_path / "clone" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "clone" / name)
    (tmp_path / "bin").mkdir()
    for tool in ("dirname", "cat", "id", "cksum", "mkdir", "rm", "find"):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or tool)
    return tmp_path / "clone"


def program(clone: Path, name: str, script: str) -> None:
    file = clone.parent / "bin" / name
    file.write_text(f"#!{SHELL}\n{script}\n")
    file.chmod(0o755)


def dev(clone: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SHELL, str(clone / "dev"), *arguments],
        env={"PATH": str(clone.parent / "bin"), "HOME": str(clone.parent), **environ},
        cwd=clone.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )


def old_python(version: str) -> str:
    """A Python that is too old: it says its version, and `sys.version_info < (3, 11)` of itself."""
    return f'case "$2" in *version_info\\ \\<*) exit 1;; *print*) echo {version};; esac'


def test_help_and_no_command_explain_themselves(clone: Path) -> None:
    for arguments in ((), ("help",), ("--help",)):
        found = dev(clone, *arguments)
        assert found.returncode == 0
        assert all(
            f"  {name} " in found.stdout
            for name in ("demo", "test", "chaos", "docs", "lint", "bench", "clean")
        )


def test_an_unknown_command_is_refused(clone: Path) -> None:
    found = dev(clone, "tset")
    assert (found.returncode, found.stdout) == (2, "")
    assert "usage: ./dev" in found.stderr


def test_no_python_at_all_is_said(clone: Path) -> None:
    found = dev(clone, "demo")
    assert found.returncode == 1
    assert "Python 3.11 or newer is needed, and none was found; set PYTHON=" in found.stderr


def test_an_old_python_is_named_with_its_version(clone: Path) -> None:
    program(clone, "python3", old_python("3.9"))
    found = dev(clone, "test")
    assert found.returncode == 1
    assert "none was found; python3 is 3.9; set PYTHON=" in found.stderr
    asked = dev(clone, "test", PYTHON=str(clone.parent / "bin/python3"))
    assert asked.returncode == 1
    assert "is no Python from 3.11 on (3.9)" in asked.stderr
    assert "(it does not run)" in dev(clone, "test", PYTHON="/nowhere/python").stderr


def test_a_python_without_venv_is_said_where_apt_is_not_there(clone: Path) -> None:
    program(clone, "python3", 'case "$2" in *ensurepip*) exit 1;; *print*) echo 3.12;; esac')
    found = dev(clone, "demo")
    assert found.returncode == 1
    assert "missing on this system: python3.12-venv; install it and try again" in found.stderr


def test_apt_is_used_only_where_it_may_be(clone: Path) -> None:
    program(clone, "apt-get", 'echo "apt-get $*" >>"$HOME/apt.log"')
    (clone.parent / "bin/id").unlink()
    program(clone, "id", "echo 1000")
    found = dev(clone, "bench")
    wanted = {"wrk": "wrk", "nginx": "nginx", "varnish": "varnishd"}
    missing = [package for package, program_ in wanted.items() if not Path("/usr/sbin", program_).exists()]
    assert found.returncode == 1
    assert f"missing on this system: {' '.join(missing)}; install it: sudo apt-get install" in found.stderr
    assert not (clone.parent / "apt.log").exists()
    program(clone, "id", "echo 0")
    program(clone, "env", 'while [ "${1#*=}" != "$1" ]; do shift; done; "$@"')
    assert f"installing by apt: {' '.join(missing)}" in dev(clone, "bench").stderr
    log = (clone.parent / "apt.log").read_text().splitlines()
    assert log[0].startswith("apt-get update")
    assert log[1].startswith("apt-get install")
    assert log[1].endswith(" ".join(missing))


def test_clean_removes_what_was_made_here_and_leaves_what_was_not(clone: Path) -> None:
    for made in (
        ".venv",
        ".cache/x",
        "build",
        "gateway/__pycache__",
        "sdk/labgate.egg-info",
        ".venv/lib/__pycache__",
    ):
        (clone / made).mkdir(parents=True)
    (clone / "gateway/app.py").touch()
    first = dev(clone, "clean")
    assert first.returncode == 0
    assert ".venv stays" in first.stderr
    assert (clone / ".venv/lib/__pycache__").is_dir()
    (clone / ".venv/labgate-made-here").touch()
    assert dev(clone, "clean").stderr == ""
    left = sorted(str(path.relative_to(clone)) for path in clone.rglob("*") if path.is_file())
    assert left == ["dev", "gateway/app.py", "pyproject.toml", "sdk/pyproject.toml"]
    assert not (clone / ".venv").exists()


def test_a_file_called_venv_is_not_overwritten(clone: Path) -> None:
    (clone / ".venv").mkdir()
    (clone / ".venv" / "mine").touch()
    found = dev(clone, "demo", PYTHON=sys.executable)
    assert found.returncode == 1
    assert ".venv is in the way" in found.stderr
    assert (clone / ".venv" / "mine").exists()


def test_an_installation_is_made_once_and_again_when_what_it_depends_on_changed(clone: Path) -> None:
    venv = clone / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    python = 'echo "$*" >>"$HOME/python.log"; case "$*" in -V) echo Python 3.12;; esac\n[ "$1" != -m ] || [ "$2" != pytest ]'
    for name, script in (("python", python), ("labgated", 'echo "labgated $*"')):
        (venv / "bin" / name).write_text(f"#!{SHELL}\n{script}\n")
        (venv / "bin" / name).chmod(0o755)
    for name in (
        "chromium",
        "curl",
        "haproxy",
        "nginx",
        "node",
        "npm",
        "promtool",
        "valkey-server",
        "zsh",
        "fish",
    ):
        program(clone, name, "")
    log = clone.parent / "python.log"

    def installed(*arguments: str) -> list[str]:
        log.unlink(missing_ok=True)
        dev(clone, *arguments)
        return [
            line.partition("install ")[2] for line in log.read_text().splitlines() if "pip install" in line
        ]

    runtime = ["--quiet --disable-pip-version-check --editable . --editable ./sdk"]
    complete = [
        "--quiet --disable-pip-version-check --upgrade pip>=25.1",
        "--quiet --disable-pip-version-check --editable . --editable ./sdk --group test",
    ]
    assert installed("demo") == runtime
    assert dev(clone, "demo", "--port", "0").stdout == "labgated demo --port 0\n"
    assert installed("demo") == []
    assert installed("test") == complete
    assert installed("test", "-x", "tests/core") == []
    assert "-m pytest -x tests/core" in log.read_text()
    assert installed("demo") == []
    with (clone / "sdk/pyproject.toml").open("a") as file:
        file.write("\n# changed\n")
    assert installed("demo") == runtime


def test_what_the_tests_need_of_the_system_is_installed_by_the_names_of_its_packages(clone: Path) -> None:
    venv = clone / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (venv / "bin/python").write_text(f"#!{SHELL}\n")
    (venv / "bin/python").chmod(0o755)
    program(clone, "apt-get", 'echo "apt-get $*" >>"$HOME/apt.log"')
    program(clone, "env", 'while [ "${1#*=}" != "$1" ]; do shift; done; "$@"')
    program(clone, "id", "echo 0")
    program(clone, "curl", "")
    dev(clone, "test")
    wanted = ["chromium"] + ([] if Path("/usr/sbin/haproxy").exists() else ["haproxy"])
    wanted += [] if Path("/usr/sbin/nginx").exists() else ["nginx-light"]
    wanted += ["nodejs", "npm", "prometheus", "redis-server", "zsh", "fish"]
    assert (clone.parent / "apt.log").read_text().split()[-len(wanted) :] == wanted


def test_either_of_redis_and_valkey_will_do_for_the_tests(clone: Path) -> None:
    venv = clone / ".venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "pyvenv.cfg").touch()
    (venv / "bin/python").write_text(f"#!{SHELL}\n")
    (venv / "bin/python").chmod(0o755)
    (clone.parent / "bin/id").unlink()
    program(clone, "id", "echo 1000")
    program(clone, "apt-get", "")
    for name in (
        "chromium",
        "curl",
        "haproxy",
        "node",
        "npm",
        "nginx",
        "promtool",
        "valkey-server",
        "zsh",
        "fish",
    ):
        program(clone, name, "")
    assert dev(clone, "test").returncode == 0
    (clone.parent / "bin/valkey-server").unlink()
    assert "missing on this system: redis-server; install it" in dev(clone, "test").stderr


def test_ci_runs_what_developers_run() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert [line for line in text.splitlines() if line.startswith("./dev")] == [
        "./dev lint",
        "./dev docs",
        "./dev test",
    ]
    for script in (ROOT / "dev", ROOT / ".ci" / "run"):
        assert os.access(script, os.X_OK)
