"""What is said of arguments that cannot be what they are given as, to `connect` and to the package's functions?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate.errors import SetupError
from tests.sdk.conftest import Gate


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("address", 123),
        ("address", " "),
        ("token", 123),
        ("token", b"x"),
        ("token", ""),
        ("profile", 1),
        ("datastack", ""),
        ("auth_token_key", 1),
        ("timeout", "x"),
        ("timeout", float("nan")),
        ("retries", -1),
        ("headers", 1),
        ("headers", [("a", "b")]),
        ("headers", {"a": "b\r\nX: y"}),
        ("cache_dir", ""),
        ("cache_dir", b"folder"),
        ("cache_dir", "a\0b"),
        ("ca_file", 1),
        ("lock", 1),
        ("insecure", "no"),
        ("defaults", {1: 2}),
        ("default", "x"),
    ],
)
@pytest.mark.parametrize(
    "how", [labgate.connect, lambda **given: labgate.aconnect(**given).__await__().send(None)]
)
def test_an_argument_that_cannot_be_is_refused_by_its_name_before_anybody_is_asked(
    name: str, value: Any, how: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"address": "http://127.0.0.1:1", "cache_dir": tmp_path / "cache", name: value}
    with pytest.raises(SetupError, match=name):
        how(**given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["batch", "last", "methods", "refresh", "status", "whoami"])
@pytest.mark.parametrize("client", [3, None, "http://127.0.0.1:1", labgate])
def test_what_is_no_client_is_refused_by_the_name_of_the_function(name: str, client: Any) -> None:
    with pytest.raises(TypeError, match=rf"labgate\.{name} takes a client"):
        getattr(labgate, name)(client)


def test_explain_says_so_too() -> None:
    with pytest.raises(TypeError, match=r"labgate\.explain takes a client"):
        labgate.explain(3, "jobs.get_job")  # type: ignore[call-overload]


def test_arguments_nested_beyond_what_python_can_write_are_refused_in_words(gate: Gate) -> None:
    lab: Any = labgate.connect(gate.url)
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, [deep, b"bytes"]):
        with pytest.raises(ValueError, match="nested too deeply"):
            lab.jobs.anything(value)
    assert gate.calls() == []


def test_the_url_of_a_request_is_a_text(files: Gate) -> None:
    lab: Any = labgate.connect(files.url)
    with pytest.raises(SetupError, match="the url of a request is a text"):
        labgate.request(lab.files, "GET", 3)  # type: ignore[call-overload]
