"""Does a frozen module call what the client would call, and is it plain Python whatever a service is called?"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labgate
import labgate.frozen
from labgate._catalog import catalog_of
from labgate._frozentext import FrozenText
from labgate._tree import Space, grow
from labgate.errors import SetupError
from tests.lab.demo import demo
from tests.sdk.conftest import Gate
from tests.sdk.test_sdk_stubs import hostile, methods, schemas


def loaded(path: Path) -> ModuleType:
    """The module of a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def frozen(gate: Gate, folder: Path, **options: Any) -> Any:
    """The module of a gate, with a client of this test."""
    path = folder / "lab_client.py"
    lab = labgate.connect(gate.url)
    labgate.refresh(lab)
    labgate.freeze(lab, path, **options)
    return loaded(path)


def test_functions_send_what_the_client_sends(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = [{"name": name} for name in ("import", "odd-name", "__hidden", "_typing", "self", "more")]
    gate.add("jobs.odd", lambda params: params, params=odd)
    gate.add("jobs.deep.er", lambda params: params, params=[{"name": "x", "required": True}])
    gate.add(
        "jobs.listed",
        lambda params: params,
        params=[{"name": "a", "schema": {"default": 1}}, {"name": "b"}],
        paramStructure="by-position",
    )
    gate.add("top", lambda _: "top")
    lab = frozen(gate, tmp_path)
    monkeypatch.setenv("LABGATE_URL", gate.url)
    assert lab.jobs.get_job("P1", "J1", lane=None) == {
        "params": {"project_uid": "P1", "job_uid": "J1", "lane": None}
    }
    given = {"import_": 1, "odd-name": 2, "__hidden": 3, "_typing": 4, "self": 5, "more": 6}
    sent = {"import": 1, "odd-name": 2, "__hidden": 3, "_typing": 4, "self": 5, "more": 6}
    assert lab.jobs.odd(**given) == sent
    assert lab.jobs.deep.er(7) == {"x": 7}
    assert lab.jobs.listed(b=2) == [1, 2]
    assert lab.jobs.anything(1, 2) == [1, 2]
    assert lab.jobs.anything(a=1) == {"a": 1}
    assert lab.jobs.list_lanes() == ["a", "b"]
    assert lab.top() == "top"
    with pytest.raises(TypeError, match="project_uid"):
        lab.jobs.get_job()
    with pytest.raises(TypeError, match="'wrong'"):
        lab.jobs.odd(wrong=1)
    assert "Its project." in lab.jobs.get_job.__doc__
    assert repr(lab.__labgate__) == f"<{len(gate.methods)} frozen methods of {gate.url}>"


def test_handles_are_handles(gate: Gate, tmp_path: Path) -> None:
    notes = {"result": "tables", "query": "jobs.query", "of": "table"}
    gate.add("jobs.tables", ["nuclei"], params=[{"name": "version"}], **{"x-labgate": notes})
    gate.add("jobs.query", lambda params: params, params=[{"name": "table"}, {"name": "limit"}])
    lab = frozen(gate, tmp_path)
    assert lab.jobs.tables().nuclei.query(limit=3) == {"table": "nuclei", "limit": 3}
    assert lab.jobs.tables(version=5).table_names == ["nuclei"]
    assert gate.calls()[-1]["params"] == {"version": 5}


def test_a_module_needs_nothing_of_the_gates_list_as_it_is_now(gate: Gate, tmp_path: Path) -> None:
    lab = frozen(gate, tmp_path)
    gate.add("jobs.get_job", lambda params: params, params=[{"name": "changed", "required": True}])
    del gate.methods["jobs.list_lanes"]
    assert lab.jobs.get_job("P1", "J1") == {"project_uid": "P1", "job_uid": "J1"}
    assert lab.jobs.list_lanes() == ["a", "b"]


def test_a_module_works_with_a_list_that_was_kept_and_no_other(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "older"))
    kept = gate.methods.pop("jobs.get_job")
    labgate.connect(gate.url)
    gate.methods["jobs.get_job"] = kept
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "newer"))
    lab = frozen(gate, tmp_path)
    gate.document = b"no list of methods"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "older"))
    labgate.frozen.use(lab, None)
    assert lab.jobs.get_job("P1", "J1")["params"] == {"project_uid": "P1", "job_uid": "J1"}


def test_another_client_can_make_the_calls(gate: Gate, tmp_path: Path) -> None:
    lab = frozen(gate, tmp_path)
    labgate.frozen.use(lab, labgate.connect(gate.url, headers={"X-Mine": "1"}))
    lab.jobs.list_lanes()
    assert gate.requests[-1][2]["x-mine"] == "1"
    with pytest.raises(TypeError, match="labgate freeze"):
        labgate.frozen.use(json, None)


def test_only_the_wanted_methods_are_written(gate: Gate, tmp_path: Path) -> None:
    gate.add("other.thing", 1)
    lab = frozen(gate, tmp_path, methods=["jobs.get_*"])
    assert hasattr(lab.jobs, "get_job")
    assert not hasattr(lab.jobs, "list_lanes")
    assert not hasattr(lab, "other")
    with pytest.raises(SetupError, match="jbos"):
        frozen(gate, tmp_path, methods="jbos.*")


