"""Which of the tokens that CAVE's own client keeps are sent, and to whom?"""

from __future__ import annotations

import json
import os
import pickle  # noqa: TID251 - the law is that users can pickle their clients
import warnings
from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate._address import parse_address
from labgate._tokens import cave_files, find_token, stored_token_path
from labgate.errors import SetupError, TokenFileWarning
from tests.sdk.conftest import TOKEN, Gate

GATE = parse_address("https://gate.lab.org")


@pytest.fixture
def secrets(own_environment: Path) -> Path:
    """CAVE's folder of secrets."""
    folder = own_environment / ".cloudvolume" / "secrets"
    folder.mkdir(parents=True)
    return folder


def put(path: Path, content: Any, mode: int = 0o600) -> None:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)


def found(address: str, **how: Any) -> str | None:
    return find_token(parse_address(address), None, {}, **how)


def test_a_file_for_the_server_comes_before_the_one_for_all_and_that_before_the_old_one(
    secrets: Path,
) -> None:
    put(secrets / "chunkedgraph-secret.json", {"token": "old"})
    assert found("https://gate.lab.org", datastack="fly1") == "old"
    put(secrets / "cave-secret.json", {"token": "global"})
    assert found("https://gate.lab.org", datastack="fly1") == "global"
    put(secrets / "gate.lab.org-cave-secret.json", {"token": "servers"})
    assert found("https://gate.lab.org", datastack="fly1") == "servers"
    assert found("https://gate.lab.org") == "servers"


def test_our_own_files_and_the_environment_come_first(secrets: Path) -> None:
    put(secrets / "gate.lab.org-cave-secret.json", {"token": "servers"})
    path = Path(stored_token_path(GATE))
    path.parent.mkdir(parents=True)
    put(path, "stored")
    assert found("https://gate.lab.org") == "stored"
    assert find_token(GATE, None, {"LABGATE_TOKEN": "env"}) == "env"
    assert find_token(GATE, "given", {}) == "given"


def test_a_servers_token_is_sent_to_no_other_host_or_port(secrets: Path) -> None:
    put(secrets / "gate.lab.org-cave-secret.json", {"token": "servers"})
    put(secrets / "gate.lab.org:8443-cave-secret.json", {"token": "ports"})
    assert found("https://gate.lab.org:8443") == "ports"
    assert found("https://gate.lab.org:443") == "servers"
    for other in (
        "https://gate.lab.org:9000",
        "https://gate.lab",
        "https://a.gate.lab.org",
        "https://evil.org",
    ):
        assert found(other, datastack="fly1") is None


def test_the_name_of_a_port_has_no_colon_where_that_is_no_name(
    secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(secrets / "127.0.0.1-8080-cave-secret.json", {"token": "dashed"})
    assert found("http://127.0.0.1:8080") == "dashed"
    monkeypatch.setattr(os, "name", "nt")
    names = [path.rpartition("/")[2] for path in cave_files(parse_address("http://[::1]:8080"))]
    assert names == ["[--1]-8080-cave-secret.json"]


def test_the_token_for_all_servers_goes_only_to_gates_that_the_user_has_to_do_with_in_cave(
    secrets: Path,
) -> None:
    put(secrets / "cave-secret.json", {"token": "global"})
    assert found("https://gate.lab.org") is None
    put(secrets / "cave_datastack_to_server_map.json", {"fly1": "https://gate.lab.org"})
    assert found("https://gate.lab.org") == "global"
    assert found("https://other.lab.org") is None
    assert found("http://gate.lab.org") is None


def test_the_token_for_all_servers_never_travels_in_the_clear(secrets: Path) -> None:
    put(secrets / "cave-secret.json", {"token": "global"})
    assert found("http://gate.lab.org", datastack="fly1") is None
    assert found("http://127.0.0.1:8700", datastack="fly1") == "global"


def test_a_servers_token_does_not_travel_in_the_clear_either(secrets: Path) -> None:
    put(secrets / "gate.lab.org-cave-secret.json", {"token": "servers"})
    with pytest.raises(SetupError, match="in the clear"):
        labgate.connect("http://gate.lab.org", datastack="fly1")


def test_a_client_speaks_with_caves_token(gate: Gate, secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABGATE_TOKEN")
    put(secrets / f"{gate.url.removeprefix('http://')}-cave-secret.json", {"token": TOKEN})
    assert labgate.connect(gate.url).jobs.list_lanes() == ["a", "b"]


def test_a_key_takes_its_token_before_everything_but_an_argument(secrets: Path) -> None:
    put(secrets / "cave-secret.json", {"token": "a", "mine": "b"})
    environ = {"LABGATE_TOKEN": "env"}
    assert find_token(GATE, None, environ, cave_key="mine") == "b"
    assert find_token(GATE, "given", environ, cave_key="mine") == "given"
    with pytest.raises(SetupError, match="has a token 'other' for"):
        find_token(GATE, None, environ, cave_key="other")


def test_a_pickled_client_takes_the_token_of_the_same_name(
    gate: Gate, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABGATE_TOKEN")
    put(secrets / "cave-secret.json", {"token": "another", "mine": TOKEN})
    lab = labgate.connect(gate.url, auth_token_key="mine")
    assert pickle.loads(pickle.dumps(lab)).jobs.list_lanes() == ["a", "b"]
    assert TOKEN.encode() not in pickle.dumps(lab)


@pytest.mark.skipif(os.name != "posix", reason="mode bits are POSIX")
def test_a_warning_about_a_token_file_points_at_the_line_that_connects(
    gate: Gate, secrets: Path, own_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABGATE_TOKEN")
    put(secrets / f"{gate.url.removeprefix('http://')}-cave-secret.json", {"token": TOKEN}, 0o640)
    with pytest.warns(TokenFileWarning) as warned:
        labgate.connect(gate.url)
    put(own_environment / "mine", TOKEN, 0o640)
    monkeypatch.setenv("LABGATE_TOKEN_FILE", str(own_environment / "mine"))
    with pytest.warns(TokenFileWarning) as also:
        labgate.connect(gate.url)
    assert [one.filename for one in (*warned, *also)] == [__file__] * 2


@pytest.mark.parametrize(
    "content", ["{", "[]", '"token"', '{"token": 5}', '{"token": ["hidden"]}', " " * 70_000, "[" * 50_000]
)
def test_a_damaged_file_is_left_aside_with_one_warning_that_says_nothing_of_what_is_in_it(
    secrets: Path, content: str
) -> None:
    put(secrets / "gate.lab.org-cave-secret.json", content)
    put(secrets / "cave-secret.json", {"token": "global"})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        assert found("https://gate.lab.org", datastack="fly1") == "global"
        assert found("https://gate.lab.org", datastack="fly1") == "global"
    assert [one.category for one in warned] == [TokenFileWarning]
    assert "hidden" not in str(warned[0].message)


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "é"])
def test_a_token_that_no_header_can_carry_is_an_error(secrets: Path, token: str) -> None:
    put(secrets / "gate.lab.org-cave-secret.json", {"token": token})
    with pytest.raises(SetupError, match="characters that no token has"):
        found("https://gate.lab.org")


@pytest.mark.skipif(os.name != "posix", reason="mode bits are POSIX")
def test_a_file_that_others_may_read_is_used_with_one_warning(secrets: Path) -> None:
    put(secrets / "gate.lab.org-cave-secret.json", {"token": "servers"}, 0o644)
    with pytest.warns(TokenFileWarning, match="chmod 600") as warned:
        assert found("https://gate.lab.org") == "servers"
    assert found("https://gate.lab.org") == "servers"
    assert len(warned) == 1
