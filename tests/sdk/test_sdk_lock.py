"""Does a lock file tell what has changed, and does a client that has one refuse what a program was not written for?"""

from __future__ import annotations

import copy
import json
import pickle  # noqa: TID251 - clients travel between processes by it
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labgate
from labgate._pinned import breaks, pinned
from labgate.errors import MethodChanged, MethodChangedWarning, NotFound, SetupError
from tests.sdk.conftest import Gate

METHOD: dict[str, Any] = {
    "name": "jobs.find",
    "params": [
        {"name": "uid", "required": True, "schema": {"type": "string"}},
        {"name": "limit", "schema": {"type": "integer", "default": 10}},
        {"name": "state", "schema": {"enum": ["done", "failed"]}},
        {"name": "tag", "schema": {"$ref": "#/components/schemas/Tag"}},
    ],
    "result": {
        "schema": {
            "type": "object",
            "properties": {"n": {"type": "integer"}, "x": {"type": "string"}},
            "required": ["n"],
        }
    },
    "x-labgate": {"safe": True},
}
SCHEMAS = {"Tag": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}}


def change(path: str, value: Any) -> dict[str, Any]:
    """The method with another value at a path; None takes it away."""
    made = copy.deepcopy(METHOD)
    place: Any = made
    *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    for part in way:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return made


def reasons(
    now: dict[str, Any], then: Any = METHOD, schemas: Any = SCHEMAS, schemas_now: Any = SCHEMAS
) -> list[str]:
    texts = [json.dumps(one).encode() for one in (then, now)]
    return breaks(pinned("m", texts[0]), pinned("m", texts[1]), schemas, schemas_now)


@pytest.mark.parametrize(
    "now",
    [
        METHOD,
        change("params/0/description", "new words"),
        change("params/0/required", None),
        change("params/1/schema/description", "new words"),
        change("params/0/schema/type", ["string", "integer"]),
        change("params/1/schema/type", "number"),
        change("params/0/schema", {}),
        change("params/2/schema/enum", ["done", "failed", "queued"]),
        change("params/2/schema", {"type": "string"}),
        {**METHOD, "params": [*METHOD["params"], {"name": "new"}]},
        change("result/schema/properties/more", {"type": "string"}),
        change("result/schema/required", ["n", "x"]),
        change("result/schema", {}),
        change("summary", "new words"),
    ],
)
def test_what_only_adds_or_says_less_breaks_nothing(now: dict[str, Any]) -> None:
    assert reasons(now) == []


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (change("params/0", None), "the parameter 'uid' is gone"),
        (change("params/1/required", True), "the parameter 'limit' is required now"),
        ({**METHOD, "params": [*METHOD["params"], {"name": "new", "required": True}]}, "new required parameter 'new'"),
        (change("params/1/schema/default", 20), "the default of 'limit' is 20, and was 10"),
        (change("params/1/schema/default", None), "the default of 'limit' is not told, and was 10"),
        (change("params/0/schema/type", "integer"), "the parameter 'uid': string is no integer"),
        (change("params/2/schema/enum", ["done"]), "the parameter 'state': \"failed\" is none of its values"),
        ({**METHOD, "params": [METHOD["params"][at] for at in (0, 2, 1, 3)]}, "by position it takes uid, state, limit"),
        (change("result/schema/properties/n", None), "the result: the member 'n' is gone"),
        (change("result/schema/properties/x", None), "the result: the member 'x' is gone"),
        (change("result/schema/required", []), "the result: the member 'n' is not always there"),
        (change("result/schema/properties/n/type", "number"), "the result: n: number is no integer"),
        (change("result/schema", {"type": "array"}), "the result: array is no object"),
        (change("x-labgate", {}), "it is not safe any more"),
        (change("x-labgate/result", "array"), "the result is of the kind 'array', and was a plain value"),
    ],
)  # fmt: skip
def test_what_a_program_would_notice_is_told(now: dict[str, Any], words: str) -> None:
    found = reasons(now)
    assert any(words in one for one in found), found


def test_schemas_that_methods_refer_to_are_pinned_too() -> None:
    now = {"Tag": {**SCHEMAS["Tag"], "required": ["name", "colour"]}}
    assert reasons(METHOD, schemas_now=now) == ["the parameter 'tag': the member 'colour' is required"]


def test_kinds_with_many_branches_of_their_own_kind_are_compared_in_no_time() -> None:
    tag = {"anyOf": [{"type": "string"}, *[{"$ref": "#/components/schemas/Tag"}] * 10]}
    assert reasons(METHOD, schemas={"Tag": tag}, schemas_now={"Tag": tag}) == []


