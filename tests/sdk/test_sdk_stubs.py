"""Do the files of types say what a client has, to real type checkers too, whatever names and texts a service has?"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labgate
from labgate._catalog import Catalog, catalog_of
from labgate._names import attribute_name
from labgate._stubnames import names_in
from labgate._stubtext import MARK, StubText
from labgate._tree import Space, grow
from labgate.errors import SetupError
from tests.sdk.conftest import TOKEN, Gate

OURS = {"Node", "Namespace", "AsyncNamespace", "Connecting", "_Array", "_Called", "_AsyncCalled"}


def text_of(methods: list[dict[str, Any]], about: Any = None, schemas: Any = None) -> str:
    """The types of a gate that has these methods."""
    document = {"methods": methods, "x-labgate": about or {}, "components": {"schemas": schemas or {}}}
    # Through JSON, as everything that a gate says.
    catalog = catalog_of(json.loads(json.dumps(document)), "v")
    return StubText(*tree_of(catalog), {}).text("https://gate.lab.org")


def tree_of(catalog: Catalog) -> tuple[Space, Catalog]:
    return grow(None, catalog), catalog  # type: ignore[arg-type]


def classes_of(text: str) -> dict[str, ast.ClassDef]:
    return {one.name: one for one in ast.parse(text).body if isinstance(one, ast.ClassDef)}


def functions_of(text: str, name: str) -> dict[str, ast.FunctionDef]:
    return {one.name: one for one in classes_of(text)[name].body if isinstance(one, ast.FunctionDef)}


def head_of(text: str, name: str, method: str) -> str:
    """A method as it is written, without its documentation."""
    function = functions_of(text, name)[method]
    function.body = [ast.Expr(ast.Constant(...))]
    return ast.unparse(function).replace("_typing.", "").splitlines()[-2]


def taken(schema: Any, **more: Any) -> str:
    """The type that a parameter of this schema is given."""
    text = text_of([{"name": "s.m", "params": [{"name": "p", "required": True, "schema": schema}]}], **more)
    return head_of(text, "S", "m")[len("def m(self, /, p: ") : -len(") -> Any:")]


def result(schema: Any, **more: Any) -> str:
    """The type of a result of this schema."""
    text = text_of([{"name": "s.m", "params": [], "result": {"schema": schema}}], **more)
    return head_of(text, "S", "m")[len("def m(self, /) -> ") : -1]


def test_every_method_has_its_signature() -> None:
    text = text_of(
        [
            {
                "name": "jobs.get_job",
                "params": [
                    {"name": "uid", "required": True, "schema": {"type": "string"}},
                    {"name": "limit", "schema": {"type": "integer", "default": 10}},
                    {"name": "import", "required": True, "schema": {}},
                    {"name": "odd-name"},
                ],
                "result": {"schema": {"type": ["object", "null"]}},
            },
            {"name": "jobs.any", "x-labgate": {"undescribed": True}},
        ]
    )
    assert head_of(text, "Jobs", "get_job") == (
        "def get_job(self, /, uid: str, limit: _Integer=10, *, import_: Any, **more: Any) -> dict[str, Any] | None:"
    )
    assert head_of(text, "Jobs", "any") == "def any(self, /, *args: Any, **kwargs: Any) -> Any:"


@pytest.mark.parametrize(
    ("schema", "parameter", "answer"),
    [
        ({"type": "string"}, "str", "str"),
        ({"type": "integer"}, "_Integer", "int"),
        ({"type": "number"}, "_Number", "float"),
        ({"type": "boolean"}, "bool", "bool"),
        ({"type": "null"}, "None", "None"),
        ({"type": "string", "format": "date-time"}, "_Moment", "str"),
        ({"type": "string", "format": "binary"}, "_Bytes", "str"),
        ({"type": "string", "nullable": True}, "str | None", "str | None"),
        ({"type": ["null", "string"]}, "str | None", "str | None"),
        (
            {"enum": ["a", "b'\n", 3, None]},
            "Literal['a', \"b'\\n\", 3, None]",
            "Literal['a', \"b'\\n\", 3, None]",
        ),
        ({"const": True}, "Literal[True]", "Literal[True]"),
        ({"type": "array", "items": {"type": "integer"}}, "_Array[_Integer]", "list[int]"),
        ({"type": "array"}, "_Array[Any]", "list[Any]"),
        ({"type": "object"}, "Mapping[str, Any]", "dict[str, Any]"),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}},
            "Mapping[str, _Integer]",
            "dict[str, int]",
        ),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "str | _Integer", "str | int"),
        ({"oneOf": [{"type": "string"}, {}]}, "Any", "Any"),
        ({"allOf": [{"type": "string"}]}, "str", "str"),
        ({"allOf": [{"type": "string"}, {"minLength": 1}]}, "Any", "Any"),
        ({"type": "wrong"}, "Any", "Any"),
        ({"type": [["deep"]]}, "Any", "Any"),
        ({"$ref": "#/components/schemas/Nowhere"}, "Any", "Any"),
        (True, "Any", "Any"),
        (None, "Any", "Any"),
    ],
)
def test_a_schema_means_a_type(schema: Any, parameter: str, answer: str) -> None:
    assert (taken(schema), result(schema)) == (parameter, answer)


def test_described_objects_are_classes_and_may_hold_their_own_kind() -> None:
    schemas = {
        "files.Tag": {
            "type": "object",
            "description": "A tag.",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/components/schemas/files.Tag"}},
                "odd": {"type": "object", "properties": {"no-name": {"type": "integer"}, "class": {}}},
            },
            "required": ["name"],
        }
    }
    schema = {"$ref": "#/components/schemas/files.Tag"}
    assert result(schema, schemas=schemas) == "FilesTag"
    assert taken(schema, schemas=schemas) == "FilesTag | Mapping[str, Any]"
    text = text_of([{"name": "s.m", "params": [], "result": {"schema": schema}}], schemas=schemas)
    written = ast.unparse(classes_of(text)["FilesTag"]).replace("_typing.", "")
    assert "name: str" in written
    assert "children: NotRequired[list[FilesTag]]" in written
    assert "odd: NotRequired[FilesTagOdd]" in written
    assert "FilesTagOdd = _typing.TypedDict(\"FilesTagOdd\", {'no-name': _typing.NotRequired[int]" in text


def test_kinds_with_many_branches_of_their_own_kind_are_written_in_no_time() -> None:
    tag = {"anyOf": [{"type": "string"}, *[{"$ref": "#/components/schemas/Tag"}] * 10]}
    assert result({"$ref": "#/components/schemas/Tag"}, schemas={"Tag": tag}) == "Any"


@pytest.mark.parametrize(
    ("notes", "returns"),
    [
        ({"result": "array"}, "_NDArray[Any]"),
        ({"result": "bytes"}, "bytes"),
        ({"result": "table"}, "Any"),
        ({"result": "volume", "volume": {"read": "read"}}, "_Volume"),
        ({"result": "source", "source": {"read": "read"}}, "_Source"),
        ({"sources": {"items": "items", "source": "source"}}, "_Found"),
    ],
)
def test_a_result_that_is_a_handle_says_so(notes: dict[str, Any], returns: str) -> None:
    text = text_of([{"name": "s.m", "params": [], "x-labgate": notes}])
    assert head_of(text, "S", "m") == f"def m(self, /) -> {returns}:"


def test_tables_and_items_are_what_the_client_makes_of_them() -> None:
    text = text_of(
        [
            {"name": "s.tables", "params": [], "x-labgate": {"result": "tables", "query": "s.q", "of": "table"}},
            {"name": "s.source", "params": [], "x-labgate": {"result": "source", "source": {"read": "r"}, "item": True}},
        ]
    )  # fmt: skip
    assert "    tables: _Tables\n" in text
    assert "    tables: _AsyncTables\n" in text
    assert head_of(text, "S", "__getitem__") == "def __getitem__(self, key: Any, /) -> _Source:"


def test_namespaces_nest_and_a_method_hides_a_namespace_of_its_name() -> None:
    text = text_of(
        [{"name": name, "params": []} for name in ("a.b.c", "a.d", "a.d.e", "top", "Client", "str.str")]
    )
    assert {"Client", "A", "AB", "Str"} <= classes_of(text).keys()
    assert "    b: AB\n" in text
    assert set(functions_of(text, "A")) == {"d"}
    assert set(functions_of(text, "Client")) == {"top", "Client"}


def test_a_method_with_the_name_of_a_type_does_not_change_what_the_types_beside_it_mean() -> None:
    params = [{"name": "self", "required": True, "schema": {"type": "string"}}]
    text = text_of([{"name": f"s.{name}", "params": params} for name in ("str", "int")])
    assert head_of(text, "S", "int") == "def int(_labgate, /, self: _builtins.str) -> Any:"


def test_async_clients_have_the_same_methods_as_coroutine_functions() -> None:
    volume = {"result": "volume", "volume": {"read": "read"}}
    source = {"result": "source", "source": {"read": "r"}, "item": True}
    methods = [
        {"name": "s.get", "params": [], "result": {"schema": {"type": "object", "properties": {"x": {}}}}},
        {"name": "s.deep.volume", "params": [], "x-labgate": volume},
        {"name": "s.source", "params": [], "x-labgate": source},
        {"name": "s.tables", "params": [], "x-labgate": {"result": "tables", "query": "s.q", "of": "t"}},
    ]
    tree = tree_of(catalog_of({"methods": methods}, "v"))
    made = StubText(*tree, {"a stack": tree})
    text = made.text("https://gate.lab.org")
    classes = classes_of(text)
    assert made.awaited_named == {"a stack": "AsyncAStackClient"}
    heads = {
        one.name: ast.unparse(one).splitlines()[0].replace("_typing.", "")
        for one in classes["AsyncS"].body
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert heads == {
        "__getitem__": "def __getitem__(self, key: Any, /) -> Awaitable[_AsyncSource]:",
        "get": "async def get(self, /) -> SGetResult:",
        "source": "async def source(self, /) -> _AsyncSource:",
    }
    assert "    deep: AsyncSDeep\n" in text
    assert "async def volume(self, /) -> _AsyncVolume:" in text
    assert "import AsyncVolume as _AsyncVolume" in text
    assert ast.unparse(classes["AsyncAStackClient"].bases[0]) == "AsyncClient"
    assert head_of(text, "S", "get") == "def get(self, /) -> SGetResult:"
    # Told once, not for each kind of clients.
    assert set(names_in(text)) == {"SGetResult", "s.deep.volume", "s.get", "s.source", "s.tables"}


def test_what_is_deprecated_is_marked() -> None:
    text = text_of([{"name": "s.old", "params": [], "deprecated": True}])
    assert "from typing_extensions import deprecated as _deprecated" in text
    assert len(functions_of(text, "S")["old"].decorator_list) == 1


hostile = st.text(
    st.sampled_from("\"\\'\n\r\t`#{}()[],:;.=\u202e\u2028\x0c\x00aZ_é ") | st.characters(), max_size=30
)
leaves = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True) | hostile
wires = st.lists(leaves, min_size=1, max_size=3).map(".".join)
values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | hostile
)
schemas = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "object", "array", "null"]) | hostile,
            "enum": st.lists(values, max_size=4),
            "default": values,
            "description": hostile,
            "format": st.sampled_from(["binary", "date-time"]),
            "$ref": hostile.map("#/components/schemas/{}".format),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array"]),
            "properties": st.dictionaries(hostile | leaves, inner, max_size=3),
            "items": inner,
            "anyOf": st.lists(inner, max_size=3),
            "required": st.lists(hostile, max_size=2),
            "description": hostile,
        },
    ),
    max_leaves=6,
)
parameters = st.fixed_dictionaries(
    {"name": leaves}, optional={"required": st.booleans(), "schema": schemas, "description": hostile}
)
methods = st.fixed_dictionaries(
    {"name": wires, "params": st.lists(parameters, max_size=4)},
    optional={
        "summary": hostile,
        "description": hostile,
        "deprecated": st.booleans(),
        "result": st.fixed_dictionaries({"schema": schemas}),
        "externalDocs": st.fixed_dictionaries({"url": hostile}),
        "x-labgate": st.fixed_dictionaries(
            {"result": st.sampled_from(["array", "bytes", "table", "tables"])}
        ),
    },
)


@settings(max_examples=150)
@given(st.lists(methods, max_size=5), st.dictionaries(hostile, schemas, max_size=3), hostile)
def test_nothing_that_a_service_says_gets_out_of_its_place(
    described: list[dict[str, Any]], shared: dict[str, Any], summary: str
) -> None:
    first = str(described[0]["name"]).partition(".")[0] if described else "s"
    about = {"namespaces": {first: {"summary": summary, "mount": "/x"}}}
    text = text_of(described, about, shared)
    tree = ast.parse(text)
    assert all(
        isinstance(one, (ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign))
        for one in tree.body
    )
    catalog = catalog_of(json.loads(json.dumps({"methods": described, "x-labgate": about})), "v")
    root = grow(None, catalog)  # type: ignore[arg-type]
    expected = sorted(_functions(root))
    classes = [one for name, one in classes_of(text).items() if name not in OURS]
    for kind in (ast.FunctionDef, ast.AsyncFunctionDef):
        found = [one.name for each in classes for one in each.body if isinstance(one, kind)]
        assert sorted(found) == expected
    # What is evaluated by nobody must still be no call and no name of the network's: types are made of our words.
    calls = [one for one in ast.walk(tree) if isinstance(one, ast.Call)]
    assert all(isinstance(one.func, (ast.Attribute, ast.Name)) for one in calls)
    assert {ast.unparse(one.func) for one in calls} <= {"_typing.TypedDict", "_typing.TypeVar", "_deprecated"}


def _functions(space: Space) -> list[str]:
    found = [name for name in space.leaves() if attribute_name(name) is not None or name.endswith("_")]
    for name, child in space.children.items():
        if name not in space.leaves():
            found += _functions(child)
    return found


def test_the_files_are_written_and_a_check_tells_what_has_changed_since(gate: Gate, tmp_path: Path) -> None:
    lab = labgate.connect(gate.url)
    folder = tmp_path / "typings"
    first = labgate.stubs(lab, folder)
    assert "jobs.get_job" in first.added
    assert not labgate.stubs(lab, folder, check=True)
    gate.add("jobs.new", None)
    gate.methods["jobs.get_job"]["params"].pop()
    del gate.methods["jobs.anything"]
    labgate.refresh(lab)
    for check in (True, False):
        changes = labgate.stubs(lab, folder, check=check)
        assert (changes.added, changes.changed, changes.removed) == (
            ("jobs.new",), ("jobs.get_job",), ("jobs.anything",)
        )  # fmt: skip
    assert not labgate.stubs(lab, folder, check=True)


def test_the_same_methods_at_another_address_are_no_change(gate: Gate, tmp_path: Path) -> None:
    labgate.stubs(labgate.connect(gate.url), tmp_path)
    assert not labgate.stubs(
        labgate.connect(gate.url.replace("127.0.0.1", "localhost")), tmp_path, check=True
    )


def test_a_file_of_somebody_else_is_left_alone(gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "labgate").mkdir()
    (tmp_path / "labgate" / "__init__.pyi").write_text("x: int\n")
    with pytest.raises(SetupError, match="not made by"):
        labgate.stubs(labgate.connect(gate.url), tmp_path)
    assert (tmp_path / "labgate" / "__init__.pyi").read_text() == "x: int\n"
    assert not (tmp_path / "labgate" / "_client.pyi").exists()


def test_a_file_that_was_cut_is_made_again(gate: Gate, tmp_path: Path) -> None:
    lab = labgate.connect(gate.url)
    labgate.stubs(lab, tmp_path)
    file = tmp_path / "labgate" / "_client.pyi"
    whole = file.read_text()
    file.write_text(f"{MARK}\n# From\nclass (")
    assert "jobs.get_job" in labgate.stubs(lab, tmp_path).added
    assert file.read_text() == whole


def test_the_package_has_every_public_name_in_its_types(gate: Gate, tmp_path: Path) -> None:
    labgate.stubs(labgate.connect(gate.url), tmp_path)
    tree = ast.parse((tmp_path / "labgate" / "__init__.pyi").read_text())
    names = {alias.asname for one in tree.body if isinstance(one, ast.ImportFrom) for alias in one.names}
    names |= {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}
    assert {*labgate.__all__, "errors", "command"} - {"__version__"} <= names


def test_the_command_writes_checks_and_tells_names(gate: Gate, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "labgate.cli", "stubs", "-o", str(tmp_path / "t"), "--url", gate.url]
        return subprocess.run([*command, *arguments], check=False, capture_output=True, text=True, timeout=60)

    assert json.loads(run("--check").stdout)["added"]
    assert run("--check").returncode == 1
    assert not (tmp_path / "t").exists()
    assert run().returncode == 0
    ended = run("--check")
    assert (ended.returncode, json.loads(ended.stdout)["changed"]) == (0, [])
    gate.add("jobs.new", None)
    ended = run("--check")
    assert (ended.returncode, json.loads(ended.stdout)["added"]) == (1, ["jobs.new"])
    gate.token = f"not {TOKEN}"
    assert run().returncode == 4


def test_equal_types_are_equal_text_and_objects_keep_classes_of_their_own() -> None:
    rows = {"type": "array", "items": {"type": "object", "properties": {"uid": {"type": "string"}}}}
    moments = {"type": "array", "items": {"type": ["string", "null"]}}

    def method(name: str) -> dict[str, Any]:
        params = [{"name": f"p{at}", "schema": {**moments, "description": f"{name} {at}"}} for at in range(2)]
        return {"name": name, "params": params, "result": {"name": "r", "schema": rows}}

    text = text_of([method("s.one"), method("s.two")])
    assert text.count(": _Array[str | None] = ...") == 8
    assert "-> list[SOneResultItem]:" in text
    assert "-> list[STwoResultItem]:" in text
    assert {"SOneResultItem", "STwoResultItem"} <= {*classes_of(text)}


def test_a_truth_and_a_number_are_not_taken_for_equal() -> None:
    params = [{"name": f"p{at}", "required": True, "schema": {"const": at}} for at in (1, True)]
    text = text_of([{"name": f"s.m{at}", "params": [one]} for at, one in enumerate(params)])
    assert "Literal[1]" in text
    assert "Literal[True]" in text
