"""Runs all tests, several at once; the few that fail beside others have to pass alone, more than once.

Thousands of tests share a machine here with real servers, browsers and each other. One that is starved of a
processor for a second says nothing about labgate; one that fails alone does. What failed is printed whole either
way, and named again at the end: a test that needs this more than once has a flaw, or has found one.

    python tests/all.py [ARGUMENTS OF PYTEST]
"""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

FEW: Final = 3
"""Tests that may fail beside others; more of them are no accident."""
TIMES: Final = 3
"""How often each of them has to pass alone."""
FAILED: Final = 1
"""What pytest ends with when tests failed; all else is a fault of the run."""
LAST_FAILED: Final = Path(".pytest_cache/v/cache/lastfailed")


def pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def passes_alone(tests: list[str]) -> bool:
    with TemporaryDirectory() as folder:
        names = Path(folder, "tests")
        names.write_text("\n".join(tests), encoding="utf-8")
        return not any(pytest("-p", "no:cacheprovider", f"@{names}") for _ in range(TIMES))


def say(text: str) -> None:
    print(f"dev: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    LAST_FAILED.unlink(missing_ok=True)
    status = pytest(*arguments)
    if status != FAILED or not LAST_FAILED.exists():
        return status
    tests = sorted(json.loads(LAST_FAILED.read_text(encoding="utf-8")))
    if len(tests) > FEW:
        return status
    named = ", ".join(tests)
    say(f"failed beside others, now {TIMES} times alone: {named}")
    if not passes_alone(tests):
        say(f"failed alone as well: {named}")
        return status
    say(f"passed alone {TIMES} times, and failed beside others, as printed above: {named}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
