"""Does the command line call methods, speak JSON to pipes and tables to people, and fail in one line?"""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from tests.sdk.conftest import Gate, Handler

COMMAND = [sys.executable, "-m", "labgate.cli"]


def run(*arguments: str, url: str | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """One run of the command, its output piped."""
    where = {"LABGATE_URL": url} if url else {}
    return subprocess.run(
        [*COMMAND, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **where, **environ},
    )


def on_a_terminal(*arguments: str, url: str) -> str:
    """What a run shows on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, *arguments], stdout=theirs, env={**os.environ, "LABGATE_URL": url}):
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 4096):
                shown += data
        except OSError:
            pass  # on Linux a terminal ends with an error
        os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def test_the_version_is_printed() -> None:
    ended = run("--version")
    assert ended.returncode == 0
    assert ended.stdout.startswith("labgate ")


def test_a_call_prints_json_into_a_pipe(gate: Gate) -> None:
    ended = run(
        "call", "jobs.get_job", "project_uid=P3", 'job_uid:="J1"', "limit=5", "lane:=null", url=gate.url
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "params": {"project_uid": "P3", "job_uid": "J1", "limit": 5, "lane": None}
    }


def test_a_result_is_written_to_a_file_as_what_it_is(gate: Gate, tmp_path: Path) -> None:
    picture, array = bytes(range(256)), np.arange(6, dtype=">u2").reshape(2, 3)
    gate.add("jobs.picture", picture)
    gate.add("jobs.array", array)
    gate.add("jobs.tree", {"a": ["\u00e9"]})

    def written(name: str) -> bytes:
        file = tmp_path / name
        ended = run("call", f"jobs.{name}", "-o", str(file), url=gate.url)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
        return file.read_bytes()

    assert written("picture") == picture
    assert (found := np.load(io.BytesIO(written("array")))).dtype == array.dtype
    assert (found == array).all()
    assert json.loads(written("tree")) == {"a": ["\u00e9"]}
    ended = run("call", "jobs.tree", "-o", str(tmp_path / "no" / "file"), url=gate.url)
    assert (ended.returncode, ended.stdout) != (0, "")
    assert "its folder is not there" in ended.stderr
    assert not [one.name for one in tmp_path.iterdir() if ".part" in one.name]


def test_text_is_read_as_what_the_method_takes_and_else_stays_text(gate: Gate) -> None:
    gate.add(
        "jobs.typed",
        lambda params: params,
        params=[
            {"name": name, "schema": {"type": kind}}
            for name, kind in (("i", "integer"), ("n", "number"), ("b", "boolean"), ("s", "string"))
        ],
    )
    ended = run("call", "jobs.typed", "i=7", "n=1.5", "b=true", "s=7", url=gate.url)
    assert json.loads(ended.stdout) == {"i": 7, "n": 1.5, "b": True, "s": "7"}
    ended = run("call", "jobs.typed", "i=seven", url=gate.url)
    assert json.loads(ended.stdout) == {"i": "seven"}
    ended = run("call", "jobs.anything", "odd-name=x=y", "n:=[1]", url=gate.url)
    assert json.loads(ended.stdout) == {"odd-name": "x=y", "n": [1]}


def test_parameters_are_given_by_their_wire_names(gate: Gate) -> None:
    gate.add("jobs.odd", lambda params: params, params=[{"name": "import"}, {"name": "odd-name"}])
    ended = run("call", "jobs.odd", "import=a", "odd-name=b", url=gate.url)
    assert json.loads(ended.stdout) == {"import": "a", "odd-name": "b"}


def test_methods_are_json_lines_in_a_pipe_and_a_table_on_a_terminal(gate: Gate) -> None:
    rows = [json.loads(line) for line in run("methods", "get_*", url=gate.url).stdout.splitlines()]
    assert [(row["name"], row["summary"], row["safe"]) for row in rows] == [
        ("jobs.get_job", "One job.", True)
    ]
    assert on_a_terminal("methods", "get_*", url=gate.url) == "jobs.get_job  One job.\n"


def test_results_are_tables_and_readable_text_on_a_terminal(gate: Gate) -> None:
    gate.add("jobs.rows", [{"uid": "J1", "state": "done"}, {"uid": "J22", "state": None}])
    gate.add("jobs.text", "plain \x1b[31mtext")
    gate.add("jobs.tree", {"a": [1]})
    assert on_a_terminal("call", "jobs.rows", url=gate.url) == "uid  state\nJ1   done\nJ22  null\n"
    assert on_a_terminal("call", "jobs.text", url=gate.url) == "plain  [31mtext\n"
    assert json.loads(on_a_terminal("call", "jobs.tree", url=gate.url)) == {"a": [1]}
    assert json.loads(on_a_terminal("call", "jobs.rows", "--json", url=gate.url))[0]["uid"] == "J1"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["call", "jobs.get_jbo"], 1, "Did you mean jobs.get_job?"),
        (["call", "jobs"], 1, "namespace"),
        (["call", "jobs.get_job", "project_uid=P3"], 2, "job_uid"),
        (["call", "jobs.get_job", "nonsense"], 2, "NAME=TEXT"),
        (["call", "jobs.get_job", "x:={"], 2, "JSON"),
        (["call", "jobs.get_job", "x=1"], 2, "'x'"),
        (["call", "jobs.list_lanes", "--timeout", "-1"], 2, "timeout"),
    ],
)
def test_a_failure_is_one_line_without_a_traceback(
    gate: Gate, arguments: list[str], code: int, words: str
) -> None:
    ended = run(*arguments, url=gate.url)
    assert ended.returncode == code
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("labgate: ")
    assert words in line


def test_what_is_wrong_and_what_to_do_are_sentences_of_one_line(gate: Gate) -> None:
    ended = run("call", "jobs.get_jbo", url=gate.url)
    assert ended.stderr == "labgate: the gate has no method 'jobs.get_jbo'. Did you mean jobs.get_job?\n"


def test_the_exit_code_tells_a_gate_that_is_away_from_one_that_refuses(gate: Gate, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert run("methods", "--url", f"http://127.0.0.1:{port}").returncode == 3
    refused = run("methods", url=gate.url, LABGATE_TOKEN="wrong")
    assert refused.returncode == 4
    assert "labgated token create" in refused.stderr
    assert "wrong" not in refused.stderr
    assert run("methods").returncode == 2
    for arguments in ((), ("cal",), ("call",), ("methods", "--no-such-option")):
        ended = run(*arguments)
        assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)


def test_a_raw_request_writes_the_body_as_it_is(files: Gate, tmp_path: Path) -> None:
    files.service = lambda asked: asked.reply(200, asked.body() or b"\x00\xff", ("X-A", "b"))
    (tmp_path / "in").write_bytes(b"\x00in a file")
    for arguments, verb, body in (
        (["files", "/x?a=b"], "GET", b"\x00\xff"),
        (["-", "/files/x?a=b"], "GET", b"\x00\xff"),
        (["files", "/x?a=b", "-d", "text"], "POST", b"text"),
        (["files", "/x?a=b", "-X", "put", "-d", f"@{tmp_path / 'in'}"], "PUT", b"\x00in a file"),
        (["files", "/x?a=b", "-d", "@-"], "POST", b"piped"),
    ):
        command = [*COMMAND, "request", *arguments, "--url", files.url, "-H", "X-Own: a: b"]
        ended = subprocess.run(command, check=False, capture_output=True, input=b"piped")
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, body, b"")
        assert files.requests[-1][:2] == (verb, "/files/x?a=b")
        assert files.requests[-1][2]["x-own"] == "a: b"
    assert run("request", "files", "/x", "-o", str(tmp_path / "out"), url=files.url).stdout == ""
    assert (tmp_path / "out").read_bytes() == b"\x00\xff"


def test_a_raw_reply_does_not_steer_the_terminal(files: Gate) -> None:
    files.service = lambda asked: asked.reply(200, b"plain \x1b[31mtext")
    assert on_a_terminal("request", "files", "/x", url=files.url) == "plain  [31mtext\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["jobs", "/x"], 1, "not mounted"),
        (["files", "x"], 2, "Begin it with `/`"),
        (["files", "/x", "-H", "nonsense"], 2, "Name: value"),
        (["files", "/x", "-d", "@no/such/file"], 2, "no/such/file"),
        (["files", "/x", "-o", "no/such/file"], 2, "no/such/file"),
        (["files", "/forbidden"], 4, "403"),
    ],
)
def test_a_raw_request_that_fails_is_one_line(
    files: Gate, arguments: list[str], code: int, words: str
) -> None:
    files.service = lambda asked: asked.reply(403 if "forbidden" in asked.path else 200)
    ended = run("request", *arguments, url=files.url)
    assert (ended.returncode, ended.stdout) == (code, "")
    (line,) = ended.stderr.splitlines()
    assert words in line


def test_an_interrupt_ends_the_command_without_a_traceback(gate: Gate) -> None:
    def kill(_: Any) -> None:
        os.kill(process.pid, signal.SIGINT)

    gate.answers["jobs.list_lanes"] = kill
    process = subprocess.Popen(
        [*COMMAND, "call", "jobs.list_lanes", "--url", gate.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        _, complaint = process.communicate()
    assert process.returncode in (0, 130)  # it may have been done before the signal came
    assert "Traceback" not in complaint


def test_a_reader_that_goes_away_is_no_error(gate: Gate) -> None:
    gate.add("jobs.much", ["x" * 1000] * 1000)
    process = subprocess.Popen(
        [*COMMAND, "call", "jobs.much", "--url", gate.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def closed(*arguments: str, url: str) -> subprocess.CompletedProcess[bytes]:
    """One run of the command in a shell line that says where its outputs go."""
    line = '"$0" -m labgate.cli call jobs.get_version --url "$1" ' + " ".join(arguments)
    return subprocess.run(["sh", "-c", line, sys.executable, url], check=False, capture_output=True)


def test_an_output_that_is_closed_or_full_is_named_in_one_line(gate: Gate) -> None:
    gate.add("jobs.get_version", "1.0")
    nowhere = closed(">&-", url=gate.url)
    assert nowhere.returncode == 2
    assert nowhere.stderr == b"labgate: its output is closed: there is nowhere to write to\n"
    full = closed(">/dev/full", url=gate.url)
    assert (full.returncode, full.stderr) == (2, b"labgate: the output, or a file: No space left on device\n")
    words = [*COMMAND, "--version"]
    with Path("/dev/full").open("wb") as output:
        full = subprocess.run(words, stdout=output, stderr=subprocess.PIPE, check=False)
    assert (full.returncode, full.stderr) == (2, b"labgate: the output, or a file: No space left on device\n")


def test_a_complaint_without_a_stderr_is_not_written_among_the_results(gate: Gate) -> None:
    quiet = closed("nonsense", "2>&-", url=gate.url)
    assert (quiet.returncode, quiet.stdout) == (2, b"")


def test_a_table_that_came_as_arrow_is_printed_as_its_rows(gate: Gate) -> None:
    table = pyarrow.table({"id": pyarrow.array([2**64 - 1], pyarrow.uint64()), "word": ["a"]})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    body = sink.getvalue().to_pybytes()
    gate.add("jobs.rows", body, **{"x-labgate": {"safe": True, "result": "table"}})
    ended = run("call", "jobs.rows", url=gate.url)
    assert json.loads(ended.stdout) == [{"id": 2**64 - 1, "word": "a"}], ended.stderr
    assert "18446744073709551615" in on_a_terminal("call", "jobs.rows", url=gate.url)


def test_the_health_view_is_a_table_for_people_and_json_for_programs(gate: Gate) -> None:
    gate.about = {"namespaces": {"jobs": {"down": True}}}
    found = json.loads(run("status", url=gate.url).stdout)
    assert (found["reached"], found["down"], found["services"][0]["name"]) == (True, ["jobs"], "jobs")
    assert "DOWN" in on_a_terminal("status", url=gate.url)


@pytest.fixture
def account(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bytes]]:
    """A gate that knows its callers and keeps their links; what came to it."""
    came: list[tuple[str, str, bytes]] = []
    plain = Handler.do_GET

    def answer(asked: Handler) -> None:
        came.append((asked.command, asked.path, asked.body()))
        me = json.dumps({"subject": "ada", "issuer": "labgate", "groups": ["lab"]}).encode()
        asked.reply(200, me, ("Content-Type", "application/json"))

    def get(asked: Handler) -> None:
        (asked.do_PUT if asked.path.startswith("/-/") else lambda: plain(asked))()

    gate.service = answer
    monkeypatch.setattr(Handler, "do_GET", get)
    return came


def test_a_user_is_told_whom_the_gate_takes_them_for(gate: Gate, account: list[Any]) -> None:
    assert json.loads(run("whoami", url=gate.url).stdout)["subject"] == "ada"
    assert "ada by labgate; groups lab" in on_a_terminal("whoami", url=gate.url)


def test_a_token_is_linked_from_the_input_and_never_printed(gate: Gate, account: list[Any]) -> None:
    linked = subprocess.run(
        [*COMMAND, "link", "cave"],
        input="hidden-token\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LABGATE_URL": gate.url},
    )
    assert json.loads(linked.stdout) == {"service": "cave", "linked": True}
    assert "hidden" not in linked.stdout + linked.stderr
    assert account == [("PUT", "/-/links/cave", b"hidden-token")]
    assert json.loads(run("unlink", "cave", url=gate.url).stdout) == {"service": "cave", "forgotten": True}
    assert account[-1][:2] == ("DELETE", "/-/links/cave")
    assert run("link", "../x", url=gate.url).returncode == 2
