"""Is a client in a real Jupyter kernel what its users see: completed, explained, displayed; and does the tutorial run?"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labgate import testing

# The first test may have to build the environment.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TUTORIAL = ROOT / "docs" / "tutorial" / "notebook.md"
BLOCK = re.compile(r"^```python(?: notebook)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANSI = re.compile(r"\x1b\[[0-9;]*m")

Cells = Callable[..., list[Any]]


@pytest.fixture
def cells(python_of: Callable[[str], Path], tmp_path: Path) -> Cells:
    """`cells(step, ...)`: what a kernel of its own answers to each step; see callers/kernel_cells.py."""

    def answered(*steps: dict[str, str], **environ: str) -> list[Any]:
        done = subprocess.run(
            [str(python_of("notebook")), str(HERE / "callers" / "kernel_cells.py")],
            input=json.dumps(steps),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "IPYTHONDIR": str(tmp_path / "ipython"),
                "MPLBACKEND": "module://matplotlib_inline.backend_inline",
                "PYTHONPATH": str(ROOT / "sdk"),
                "NO_PROXY": "*",
                **environ,
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=250,
        )
        lines = [
            json.loads(line)["outcome"] for line in done.stdout.splitlines() if line.startswith('{"call"')
        ]
        assert len(lines) == len(steps), done.stderr[-3000:]
        return lines

    return answered


@pytest.fixture
def connected() -> Iterator[tuple[testing.ScriptedGate, dict[str, str]]]:
    """A gate, and the cell that connects to it."""

    def get_statistics(uid: str, level: int = 0) -> dict:
        """The statistics of an image."""
        return {"uid": uid, "level": level}

    array = np.arange(64**3, dtype=np.uint8).reshape(64, 64, 64)
    gate = testing.gate(
        files={"get_statistics": get_statistics, "get_tile": lambda level, row: row, "list": list},
        dvid={"volume": testing.volume(array)},
    )
    with gate:
        yield gate, {"run": f"import labgate\nlab = labgate.connect({gate.url!r}, token='t')"}


@pytest.mark.parametrize("jedi", [True, False], ids=["jedi", "plain"])
def test_names_and_keywords_are_completed(cells: Cells, connected, jedi: bool) -> None:
    _, connect = connected
    _, _, spaces, methods, keywords, quoted, modules = cells(
        connect,
        {"run": f"%config IPCompleter.use_jedi = {jedi}"},
        {"complete": "lab."},
        {"complete": "lab.files.get"},
        {"complete": "lab.files.get_statistics('J1', lev"},
        {"complete": "lab['files.get_s"},
        {"complete": "labgate.conn"},
    )
    last = [name.rpartition(".")[2] for name in spaces]
    assert {"dvid", "files"} <= {*last}
    assert not [name for name in last if name not in ("dvid", "files")]
    assert [name.rpartition(".")[2] for name in methods] == ["get_statistics", "get_tile"]
    assert "level=" in keywords
    assert any("files.get_statistics" in name for name in quoted)
    assert any("connect" in name for name in modules)


def test_a_method_is_explained_by_shift_tab(cells: Cells, connected) -> None:
    _, connect = connected
    _, method, space, client = cells(
        connect,
        {"inspect": "lab.files.get_statistics"},
        {"inspect": "lab.files"},
        {"inspect": "lab"},
    )
    text = ANSI.sub("", method)
    assert re.search(r"Signature:\s*lab\.files\.get_statistics\(uid: str, level: int = 0\)", text)
    assert "The statistics of an image." in text
    assert "namespace files: 3 methods" in ANSI.sub("", space)
    assert "labgate client of" in ANSI.sub("", client)


def test_what_is_shown_is_shown_as_html_and_as_text(cells: Cells, connected) -> None:
    gate, connect = connected
    _, client, space, method, volume, array, who = cells(
        connect,
        {"run": "lab"},
        {"run": "lab.files"},
        {"run": "lab.files.get_statistics"},
        {"run": "lab.dvid.volume('main', 'grayscale')"},
        {"run": "lab.dvid.volume('main', 'grayscale')[0, 0, :3]"},
        {"run": "labgate.whoami(lab)"},
    )
    for shown, words in (
        (client, [gate.url, "files", "as"]),
        (space, ["get_statistics", "The statistics of an image."]),
        (method, ["files.get_statistics", "level", "integer"]),
        (volume, ["64 × 64 × 64", "data:image/png;base64,"]),
        (who, ["scripted"]),
    ):
        assert shown["error"] is None
        [data] = shown["data"]
        assert data["text/plain"]
        assert not [word for word in words if word not in data["text/html"]]
    assert array["data"] == [{"text/plain": "array([0, 1, 2], dtype=uint8)"}]


def test_an_async_client_is_awaited_at_the_top_of_a_cell(cells: Cells, connected) -> None:
    gate, _ = connected
    _, found, completed, shown, _ = cells(
        {"run": f"import labgate\nalab = await labgate.aconnect({gate.url!r}, token='t')"},
        {"run": "await alab.files.get_statistics('J1', level=2)"},
        {"complete": "alab.files.get_st"},
        {"run": "alab.files"},
        {"run": "await labgate.aclose(alab)"},
    )
    assert found["data"] == [{"text/plain": "{'uid': 'J1', 'level': 2}"}]
    assert [name.rpartition(".")[2] for name in completed] == ["get_statistics"]
    assert "get_statistics" in shown["data"][0]["text/html"]


def test_an_error_is_short_and_says_what_to_do(cells: Cells, connected) -> None:
    _, connect = connected
    _, slip, wrong = cells(
        connect, {"run": "lab.files.get_statistic('J1')"}, {"run": "lab.files.get_statistics(id='J1')"}
    )
    assert "did you mean get_statistics" in slip["error"]
    assert wrong["error"].startswith("TypeError: ")


def test_progress_and_interrupts_of_a_volume_leave_the_cell_as_it_was(cells: Cells, connected) -> None:
    _, connect = connected
    _, read, after = cells(
        connect,
        {"run": "a = lab.dvid.volume('main', 'g').read(workers=4, progress=True); a.shape"},
        {"run": "lab.files.list()"},
    )
    assert read["data"][-1]["text/plain"] == "(64, 64, 64)"
    assert (after["data"], after["error"]) == ([{"text/plain": "[]"}], None)


def test_the_tutorial_goes_from_an_installed_package_to_a_plotted_slice(
    cells: Cells, python_of: Callable[[str], Path], tmp_path: Path
) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python_of("notebook")), "--disable-pip-version-check"]
    target = tmp_path / "installed"
    installed = subprocess.run(
        [*pip, "install", "--quiet", "--no-deps", "--target", str(target), str(ROOT / "sdk")],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert installed.returncode == 0, installed.stderr
    codes = BLOCK.findall(TUTORIAL.read_text())
    command = [sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--operator-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as demo:
        said = {}
        assert demo.stdout is not None
        for line in demo.stdout:
            words = line.split()
            if len(words) > 1 and words[0] in ("address", "token"):
                said[words[0]] = words[1]
            if "ends it" in line:
                break
        shown = cells(
            *({"run": code.replace("http://127.0.0.1:8700", said["address"])} for code in codes),
            LABGATE_URL=said["address"],
            LABGATE_TOKEN=said["token"],
            PYTHONPATH=str(target),
        )
        demo.send_signal(signal.SIGTERM)
        demo.stdout.read()
    assert [one["error"] for one in shown] == [None] * len(codes)
    plotted = [data for one in shown for data in one["data"] if "image/png" in data]
    assert plotted
    assert any("data:image/png" in data.get("text/html", "") for one in shown for data in one["data"])


def test_the_tutorials_notebook_is_its_page() -> None:
    written = TUTORIAL.with_suffix(".ipynb").read_text()
    assert written == notebook_of(TUTORIAL.read_text()), (
        "write it anew: python tests/interop/test_notebook.py"
    )


def notebook_of(page: str) -> str:
    """A page as a notebook (nbformat 4.5): its Python as cells of code, all else as text between them."""
    found: list[dict[str, Any]] = []
    at = 0

    def add(kind: str, text: str, **members: Any) -> None:
        if text.strip("\n"):
            source = text.strip("\n").splitlines(keepends=True)
            found.append(
                {"cell_type": kind, "id": f"cell-{len(found)}", "metadata": {}, **members, "source": source}
            )

    for block in BLOCK.finditer(page):
        add("markdown", page[at : block.start()])
        add("code", block[1], execution_count=None, outputs=[])
        at = block.end()
    add("markdown", page[at:])
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    whole = {"cells": found, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    TUTORIAL.with_suffix(".ipynb").write_text(notebook_of(TUTORIAL.read_text()))
