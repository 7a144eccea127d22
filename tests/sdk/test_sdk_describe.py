"""Is everything that a catalog says of a method told, to programs and to people?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from labgate.cli import main
from tests.sdk.conftest import Gate
from tests.sdk.test_sdk_cli import on_a_terminal, run


def described(gate: Gate, name: str) -> Any:
    ended = run("describe", name, url=gate.url)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_method_is_described_whole(gate: Gate) -> None:
    gate.methods["jobs.get_job"].update(
        {
            "deprecated": True,
            "externalDocs": {"url": "https://lab.org/docs"},
            "x-labgate": {
                "safe": True,
                "cache": {"fresh": 30, "stale": 600},
                "down": True,
                "scopes": ["em.read", "em.all", {}],
                "http": "GET /jobs/{project_uid}/{job_uid}",
            },
        }
    )
    found = described(gate, "jobs.get_job")
    assert found["signature"] == "(project_uid, job_uid, limit=10, lane=...)"
    assert found["text"].startswith("One job. With all that is known of it.")
    assert [
        (one["name"], one["type"], one["required"], one.get("default")) for one in found["parameters"]
    ] == [
        ("project_uid", "str", True, None),
        ("job_uid", "str", True, None),
        ("limit", "int", False, "10"),
        ("lane", "str | None", False, None),
    ]
    assert found["parameters"][0]["description"] == "Its project."
    assert found["result"] == "dict[str, Any]"
    assert (found["safe"], found["deprecated"], found["down"]) == (True, True, True)
    assert found["documentation"] == "https://lab.org/docs"
    assert found["scopes"] == ["em.read", "em.all"]
    assert found["http"] == "GET /jobs/{project_uid}/{job_uid}"
    text = on_a_terminal("describe", "jobs.get_job", url=gate.url)
    assert "project_uid  str         required    Its project.\n" in text
    assert (
        "changes nothing; answers serve for 30 s, old ones for 600 s; needs the scope em.read or em.all; deprecated; down\n"
        in text
    )
    assert "as a request: GET /jobs/{project_uid}/{job_uid}\n" in text
    assert "see https://lab.org/docs\n" in text


def test_what_a_service_says_cannot_move_the_cursor(gate: Gate) -> None:
    hostile = "\x1b[2J\u202e\x00"
    gate.add("jobs.bad", None, summary=hostile, params=[{"name": "x", "description": hostile, "schema": {}}])
    for text in (
        on_a_terminal("describe", "jobs.bad", url=gate.url),
        on_a_terminal("describe", "jobs", url=gate.url),
    ):
        assert "jobs.bad" in text
        assert not {"\x1b", "\u202e", "\x00"} & set(text)


def test_a_service_is_described_with_its_methods(gate: Gate) -> None:
    gate.about = {
        "namespaces": {"jobs": {"summary": "The job manager.", "dialect": "jsonrpc", "version": "4.7"}}
    }
    found = described(gate, "jobs")
    assert (found["summary"], found["dialect"], found["version"]) == ("The job manager.", "jsonrpc", "4.7")
    assert [one["name"] for one in found["methods"]] == sorted(gate.methods)
    assert on_a_terminal("describe", "jobs", url=gate.url).startswith(
        "jobs: The job manager.\ndialect jsonrpc, version 4.7\n\nname"
    )


@pytest.mark.parametrize(
    ("name", "words"), [("jobs.get_jbo", "Did you mean jobs.get_job?"), ("jbos", "no method")]
)
def test_what_there_is_not_is_told(
    gate: Gate, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    assert main(["describe", name, "--url", gate.url]) == 1
    assert words in capsys.readouterr().err