def test_a_check_tells_whether_the_module_would_be_another_one(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "lab_client.py"

    def run(*arguments: str) -> tuple[int, bool]:
        command = [
            sys.executable,
            "-m",
            "labgate.cli",
            "freeze",
            "-o",
            str(path),
            "--url",
            gate.url,
            *arguments,
        ]
        ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
        return ended.returncode, json.loads(ended.stdout)["changed"]

    assert run("--check") == (1, True)
    assert not path.exists()
    assert run() == (0, True)
    gate.about = {**gate.about, "another": "version of the list"}
    assert run("--check") == (0, False)
    gate.add("jobs.new", 1)
    assert run("--check") == (1, True)
    path.write_text("mine = 1\n")
    with pytest.raises(SetupError, match="not made by"):
        labgate.freeze(labgate.connect(gate.url), path)
    assert path.read_text() == "mine = 1\n"


@pytest.mark.parametrize("awaited", [False, True])
@settings(max_examples=100)
@given(st.lists(methods, max_size=5), st.dictionaries(hostile, schemas, max_size=3), hostile)
def test_nothing_that_a_service_says_gets_out_of_its_place(
    awaited: bool, described: list[dict[str, Any]], shared: dict[str, Any], summary: str
) -> None:
    first = str(described[0]["name"]).partition(".")[0] if described else "s"
    document = {
        "methods": described,
        "x-labgate": {"namespaces": {first: {"summary": summary}}},
        "components": {"schemas": shared},
    }
    catalog = catalog_of(json.loads(json.dumps(document)), summary)
    root = grow(None, catalog)  # type: ignore[arg-type]
    text = FrozenText(root, catalog, lambda _: True, awaited=awaited).text(f"http://{summary}", summary)
    tree = ast.parse(text)
    assert sorted(_defined(tree.body)) == sorted(_expected(root))
    allowed = {"__labgate__.call", "__labgate__.call_open", "_Frozen", "_typing.TypeVar"}
    assert {ast.unparse(one.func) for one in ast.walk(tree) if isinstance(one, ast.Call)} <= allowed
    space: dict[str, Any] = {"__name__": "lab_client"}
    exec(compile(text, "lab_client.py", "exec"), space)
    assert space["__labgate__"].gate == f"http://{summary}"


def _defined(body: list[ast.stmt], path: str = "") -> list[str]:
    found = []
    for one in body:
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
            found.append(f"{path}{one.name}")
        elif isinstance(one, ast.ClassDef) and one.name != "_Array":
            found += _defined(one.body, f"{path}{one.name}.")
    return found


def _expected(space: Space, path: str = "") -> list[str]:
    found = [f"{path}{name}" for name in space.leaves()]
    for name, child in space.children.items():
        if name not in space.leaves():
            found += _expected(child, f"{path}{name}.")
    return found


@pytest.mark.timeout(300)
def test_the_demos_module_is_clean_to_linter_and_type_checker_and_its_calls_work(tmp_path: Path) -> None:
    with demo(tmp_path) as environ:
        command = [sys.executable, "-m", "labgate.cli", "freeze"]
        subprocess.run(command, check=True, cwd=tmp_path, env=environ, timeout=120, stdout=subprocess.DEVNULL)
        program = (
            "import lab_client as lab\n"
            "assert lab.files.get_image('I1')['uid'] == 'I1'\n"
            "assert lab.dvid.volume('prod', 'grayscale')[0:2, 0:3, 0:4].shape == (2, 3, 4)\n"
            "assert lab.data.source('frames').shape\n"
            "job = lab.jobs.make_job('count_particles', 'P1')\n"
            "assert lab.jobs.get_job('P1', job_uid=job)['uid'] == job\n"
        )
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            check=False, cwd=tmp_path, env=environ, timeout=120, capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
    for tool in (
        ["ruff", "check", "--isolated", "--no-cache"],
        ["mypy", "--strict", "--follow-imports", "silent", "--cache-dir", str(tmp_path / "mypy")],
    ):
        ended = subprocess.run(
            [sys.executable, "-m", *tool, "lab_client.py"],
            check=False, cwd=tmp_path, env=environ, timeout=240, capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("write", [labgate.freeze, labgate.lock])
def test_what_is_no_file_is_never_replaced_by_one(gate: Gate, tmp_path: Path, write: Any) -> None:
    lab = labgate.connect(gate.url)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises((OSError, SetupError), match="a device or a pipe"):
        write(lab, pipe)
    assert pipe.is_fifo()
    with pytest.raises(FileNotFoundError, match=r"its folder is not there: make it first: .*/no/made.py'"):
        write(lab, tmp_path / "no" / "made.py")
    assert not [one for one in tmp_path.iterdir() if one.suffix == ".tmp"]


def test_a_full_disk_is_named_by_the_file_that_it_had_no_room_for(gate: Gate, tmp_path: Path) -> None:
    program = """
import resource, signal, sys, labgate
lab = labgate.connect(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
sys.dont_write_bytecode = True  # Python cuts what it compiles to that size, too (before 3.13), and would fail on it for ever.
resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))
for write, name in ((labgate.freeze, "made.py"), (labgate.lock, "made.lock"), (labgate.stubs, "typings")):
    try:
        write(lab, f"{sys.argv[2]}/{name}")
    except OSError as error:
        print(error.filename)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, gate.url, str(tmp_path)], check=True, capture_output=True, text=True
    )
    made = ["made.py", "made.lock", "typings/labgate/__init__.pyi"]
    assert ended.stdout.split() == [str(tmp_path / name) for name in made]
    assert not [one for one in tmp_path.rglob("*") if one.suffix == ".tmp"]
