"""At which gate is a datastack, and what is remembered of it?"""

from __future__ import annotations

import json
import os
import socket
import stat
import warnings
from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate import datastack_lookup, datastacks
from labgate.errors import MapFileWarning, NeedsDatastack, SetupError, Unauthenticated
from tests.sdk.conftest import TOKEN, Gate, http, read_request, scripted


def memory(home: Path) -> Path:
    return home / "config" / "labgate" / "datastacks.json"


def caves(home: Path) -> Path:
    found = home / ".cloudvolume" / "secrets" / "cave_datastack_to_server_map.json"
    found.parent.mkdir(parents=True, exist_ok=True)
    return found


def asked(gate: Gate) -> list[str]:
    return [target for _, target, _, _ in gate.requests]


def test_the_datastack_is_asked_for_by_name_and_the_synonyms_say_the_same(gate: Gate) -> None:
    labgate.connect(server_address=gate.url, datastack_name="fly 1").jobs.list_lanes()
    assert asked(gate) == ["/openrpc.json?datastack=fly%201", "/rpc?datastack=fly%201"]


@pytest.mark.parametrize(
    "both",
    [
        {"address": "http://a", "server_address": "http://b"},
        {"datastack": "a", "datastack_name": "b"},
    ],
)
def test_two_values_for_one_thing_are_refused(both: dict[str, str]) -> None:
    with pytest.raises(SetupError, match="two names of one thing"):
        labgate.connect(**both)


def test_a_datastack_is_remembered_once_it_has_worked_and_finds_its_gate_from_then_on(
    gate: Gate, own_environment: Path
) -> None:
    labgate.connect(gate.url, datastack="fly1")
    assert datastacks.known() == {"fly1": gate.url}
    assert stat.S_IMODE(memory(own_environment).stat().st_mode) == 0o600
    assert labgate.connect(datastack="fly1").jobs.list_lanes() == ["a", "b"]


def test_a_gate_that_refuses_is_not_remembered(gate: Gate, own_environment: Path) -> None:
    with pytest.raises(Unauthenticated):
        labgate.connect(gate.url, datastack="fly1", token="another")
    assert datastacks.known() == {}
    assert not memory(own_environment).exists()


@pytest.mark.parametrize("how", ["remember", "write_server_address", "write_server_cache"])
def test_nothing_is_remembered_where_that_was_asked_for(gate: Gate, how: str) -> None:
    lab = labgate.connect(gate.url, datastack="fly1", **{how: False})
    lab(datastack="fly2")
    assert datastacks.known() == {}


def test_without_a_datastack_nothing_is_remembered(gate: Gate) -> None:
    labgate.connect(gate.url)
    assert datastacks.known() == {}


def test_the_argument_and_the_environment_come_before_the_memory(
    gate: Gate, own_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory(own_environment).parent.mkdir(parents=True)
    memory(own_environment).write_text('{"fly1": "http://127.0.0.1:1"}')
    memory(own_environment).chmod(0o600)
    assert labgate.connect(gate.url, datastack="fly1", remember=False).jobs.list_lanes()
    monkeypatch.setenv("LABGATE_URL", gate.url)
    assert labgate.connect(datastack="fly1", remember=False).jobs.list_lanes()
    assert datastacks.known() == {"fly1": "http://127.0.0.1:1"}


def test_forgetting_tells_what_was_known_and_leaves_the_rest(gate: Gate) -> None:
    labgate.connect(gate.url, datastack="a")
    labgate.connect(gate.url, datastack="b")
    labgate.connect(gate.url, datastack="c")
    assert datastacks.forget(["a", "z"]) == ["a"]
    datastack_lookup.reset_server_address_cache("b")
    assert datastack_lookup.get_datastack_cache() == {"c": gate.url}
    assert labgate.datastacks is datastacks
    assert labgate.datastack_lookup is datastack_lookup


def test_without_any_address_the_error_says_what_to_give() -> None:
    with pytest.raises(SetupError, match=r"none is remembered for the datastack 'fly1'[\s\S]*server_address"):
        labgate.connect(datastack="fly1")
    with pytest.raises(SetupError, match="no gate was named"):
        labgate.connect()


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"fly1": 5}',
        b'{"fly1": "http://u:secret@x"}',
        b'{"fly1": "http://a\\r\\nX: y"}',
        b" " * 2_000_000,
    ],
)
def test_a_damaged_memory_counts_as_none_and_the_next_success_mends_it(
    gate: Gate, own_environment: Path, content: bytes
) -> None:
    memory(own_environment).parent.mkdir(parents=True)
    memory(own_environment).write_bytes(content)
    memory(own_environment).chmod(0o600)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(2):
            with pytest.raises(SetupError, match="none is remembered"):
                labgate.connect(datastack="fly1")
    assert len(warned) <= 1
    assert "secret" not in "".join(str(one.message) for one in warned)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MapFileWarning)
        labgate.connect(gate.url, datastack="fly1")
        assert datastacks.known() == {"fly1": gate.url}


