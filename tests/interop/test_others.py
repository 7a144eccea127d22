"""Is what the page on the SDK says of other clients so, in the releases that it names?"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
CLIENTS = {
    "boto3": "anchors",
    "google": "anchors",
    "zeep": "anchors",
    "cryosparc-4": "cryosparc-tools",
    "cryosparc-5": "cryosparc-tools-5",
    "caveclient": "caveclient",
    "intake": "intake",
}
"""The columns of the table behind ours, and the environments of these clients."""
TRIED = {
    "methods come from the server, without a new release": "served",
    "what vanishes there vanishes here": "gone",
    "it starts without the server, from what it has or has kept": "offline",
    "`inspect.signature` is the method's own": "signature",
    "arguments are checked before the network": "checked",
    "no name from the server can break the client": "names",
    "errors are classes that can be imported": "errors",
    "what may have been carried out is not sent again": "once",
    "options for a single call, such as its time": "options",
    "many calls in one request": "batch",
    "a client can be pickled": "pickle",
    "it needs no other package": "alone",
    "importing it loads nothing heavy": "light",
    "clients, methods and answers show themselves in notebooks": "shown",
    "a double for tests of programs that use it": "double",
    "the network's proxy, by the usual variables": "proxy",
}
"""Rows of the table by what others_session.py calls them; of the others it says nothing but of ours."""


def table() -> list[list[str]]:
    """The table's rows, as cells."""
    text = (ROOT / "docs/why/sdk.md").read_text()
    return [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:2] == "| "
    ]


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_does_what_the_page_says_of_it(
    name: str, environments: ModuleType, python_of: Callable[[str], Path], tmp_path: Path
) -> None:
    found = tried(name, environments, python_of, tmp_path)
    head, *rows = table()
    at = 2 + [*CLIENTS].index(name)
    assert head[at].endswith(f" {found['version']}")
    said = {row[0]: row[at] for row in rows}
    words = {True: "yes", False: "no", None: "–"}
    assert said == {row: words[found.get(TRIED.get(row, ""))] for row in said}
    assert {*TRIED} <= {*said}


def tried(name: str, environments: Any, python_of: Callable[[str], Path], home: Path) -> dict[str, Any]:
    """What others_session.py has found, in the client's own environment."""
    if CLIENTS[name] == "anchors":
        python = environments.ensure("anchors", ROOT / "tests/bench/locks").python
    else:
        python = python_of(CLIENTS[name])
    command = [str(python), "-W", "ignore", str(Path(__file__).with_name("others_session.py")), name]
    environ = {"PATH": os.environ["PATH"], "HOME": str(home)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
