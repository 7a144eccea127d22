"""Does TAB complete commands, methods and parameters, in real shells too, without asking the gate?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labgate
from labgate._catalog import catalog_of
from labgate._completion import candidates
from labgate.cli import command_parser
from tests.sdk.conftest import Gate

DOCUMENT = {
    "methods": [
        {"name": "jobs.get_job", "params": [{"name": "uid"}, {"name": "odd-name"}, {"name": "$(bad)"}]},
        {
            "name": "jobs.find",
            "params": [
                {"name": "state", "schema": {"enum": ["done", "failed", 3, "a b"]}},
                {"name": "all", "schema": {"type": "boolean"}},
            ],
        },
        {"name": "files.`bad`", "params": []},
    ],
    "x-labgate": {
        "namespaces": {"files": {"mount": "/files"}, "; bad": {}},
        "datastacks": ["minnie65", "fly"],
    },
}
CATALOG = catalog_of(DOCUMENT, "v")


def completed(line: str) -> list[str]:
    return candidates(line, command_parser(), lambda *_: CATALOG, lambda: ["lab", "home"])


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("labgate cal", ["call"]),
        ("labgate --v", ["--version"]),
        ("labgate nothing ", []),
        ("labgate call ", ["jobs.find", "jobs.get_job"]),
        ("labgate call jobs.g", ["jobs.get_job"]),
        ("labgate call --url http://x jobs.g", ["jobs.get_job"]),
        ("labgate call --json jobs.g", ["jobs.get_job"]),
        ("labgate describe f", []),
        ("labgate describe jobs.get_job ", []),
        ("labgate call jobs.get_job ", ["odd-name=", "uid="]),
        ("labgate call jobs.get_job uid=1 ", ["odd-name="]),
        ("labgate call jobs.get_job uid:=1 --timeout 3 ", ["odd-name="]),
        ("labgate call jobs.find state=", ["state=done", "state=failed"]),
        ("labgate call jobs.find all=t", ["all=true"]),
        ("labgate call jobs.find other=", []),
        ("labgate call jobs.none ", []),
        ("labgate request ", ["files", "jobs"]),
        ("labgate call --datastack ", ["fly", "minnie65"]),
        ("labgate stubs --with f", ["fly"]),
        ("labgate call --profile ", ["home", "lab"]),
        ("labgate completion b", ["bash"]),
        ("labgate completion bash ", []),
        ("labgate lock --ch", ["--check"]),
        ("labgate lock -o ", []),
        ("labgate call 'open", []),
        ("", ["call"]),
    ],
)
def test_a_line_goes_on_with_what_fits(line: str, found: list[str]) -> None:
    assert [one for one in completed(line) if line or one == "call"] == found


def test_of_very_many_methods_the_next_part_of_the_name_is_offered() -> None:
    methods = [{"name": f"a{at % 2}.b{at % 3}.m{at}", "params": []} for at in range(300)]
    catalog = catalog_of({"methods": methods}, "v")

    def found(line: str) -> list[str]:
        return candidates(line, command_parser(), lambda *_: catalog, list)

    assert found("labgate call ") == ["a0.", "a1."]
    assert found("labgate call a1.") == ["a1.b0.", "a1.b1.", "a1.b2."]
    assert len(found("labgate call a1.b2.m1")) > 5


@given(st.text(), st.lists(st.text(min_size=1), max_size=4))
def test_whatever_is_typed_and_advertised_only_plain_words_are_offered(line: str, names: list[str]) -> None:
    methods = [{"name": name, "params": [{"name": name}]} for name in names]
    catalog = catalog_of({"methods": methods}, "v")
    for start in ("", "labgate ", "labgate call ", *(f"labgate call {name} " for name in names)):
        for word in candidates(start + line, command_parser(), lambda *_: catalog, list):
            assert word.isascii()
            assert not set(word) & set(" \t\n'\"`$\\;&|<>(){}[]*?!#~")


@pytest.fixture
def kept(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a user whose gate is away, but whose catalog was kept."""
    monkeypatch.setenv("LABGATE_URL", gate.url)
    gate.add("jobs.find", None, params=DOCUMENT["methods"][1]["params"])  # type: ignore[index]
    labgate.connect()
    gate.token = "no longer"
    folder = tmp_path / "bin"
    folder.mkdir()
    command = folder / "labgate"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m labgate.cli "$@"\n')
    command.chmod(0o755)
    asked = len(gate.requests)
    environ = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "ASKED": str(asked)}
    script = {shell: folder / f"labgate.{shell}" for shell in ("bash", "zsh", "fish")}
    for shell, path in script.items():
        path.write_text(
            subprocess.run([command, "completion", shell], check=True, capture_output=True, text=True).stdout
        )
    return environ | {f"SCRIPT_{shell}": str(path) for shell, path in script.items()}


SHELLS = {
    # Bash sets these itself when TAB is pressed.
    "bash": (
        "bash",
        "-c",
        (
            'compopt() { :; }; . "$SCRIPT_bash"; COMP_LINE=$1; COMP_POINT=${#1}; COMP_WORDS=($1); COMP_CWORD=0; '
            '_labgate; printf "%s\\n" "${COMPREPLY[@]}"'
        ),
        "bash",
    ),
    # What zsh's line editor would be told: the function's own calls of `compadd`.
    "zsh": (
        "zsh",
        "-f",
        "-c",
        (
            "compdef() { :; }; _files() { :; }; "
            'compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -l -- "$@"; }; '
            'BUFFER=$1; CURSOR=${#1}; . "$SCRIPT_zsh"; _labgate'
        ),
        "zsh",
    ),
    "fish": ("fish", "--no-config", "-c", 'source $SCRIPT_fish; complete -C"$argv[1]"'),
}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("labgate cal", ["call"]),
        ("labgate call jobs.g", ["jobs.get_job"]),
        ("labgate call jobs.get_job pro", ["project_uid="]),
        ("labgate call jobs.find state=", ["state=done", "state=failed"]),
    ],
)
def test_a_shell_completes_without_asking_the_gate(
    gate: Gate, kept: dict[str, str], shell: str, line: str, found: list[str]
) -> None:
    ended = subprocess.run(
        [*SHELLS[shell], line], check=False, env=kept, capture_output=True, text=True, timeout=60
    )
    if shell == "bash":  # to which `=` is a word of its own
        found = [word.partition("=")[2] or word for word in found]
    assert (ended.stdout.split(), ended.stderr) == (found, "")
    assert len(gate.requests) == int(kept["ASKED"])


def test_without_a_kept_catalog_commands_are_still_completed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from labgate.cli import main

    assert main(["completion", "words", "labgate call jobs.g"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["completion", "words", "labgate des"]) == 0
    assert capsys.readouterr().out == "describe\n"