def test_kinds_that_hold_their_own_kind_are_compared_to_an_end() -> None:
    tag = {"properties": {"child": {"$ref": "#/components/schemas/Tag"}, "n": {"type": "integer"}}}
    other = {"properties": {**tag["properties"], "n": {"type": "string"}}}
    assert reasons(METHOD, schemas={"Tag": tag}, schemas_now={"Tag": tag}) == []
    assert reasons(METHOD, schemas={"Tag": tag}, schemas_now={"Tag": other}) == [
        "the parameter 'tag': n: integer is no string"
    ]


schemas = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "number", "object", "array", "null"]),
            "enum": st.lists(st.integers() | st.text(max_size=2), max_size=3),
            "default": st.integers(),
            "nullable": st.booleans(),
            "$ref": st.just("#/components/schemas/Tag"),
        },
    )
    | st.booleans(),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.just("object"),
            "properties": st.dictionaries(st.text(max_size=2), inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, max_size=3),
            "required": st.lists(st.text(max_size=2), max_size=2),
        },
    ),
    max_leaves=8,
)


@given(schemas, schemas)
def test_a_method_agrees_with_itself_whatever_its_schemas_are(first: Any, second: Any) -> None:
    method = {"name": "m", "params": [{"name": "p", "schema": first}], "result": {"schema": second}}
    assert reasons(method, method, {"Tag": second}, {"Tag": second}) == []


def test_a_file_is_sorted_json_with_a_line_for_each_parameter(gate: Gate, tmp_path: Path) -> None:
    gate.add("jobs.Find", None, **{name: METHOD[name] for name in ("params", "result")})
    gate.components = {"schemas": {**SCHEMAS, "Other": {}}}
    gate.about = {"namespaces": {"jobs": {"version": "4.7"}, "other": {"version": "1"}}}
    lab = labgate.connect(gate.url)
    path = tmp_path / "labgate.lock"
    assert not labgate.lock(lab, path)
    text = path.read_text()
    found = json.loads(text)
    assert (found["gate"], found["catalog"], found["services"]) == (gate.url, gate.version, {"jobs": "4.7"})
    assert list(found["methods"]) == sorted(gate.methods)
    assert list(found["schemas"]) == ["Tag"]
    assert '        {"name": "project_uid", "required": true, "schema": {"type": "string"}},\n' in text
    assert not labgate.lock(lab, path, check=True)
    assert path.read_text() == text


def test_only_the_methods_that_a_program_uses_are_pinned(gate: Gate, tmp_path: Path) -> None:
    lab = labgate.connect(gate.url)
    path = tmp_path / "labgate.lock"
    labgate.lock(lab, path, methods=["jobs.get_*", "jobs.list_lanes"])
    assert list(json.loads(path.read_text())["methods"]) == ["jobs.get_job", "jobs.list_lanes"]
    with pytest.raises(SetupError, match="jbos"):
        labgate.lock(lab, path, methods="jbos.*")


