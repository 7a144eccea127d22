"""Laws of `labgated check`: every problem on a line of its own, a summary at the end, never a secret."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands.options import add_config, settings_of

ROOT = Path(__file__).parents[1]
FINE = """
services:
  jobs: {url: "http://ada:${env:PASSWORD}@127.0.0.1:39002/v2", headers: {License-ID: "${env:LICENCE}"}}
datastacks: {minnie65: {services: {roots: {url: http://127.0.0.1:1}}}}
policies: [{to: [authenticated], allow: ["*"]}]
identity: {issuers: [{issuer: "https://login.lab.org/", audience: labgate, jwks: "https://login.lab.org/k"}]}
"""
SECRETS = {"PASSWORD": "hunter2", "LICENCE": "lic-0000"}


def labgated(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    inherited = {
        name: os.environ[name] for name in ("PATH", "HOME", "COVERAGE_PROCESS_START") if name in os.environ
    }
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labgate.yaml").write_text(FINE)
    (tmp_path / "broken.yaml").write_text(
        "prot: 1\nlisten: 8700\nservices: {jobs: {url: 'http://u:hunter2@h'}}\n"
    )
    return tmp_path


def test_the_sources_are_told_with_their_methods(folder: Path) -> None:
    entries = "{em: {method: jobs.read}, g: {method: minnie65/roots.all}}"
    (folder / "labgate.yaml").write_text(f"{FINE}sources: {{mount: /sources, entries: {entries}}}\n")
    lines = labgated(folder, "check", **SECRETS).stdout.splitlines()
    assert "sources     /sources: em (jobs.read), /sources: g (minnie65/roots.all)" in lines
    assert lines[-1] == "labgate.yaml: can be served: 0 errors, 0 warnings"


def test_a_fine_file_is_told_with_what_it_serves_and_status_0(folder: Path) -> None:
    found = labgated(folder, "check", **SECRETS)
    assert (found.returncode, found.stderr) == (0, "")
    lines = found.stdout.splitlines()
    assert lines[-1] == "labgate.yaml: can be served: 0 errors, 0 warnings"
    told = dict(line.split(maxsplit=1) for line in lines[:-1])
    assert told["listens"] == "http://127.0.0.1:8700"
    assert told["services"] == "jobs (auto, http://127.0.0.1:39002/…, 0 rules)"
    assert told["datastacks"] == "minnie65/roots (auto, http://127.0.0.1:1, 0 rules)"
    assert told["policies"] == "1"
    assert told["identity"] == "local tokens, JWTs of 'https://login.lab.org/'"
    assert not any(secret in found.stdout for secret in SECRETS.values())


def test_a_broken_file_is_told_line_by_line_with_status_1(folder: Path) -> None:
    found = labgated(folder, "check", "broken.yaml")
    lines = found.stdout.splitlines()
    assert found.returncode == 1
    assert lines[-1] == "broken.yaml: cannot be served: 2 errors, 2 warnings"
    assert [line.split(": ")[:2] for line in lines[:-1]] == [
        ["broken.yaml:1", "policies"],
        ["broken.yaml:1", "prot"],
        ["broken.yaml:2", "listen"],
        ["broken.yaml:3", "services.jobs.url"],
    ]
    assert all(line.endswith(")") and " (fix: " in line for line in lines[:-1])
    assert "hunter2" not in found.stdout + found.stderr


def test_machines_get_one_json_object(folder: Path) -> None:
    broken = labgated(folder, "check", "--json", "--config", "broken.yaml")
    told = json.loads(broken.stdout)
    assert (broken.returncode, told["ok"], told["serves"], told["file"]) == (1, False, None, "broken.yaml")
    assert {"file", "line", "column", "path", "level", "text", "fix"} == set(told["problems"][0])
    fine = labgated(folder, "check", "--json", **SECRETS)
    assert (fine.returncode, json.loads(fine.stdout)["ok"]) == (0, True)
    assert not any(secret in fine.stdout + broken.stdout for secret in SECRETS.values())


def test_the_file_is_the_one_given_then_the_environments_then_labgate_yaml(folder: Path) -> None:
    assert "labgate.yaml: can be served" in labgated(folder, "check", **SECRETS).stdout
    assert "broken.yaml: cannot" in labgated(folder, "check", LABGATE_CONFIG="broken.yaml", **SECRETS).stdout
    for given in (["labgate.yaml"], ["--config", "labgate.yaml"]):
        found = labgated(folder, "check", *given, LABGATE_CONFIG="broken.yaml", **SECRETS)
        assert "labgate.yaml: can be served" in found.stdout
    assert labgated(folder, "check", "labgate.yaml", "--config", "broken.yaml").returncode == 2


def test_a_missing_file_is_told_with_the_way_to_begin(tmp_path: Path) -> None:
    found = labgated(tmp_path, "check")
    assert found.returncode == 1
    assert found.stdout.startswith("labgate.yaml: no such file")
    sample = found.stdout.partition(":\n\n")[2].rpartition("\n\n")[0]
    (tmp_path / "labgate.yaml").write_text(sample)
    assert labgated(tmp_path, "check").stdout.endswith("can be served: 0 errors, 0 warnings\n")


def test_other_commands_tell_the_same_problems_on_stderr(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PASSWORD", "hunter2")
    monkeypatch.setenv("LICENCE", "lic-0000")
    parser = argparse.ArgumentParser()
    add_config(parser)
    assert settings_of(parser.parse_args([])) is not None
    assert settings_of(parser.parse_args(["--config", "broken.yaml"])) is None
    told = capsys.readouterr()
    assert told.out == ""
    assert [line.partition(": ")[0] for line in told.err.splitlines()] == [
        *(f"broken.yaml:{line}" for line in (1, 1, 2, 3)),
        "labgated",
    ]
    assert "hunter2" not in told.err


def test_help_lists_the_commands_without_importing_them(tmp_path: Path) -> None:
    found = labgated(tmp_path, "--help")
    assert found.returncode == 0
    assert all(name in found.stdout for name in ("demo", "serve", "check", "token"))
    loaded = "import sys; from gateway.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    loaded += "print([name for name in sys.modules if name.split('.')[0] in ('pydantic', 'yaml', 'aiohttp', 'numpy')])"
    printed = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, timeout=60
    ).stdout
    assert printed.endswith("\n[]\n")


def test_an_unknown_command_is_refused_with_status_2(tmp_path: Path) -> None:
    found = labgated(tmp_path, "chekc")
    assert (found.returncode, found.stdout) == (2, "")
    assert "'check'" in found.stderr


def test_a_reader_that_leaves_ends_the_command_quietly(folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        found = subprocess.run(
            [sys.executable, "-m", "gateway.cli", "check", "broken.yaml"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=write,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    finally:
        os.close(write)
    assert (found.returncode, found.stderr) == (1, b"")


def test_it_tells_what_a_caller_may_do_and_how_much_without_anybody_calling(folder: Path) -> None:
    (folder / "limited.yaml").write_text(
        "services: {jobs: {url: 'http://127.0.0.1:1'}}\n"
        "limits: {per_principal: {concurrency: 8}}\n"
        "policies:\n"
        '  - {to: "group:admins", allow: "*", operate: true}\n'
        '  - {to: "group:lab", allow: ["jobs.get_*", "GET /jobs/**"], rate: 100/s, bytes: 1GiB/h}\n'
        '  - {to: authenticated, allow: ["jobs.version"]}\n'
    )
    told = labgated(folder, "check", "limited.yaml", "--as", "group:lab", "--as", "subject:ada").stdout
    assert told.splitlines()[-4:] == [
        "group:lab subject:ada: the first of these policies that allows a call counts",
        "  policy 2: jobs.get_* GET /jobs/**; rate 100/s; bytes 1073741824/h",
        "  policy 3: jobs.version",
        "  over all: concurrency 8",
    ]
    access = json.loads(labgated(folder, "check", "limited.yaml", "--json", "--as", "anonymous").stdout)[
        "access"
    ]
    assert access == {"who": ["anonymous"], "limits": {"concurrency": 8}, "policies": []}
    refused = labgated(folder, "check", "limited.yaml", "--as", "grp:lab")
    assert (refused.returncode, "is not subject:S, group:G, scope:S or anonymous" in refused.stderr) == (
        2,
        True,
    )
