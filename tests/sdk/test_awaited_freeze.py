"""Does a frozen module of coroutine functions call what an async client would call?"""

from __future__ import annotations

import ast
import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import labgate
import labgate.frozen
from labgate.cli import main
from labgate.errors import SetupError
from tests.lab.demo import demo
from tests.sdk.conftest import Gate
from tests.sdk.test_sdk_freeze import frozen, loaded


async def made(gate: Gate, folder: Path, **options: Any) -> Any:
    """The module of a gate, made by an async client."""
    path = folder / "lab_client.py"
    async with labgate.aconnect(gate.url) as lab:
        await labgate.refresh(lab)
        labgate.freeze(lab, path, **options)
    return loaded(path)


async def test_coroutine_functions_send_what_the_client_sends(gate: Gate, tmp_path: Path) -> None:
    gate.add("jobs.odd", lambda params: params, params=[{"name": name} for name in ("import", "odd-name")])
    gate.add("jobs.deep.er", lambda params: params, params=[{"name": "x", "required": True}])
    gate.add("top", lambda _: "top")
    module = await made(gate, tmp_path)
    async with labgate.frozen.aconnect(module) as lab:
        assert isinstance(lab, labgate.AsyncClient)
        sent = await module.jobs.get_job("P1", "J1", lane=None)
        assert sent == {"params": {"project_uid": "P1", "job_uid": "J1", "lane": None}}
        assert await module.jobs.odd(**{"import_": 1, "odd-name": 2}) == {"import": 1, "odd-name": 2}
        assert await module.jobs.deep.er(7) == {"x": 7}
        assert await module.jobs.anything(1, 2) == [1, 2]
        found = await labgate.gather(module.jobs.list_lanes(), module.top())
        assert found == [["a", "b"], "top"]
        with pytest.raises(TypeError, match="project_uid"):
            await module.jobs.get_job()


async def test_handles_are_those_of_async_clients(gate: Gate, tmp_path: Path) -> None:
    notes = {"result": "tables", "query": "jobs.query", "of": "table"}
    gate.add("jobs.tables", ["nuclei"], params=[{"name": "version"}], **{"x-labgate": notes})
    gate.add("jobs.query", lambda params: params, params=[{"name": "table"}, {"name": "limit"}])
    module = await made(gate, tmp_path)
    async with labgate.frozen.aconnect(module):
        tables = await module.jobs.tables(version=5)
        assert isinstance(tables, labgate.AsyncTables)
        assert tables.table_names == ["nuclei"]
        assert await tables.nuclei.query(limit=3) == {"table": "nuclei", "limit": 3}


async def test_a_module_needs_nothing_of_the_gates_list_as_it_is_now(gate: Gate, tmp_path: Path) -> None:
    module = await made(gate, tmp_path)
    gate.add("jobs.get_job", lambda params: params, params=[{"name": "changed", "required": True}])
    async with labgate.frozen.aconnect(module):
        assert await module.jobs.get_job("P1", "J1") == {"project_uid": "P1", "job_uid": "J1"}


async def test_outside_of_a_block_nobody_makes_the_calls_and_the_error_says_what_does(
    gate: Gate, tmp_path: Path
) -> None:
    module = await made(gate, tmp_path)
    with pytest.raises(SetupError, match="no client of this event loop") as error:
        await module.jobs.list_lanes()
    assert "labgate.frozen.aconnect" in error.value.hint
    async with labgate.frozen.aconnect(module):
        with pytest.raises(SetupError, match="no client of this event loop"):
            await asyncio.to_thread(asyncio.run, module.jobs.list_lanes())
    with pytest.raises(SetupError):
        await module.jobs.list_lanes()


async def test_blocks_may_overlap_and_each_ends_its_own_client_only(gate: Gate, tmp_path: Path) -> None:
    module = await made(gate, tmp_path)
    one, other = (labgate.frozen.aconnect(module, headers={"X-Mine": mine}) for mine in "12")
    await one.__aenter__()
    await other.__aenter__()
    await one.__aexit__(None, None, None)
    assert await module.jobs.list_lanes() == ["a", "b"]
    assert gate.requests[-1][2]["x-mine"] == "2"
    await other.__aexit__(None, None, None)
    with pytest.raises(SetupError):
        await module.jobs.list_lanes()


async def test_another_client_can_make_the_calls_if_it_is_of_the_modules_kind(
    gate: Gate, tmp_path: Path
) -> None:
    module = await made(gate, tmp_path)
    async with labgate.aconnect(gate.url, headers={"X-Mine": "1"}) as lab:
        labgate.frozen.use(module, lab)
        await module.jobs.list_lanes()
        assert gate.requests[-1][2]["x-mine"] == "1"
        labgate.frozen.use(module, None)
        (tmp_path / "other").mkdir()
        plain = frozen(gate, tmp_path / "other")
        with pytest.raises(TypeError, match=r"plain functions.*labgate\.connect"):
            labgate.frozen.use(plain, lab)
        with pytest.raises(TypeError, match=r"coroutine functions.*labgate\.aconnect"):
            labgate.frozen.use(module, labgate.connect(gate.url))
        with pytest.raises(TypeError, match="labgate freeze --async"):
            labgate.frozen.aconnect(plain)
        with pytest.raises(TypeError, match="labgate freeze"):
            labgate.frozen.aconnect(ast)


def test_the_kind_of_functions_is_the_clients_unless_it_is_said(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABGATE_URL", gate.url)
    path = tmp_path / "lab_client.py"
    kinds = []
    for arguments in (["--async"], []):
        assert main(["freeze", "-o", str(path), *arguments]) == 0
        tree = ast.walk(ast.parse(path.read_text()))
        kinds.append({type(one) for one in tree if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))})
    assert kinds == [{ast.AsyncFunctionDef}, {ast.FunctionDef}]


@pytest.mark.timeout(300)
def test_the_demos_module_is_clean_to_linter_and_type_checker_and_its_calls_work(tmp_path: Path) -> None:
    program = (
        "import asyncio\n"
        "\n"
        "import labgate.frozen\n"
        "import lab_client as lab\n"
        "\n"
        "\n"
        "async def main() -> None:\n"
        "    async with labgate.frozen.aconnect(lab):\n"
        "        assert (await lab.files.get_image('I1'))['uid'] == 'I1'\n"
        "        volume = await lab.dvid.volume('prod', 'grayscale')\n"
        "        assert (await volume[0:2, 0:3, 0:4]).shape == (2, 3, 4)\n"
        "        assert (await lab.data.source('frames')).shape\n"
        "\n"
        "\n"
        "asyncio.run(main())\n"
    )
    (tmp_path / "program.py").write_text(program)

    def run(*command: str) -> None:
        ended = subprocess.run(
            [sys.executable, *command],
            check=False, cwd=tmp_path, env=environ, timeout=240, capture_output=True, text=True,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout + ended.stderr

    with demo(tmp_path) as environ:
        run("-m", "labgate.cli", "freeze", "--async")
        run("-W", "error", "program.py")
    run("-m", "ruff", "check", "--isolated", "--no-cache", "lab_client.py")
    strict = ["--strict", "--follow-imports", "silent", "--cache-dir", str(tmp_path / "mypy")]
    run("-m", "mypy", *strict, "lab_client.py", "program.py")