def test_a_client_with_a_lock_file_warns_of_a_change_and_refuses_only_the_changed_method(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labgate.lock"
    labgate.lock(labgate.connect(gate.url), path)
    lab = labgate.connect(gate.url, lock=path)
    assert lab.jobs.get_job("P1", "J1")["params"]
    gate.methods["jobs.get_job"]["params"][2]["required"] = True
    gate.add("jobs.new", 1)
    with pytest.warns(
        MethodChangedWarning, match=r"jobs.get_job \(the parameter 'limit' is required now\)"
    ) as told:
        labgate.refresh(lab)
    assert told[0].filename == __file__
    sent = len(gate.calls())
    with pytest.raises(MethodChanged, match="'limit' is required now") as refused:
        lab.jobs.get_job("P1", "J1", 3)
    assert "labgate lock -o" in str(refused.value)
    assert pickle.loads(pickle.dumps(refused.value)).method == "jobs.get_job"
    with pytest.raises(MethodChanged), labgate.batch(lab) as batch:
        batch.jobs.get_job("P1", "J1", 3)
    assert len(gate.calls()) == sent
    assert lab.jobs.list_lanes() == ["a", "b"]
    assert lab.jobs.new() == 1
    # A new client knows it from its start, and one without the file has nothing to do with it.
    monkeypatch.setenv("LABGATE_LOCK", str(path))
    with pytest.warns(MethodChangedWarning):
        late = labgate.connect(gate.url, cache_dir=tmp_path / "new")
    with pytest.raises(MethodChanged):
        late.jobs.get_job("P1", "J1", 3)
    assert labgate.connect(gate.url, lock="").jobs.get_job("P1", "J1", 3)
    # What is as it was is called again.
    gate.methods["jobs.get_job"]["params"][2]["required"] = False
    labgate.refresh(lab)
    assert lab.jobs.get_job("P1", "J1", 3)


def test_a_client_with_a_lock_file_asks_for_todays_list_and_starts_without_a_gate(
    gate: Gate, tmp_path: Path
) -> None:
    path = tmp_path / "labgate.lock"
    cache = tmp_path / "kept"
    labgate.lock(labgate.connect(gate.url, cache_dir=cache), path)
    del gate.methods["jobs.list_lanes"]
    with pytest.warns(MethodChangedWarning, match="it is gone"):
        lab = labgate.connect(gate.url, cache_dir=cache, lock=path, timeout=10)
    with pytest.raises(NotFound):
        lab["jobs.list_lanes"]
    away = tmp_path / "away"
    gate.add("jobs.list_lanes", [], **{"x-labgate": {"safe": True}})
    labgate.connect(gate.url, cache_dir=away)
    gate.document = b"no list"
    with warnings.catch_warnings(action="error"):
        assert len(labgate.methods(labgate.connect(gate.url, cache_dir=away, lock=path))) == len(gate.methods)


def test_a_pickled_client_keeps_its_lock_file(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "labgate.lock"
    labgate.lock(labgate.connect(gate.url), path)
    lab = labgate.connect(gate.url, lock=path)
    again = pickle.loads(pickle.dumps(lab))
    gate.methods["jobs.get_job"]["params"][2]["required"] = True
    with pytest.warns(MethodChangedWarning):
        labgate.refresh(again)
    with pytest.raises(MethodChanged):
        again.jobs.get_job("P1", "J1", 3)


def test_methods_of_a_datastack_are_pinned_for_clients_in_it(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "labgate.lock"
    gate.about = {"local": {"local": ["d"]}}
    gate.add("local.get", 1)
    labgate.lock(labgate.connect(gate.url, datastack="d"), path)
    del gate.methods["local.get"]
    labgate.connect(gate.url, lock=path)  # not in it: nothing to tell
    with pytest.warns(MethodChangedWarning, match="local.get"):
        labgate.connect(gate.url, lock=path)(datastack="d")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"labgate_lock": 2}', '{"labgate_lock": 1, "methods": {}}'])
def test_what_is_no_lock_file_is_told(gate: Gate, tmp_path: Path, text: str) -> None:
    path = tmp_path / "labgate.lock"
    path.write_text(text)
    with pytest.raises(SetupError, match="no lock file"):
        labgate.connect(gate.url, lock=path)
    with pytest.raises(SetupError, match="labgate lock -o"):
        labgate.connect(gate.url, lock=tmp_path / "none")


def test_the_command_writes_and_checks(gate: Gate, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "labgate.cli", "lock", "-o", str(tmp_path / "l"), "--url", gate.url]
        return subprocess.run([*command, *arguments], check=False, capture_output=True, text=True, timeout=60)

    assert run("--check").returncode == 2
    assert run("--methods", "jobs.get_*").returncode == 0
    assert run("--check").returncode == 0
    gate.methods["jobs.get_job"]["params"][2]["required"] = True
    gate.methods["jobs.list_lanes"]["params"] = [{"name": "x", "required": True}]
    ended = run("--check")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["changed"] == {"jobs.get_job": ["the parameter 'limit' is required now"]}


async def test_an_async_client_has_a_lock_file_too(gate: Gate, tmp_path: Path) -> None:
    path = tmp_path / "labgate.lock"
    labgate.lock(labgate.connect(gate.url), path)
    async with labgate.aconnect(gate.url, lock=path, cache_dir=tmp_path / "new") as lab:
        assert await lab.jobs.get_job("P1", "J1")
        gate.methods["jobs.get_job"]["params"][2]["required"] = True
        with pytest.warns(MethodChangedWarning):
            await labgate.refresh(lab)
        with pytest.raises(MethodChanged):
            await lab.jobs.get_job("P1", "J1", 3)
    with pytest.warns(MethodChangedWarning):
        late = await labgate.aconnect(gate.url, lock=path)
    with pytest.raises(MethodChanged):
        await late.jobs.get_job("P1", "J1", 3)
    assert await late.jobs.list_lanes() == ["a", "b"]
    await labgate.aclose(late)
