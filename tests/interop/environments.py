"""In which virtual environment does each third-party program run?

Each lock file `locks/NAME.txt` makes one environment, built once and kept under `.cache/interop` by the hash of
its lock and of the Python that builds it. Parallel test runs wait for each other. uv builds them, more than ten times
as fast as pip, and pip where uv cannot: it reads none of pip's settings (an index of the lab's own, a proxy).

`python tests/interop/environments.py NAME` prints the environment's interpreter.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LOCKS = Path(__file__).with_name("locks")
CACHE = Path(__file__).parents[2] / ".cache" / "interop"
NAMES = tuple(sorted(lock.stem for lock in LOCKS.glob("*.txt")))

_SECONDS = 240
_STAMP = ".complete"


class BrokenEnvironmentError(Exception):
    """An environment could not be built; the text ends with what the failing command printed."""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment: the name of its lock and its folder."""

    name: str
    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def complete(self) -> bool:
        """Whether it was built to the end."""
        return (self.folder / _STAMP).exists()


def environment(name: str, locks: Path = LOCKS, cache: Path = CACHE) -> Environment:
    """Where the environment belongs, built or not."""
    made_from = f"{sys.version}\n{sys.base_prefix}\n{locks.joinpath(f'{name}.txt').read_text()}"
    return Environment(name, cache / f"{name}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}")


def ensure(name: str, locks: Path = LOCKS, cache: Path = CACHE) -> Environment:
    """The environment, built now unless it is there already. Raises BrokenEnvironmentError."""
    wanted = environment(name, locks, cache)
    if wanted.complete:
        return wanted
    cache.mkdir(parents=True, exist_ok=True)
    with cache.joinpath(f"{wanted.folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not wanted.complete:
            _build(wanted, locks / f"{name}.txt")
    return wanted


def ensure_all(names: Iterable[str] = NAMES) -> dict[str, Environment]:
    """Every environment by name, the missing ones built side by side."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {made.name: made for made in pool.map(ensure, names)}


def _build(wanted: Environment, lock: Path) -> None:
    # A virtual environment knows its own path and cannot be moved into place, hence the stamp.
    shutil.rmtree(wanted.folder, ignore_errors=True)
    _run(wanted.name, [sys.executable, "-m", "venv", "--without-pip", str(wanted.folder)])
    try:
        _run(wanted.name, _uv(wanted.python, "--requirement", str(lock)))
    except BrokenEnvironmentError:
        _run(wanted.name, _pip(wanted.python, "--requirement", str(lock)))
    (wanted.folder / _STAMP).touch()


def _uv(python: Path, *what: str) -> list[str]:
    cache = CACHE.with_name("uv")
    uv = [sys.executable, "-m", "uv", "--quiet", "--system-certs", "--no-config", "--cache-dir", str(cache)]
    return [*uv, "pip", "install", "--python", str(python), *what]


def _pip(python: Path, *what: str) -> list[str]:
    # Most of what is installed is never imported; the rest is compiled then.
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    return [*pip, "install", "--quiet", "--no-input", "--no-compile", *what]


def _run(name: str, command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BrokenEnvironmentError(f"{name}: no end after {_SECONDS} s: {' '.join(command)}") from error
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise BrokenEnvironmentError(f"{name}: exit code {done.returncode}: {' '.join(command)}\n{tail}")


if __name__ == "__main__":
    print(ensure(sys.argv[1]).python)