@pytest.mark.skipif(os.name != "posix", reason="mode bits and pipes are POSIX")
@pytest.mark.parametrize("what", ["writable", "pipe", "folder"])
def test_a_map_that_others_may_write_or_that_is_no_file_is_left_aside_with_a_warning(
    own_environment: Path, what: str
) -> None:
    path = caves(own_environment)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.write_text('{"fly1": "https://evil.example"}')
        path.chmod(0o666)
    with pytest.warns(MapFileWarning, match="left aside") as warned, pytest.raises(SetupError):
        labgate.connect(datastack="fly1")
    assert len(warned) == 1
    assert warned[0].filename == __file__


def test_the_memory_is_bounded_and_keeps_the_newest(gate: Gate, own_environment: Path) -> None:
    memory(own_environment).parent.mkdir(parents=True)
    memory(own_environment).write_text(json.dumps({f"d{at}": gate.url for at in range(300)}))
    memory(own_environment).chmod(0o600)
    labgate.connect(gate.url, datastack="newest")
    labgate.connect(gate.url, datastack="n" * 5000)
    known = datastacks.known()
    assert len(known) == 256
    assert "newest" in known
    assert "d0" not in known


def test_a_file_in_the_folders_place_is_no_error(gate: Gate, own_environment: Path) -> None:
    (own_environment / "config").write_text("a file")
    assert labgate.connect(gate.url, datastack="fly1").jobs.list_lanes()


def test_caves_own_map_is_read_last_and_left_as_it_is(
    gate: Gate, own_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps({"fly1": f"{gate.url}/", "fly2": "http://127.0.0.1:1"})
    caves(own_environment).write_text(text)
    caves(own_environment).chmod(0o644)
    monkeypatch.delenv("LABGATE_TOKEN")
    lab = labgate.connect(datastack="fly1", token=TOKEN)
    assert lab.jobs.list_lanes() == ["a", "b"]
    assert datastacks.known() == {"fly1": gate.url}
    assert caves(own_environment).read_text() == text


def test_the_environments_token_is_not_sent_where_only_caves_map_leads(
    gate: Gate, own_environment: Path
) -> None:
    caves(own_environment).write_text(json.dumps({"fly1": gate.url}))
    with pytest.raises(Unauthenticated):
        labgate.connect(datastack="fly1")
    assert [headers.get("authorization") for _, _, headers, _ in gate.requests] == [None, None]


@pytest.mark.parametrize(
    "answer",
    [
        http(b"<html>CAVE</html>", kind="text/html"),
        http(b'{"message": "not found"}', "404 Not Found"),
        http(b"[]"),
        http(b'{"error": "no_token"}', "401 Unauthorized"),
        http(b"", "302 Found", "Location: https://elsewhere/"),
    ],
)
def test_a_server_of_caves_map_that_is_no_gate_is_said_to_be_none_and_gets_no_token(
    own_environment: Path, answer: bytes
) -> None:
    heard: list[bytes] = []

    def server(connection: socket.socket) -> None:
        heard.append(read_request(connection))
        connection.sendall(answer)

    with scripted(server) as url:
        caves(own_environment).write_text(json.dumps({"fly1": url}))
        with pytest.raises(SetupError, match=r"no labgate answers there[\s\S]*server_address"):
            labgate.connect(datastack="fly1", token=TOKEN)
    assert TOKEN.encode() not in heard[0]
    assert datastacks.known() == {}


def test_a_view_of_another_datastack_has_its_own_list_and_the_same_token_and_options(gate: Gate) -> None:
    lab = labgate.connect(gate.url, datastack="a", token=TOKEN, headers={"X-Lab": "1"})
    other = lab(datastack="b", timeout=7)
    other.jobs.list_lanes()
    assert asked(gate)[-1] == "/rpc?datastack=b"
    assert gate.requests[-1][2]["x-lab"] == "1"
    assert other._session.options.timeout == 7
    assert "datastack=b" in repr(other)
    assert lab(datastack="a")._session.link is lab._session.link
    lab(datastack=None).jobs.list_lanes()
    assert asked(gate)[-1] == "/rpc"
    assert datastacks.known() == {"a": gate.url, "b": gate.url}


@pytest.mark.parametrize("bad", ["", " ", 5])
def test_a_view_of_no_name_is_refused(gate: Gate, bad: Any) -> None:
    with pytest.raises(SetupError, match="datastack is a text"):
        labgate.connect(gate.url)(datastack=bad)


def test_a_local_namespace_without_a_datastack_names_those_there_are(gate: Gate) -> None:
    gate.about = {"local": {"chunkedgraph": ["fly1", "fly2"]}}
    with pytest.raises(NeedsDatastack, match="fly1, fly2") as caught:
        labgate.connect(gate.url).chunkedgraph.get_roots([1])
    assert caught.value.datastacks == ("fly1", "fly2")
