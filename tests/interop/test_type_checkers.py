"""Do Pyright and mypy, with the demo's stubs, let right programs pass and report each wrong line?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest

from tests.lab.demo import demo

# The first test may have to build the environment.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
SDK = HERE.parents[1] / "sdk"
PROGRAMS = ("typed.py", "typed_async.py")


def wrong_lines(program: str) -> set[int]:
    """The numbers of the lines that a checker has to report."""
    lines = (HERE / "callers" / program).read_text().splitlines()
    return {at for at, line in enumerate(lines, 1) if line.endswith("# wrong")}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program, and the demo's stubs where checkers look for them."""
    folder = tmp_path_factory.mktemp("typed")
    with demo(folder) as environ:
        command = [sys.executable, "-m", "labgate.cli", "stubs", "-o", "typings", "--with", "minnie_demo"]
        subprocess.run(command, check=True, cwd=folder, env=environ, timeout=120, stdout=subprocess.DEVNULL)
    for program in PROGRAMS:
        (folder / program).write_text((HERE / "callers" / program).read_text())
    return folder


@pytest.fixture(scope="module")
def python(python_of: Callable[[str], Path], project: Path) -> Path:
    """An interpreter that has numpy and the SDK, as `pip install` leaves it."""
    checkers = python_of("checkers")
    made = project / "venv"
    subprocess.run([checkers, "-m", "venv", "--without-pip", made], check=True, timeout=120)
    site = next(made.glob("lib/python*/site-packages"))
    beside = next(checkers.parents[1].glob("lib/python*/site-packages"))
    (site / "installed.pth").write_text(f"{SDK}\n{beside}\n")
    return made / "bin" / "python"


def checked(python_of: Callable[[str], Path], project: Path, *command: str) -> str:
    """What a checker prints; how it ends is what it found."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(project), "MYPYPATH": "typings"}
    tool, *words = command
    whole = [str(python_of("checkers").parent / tool), *words]
    done = subprocess.run(
        whole, check=False, cwd=project, env=environ, capture_output=True, text=True, timeout=240
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("program", PROGRAMS)
def test_pyright_reports_every_wrong_line_and_no_other(
    python_of: Callable[[str], Path], project: Path, python: Path, program: str
) -> None:
    said = json.loads(
        checked(python_of, project, "pyright", "--outputjson", "--pythonpath", str(python), program)
    )
    found = {
        one["range"]["start"]["line"] + 1: one["message"]
        for one in said["generalDiagnostics"]
        if one["severity"] in ("error", "warning")
    }
    assert {at: found.get(at) for at in wrong_lines(program) ^ found.keys()} == {}


@pytest.mark.parametrize("program", PROGRAMS)
def test_mypy_reports_every_wrong_line_and_no_other(
    python_of: Callable[[str], Path], project: Path, python: Path, program: str
) -> None:
    said = checked(
        python_of,
        project,
        "mypy",
        "--strict",
        "--python-executable",
        str(python),
        "--cache-dir",
        "cache",
        program,
    )
    found = {}
    for line in said.splitlines():
        file, _, rest = line.partition(":")
        if " error: " in line:
            assert file == program, line
            found[int(rest.partition(":")[0])] = line
    assert {at: found.get(at) for at in wrong_lines(program) ^ found.keys()} == {}


def test_an_editor_completes_namespaces_methods_and_arguments_and_shows_their_documentation(
    python_of: Callable[[str], Path], project: Path, python: Path
) -> None:
    text = "import labgate\nlab = labgate.connect()\nlab.\nlab.files.\nlab.files.list_images(\nlab.files.get_image\n"
    (project / "edited.py").write_text(text)
    (project / "pyrightconfig.json").write_text(json.dumps({"venvPath": ".", "venv": python.parents[1].name}))
    with Editor(python_of("checkers").parent / "pyright-langserver", project) as editor:
        editor.opened("edited.py", text)
        spaces = {one["label"]: one for one in editor.asked("completion", 2, 4)["items"]}
        methods = {one["label"] for one in editor.asked("completion", 3, 10)["items"]}
        arguments = {one["label"] for one in editor.asked("completion", 4, 22)["items"]}
        (signature,) = editor.asked("signatureHelp", 4, 22)["signatures"]
        shown = json.dumps(editor.asked("hover", 5, 12))
    assert {"jobs", "files", "dvid", "data"} <= spaces.keys()
    assert not {name for name in spaces if not name.startswith("_")} & {"refresh", "batch", "methods"}
    assert {"list_images", "get_image"} <= methods
    assert {"source=", "limit=", "offset="} <= arguments
    assert "Only those from there" in json.dumps(signature["documentation"])
    assert "-> FilesImage" in shown
    assert "On the wire: files.get_image" in shown


class Editor:
    """The half of the language server protocol that an editor speaks, as far as completion needs it."""

    def __init__(self, server: Path, folder: Path) -> None:
        self._folder = folder
        self._last = 0
        environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
        self._process = subprocess.Popen(
            [str(server), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, env=environ
        )

    def __enter__(self) -> Self:
        folder = {"uri": self._folder.as_uri(), "name": "project"}
        markdown = {"contentFormat": ["plaintext"], "documentationFormat": ["plaintext"]}
        able = {"hover": markdown, "signatureHelp": {"signatureInformation": markdown}}
        self._request("initialize", processId=None, rootUri=folder["uri"], workspaceFolders=[folder],
                      capabilities={"textDocument": able})  # fmt: skip
        self._send({"method": "initialized", "params": {}})
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def opened(self, name: str, text: str) -> None:
        """Tell that a file is being edited."""
        about = {"uri": (self._folder / name).as_uri(), "languageId": "python", "version": 1, "text": text}
        self._file = {"uri": about["uri"]}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": about}})

    def asked(self, what: str, line: int, column: int) -> Any:
        """What the server answers about a place in the file."""
        place = {"line": line, "character": column}
        return self._request(f"textDocument/{what}", textDocument=self._file, position=place)

    def _request(self, method: str, **params: Any) -> Any:
        self._last += 1
        self._send({"id": self._last, "method": method, "params": params})
        while True:
            said = self._received()
            if said.get("id") == self._last and "method" not in said:
                return said["result"]
            if "method" in said and "id" in said:  # the server's own questions, of which none matters here
                self._send({"id": said["id"], "result": None})

    def _send(self, message: dict[str, Any]) -> None:
        text = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(text), text))
        self._process.stdin.flush()

    def _received(self) -> dict[str, Any]:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        found: dict[str, Any] = json.loads(stream.read(length))
        return found


def test_the_stubs_themselves_are_without_fault(
    python_of: Callable[[str], Path], project: Path, python: Path
) -> None:
    strict = ("mypy", "--strict", "--python-executable", str(python), "--cache-dir", "cache")
    said = checked(python_of, project, *strict, "typings/labgate/__init__.pyi", "typings/labgate/_client.pyi")
    assert "Success" in said, said
    said = checked(python_of, project, "pyright", "--pythonpath", str(python), "typings")
    assert said.strip().startswith("0 errors"), said
