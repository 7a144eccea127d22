"""Is what an upstream says of types passed on only as far as it can be said, bounded, and without loose ends?"""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.jsonrpc.schemas import MAX_SCHEMAS, Schemas, type_schema
from gateway.dialects.openapi.schemas import Document
from gateway.dialects.openapi.schemas import Schemas as OpenApiSchemas
from gateway.dialects.texts import text


@pytest.mark.parametrize(
    ("names", "schema"),
    [
        ("bit Boolean bool", {"type": "boolean"}),
        ("num Number float double", {"type": "number"}),
        ("int integer", {"type": "integer"}),
        ("str String", {"type": "string"}),
        ("arr Array list", {"type": "array"}),
        ("obj Object dict struct", {"type": "object"}),
        ("nil Null None", {"type": "null"}),
        ("any Any undef Foo", {}),
    ],
)
def test_type_names_of_all_conventions_are_json_schema_hints(names: str, schema: dict[str, Any]) -> None:
    assert all(type_schema(name) == schema for name in names.split())


@pytest.mark.parametrize("name", [None, 3, ["num"], {"type": "num"}, "num" * 1000])
def test_a_type_that_is_no_name_says_nothing(name: Any) -> None:
    assert type_schema(name) == {}


def test_references_reach_the_named_schemas_under_names_that_need_no_escaping() -> None:
    schemas = Schemas(
        {
            "List[int]": {"type": "array"},
            "List(int)": {},
            "a/b~c": {},
            "Self": {"$ref": "#/components/schemas/Self"},
        }
    )
    assert schemas.components.keys() == {"List_int_", "List_int__2", "a_b_c", "Self"}
    root = "#/components/schemas/"
    for ref, target in [
        ("List[int]", "List_int_"),
        ("List%5Bint%5D", "List_int_"),
        ("List(int)", "List_int__2"),
        ("a~1b~0c", "a_b_c"),
        ("Self", "Self"),
    ]:
        assert schemas.clean({"items": {"$ref": root + ref}}) == {"items": {"$ref": root + target}}


@pytest.mark.parametrize(
    "ref",
    ["#/components/schemas/None", "#/$defs/X", "#", "https://evil.example/schema.json", "file:///etc/passwd"],
)
def test_references_that_lead_elsewhere_are_dropped(ref: str) -> None:
    assert Schemas({"A": {}}).clean({"$ref": ref, "title": "x"}) == {"title": "x"}


@pytest.mark.parametrize("schema", [None, True, [], "x", 3])
def test_what_is_no_schema_says_nothing(schema: Any) -> None:
    assert Schemas().clean(schema) == {}


def test_a_schema_too_deep_or_too_large_says_nothing() -> None:
    deep: dict[str, Any] = {}
    for _ in range(10_000):
        deep = {"items": deep}
    assert Schemas().clean(deep) == {}
    assert Schemas().clean({"enum": list(range(20_000))}) == {}
    assert Schemas().clean({"default": "x" * 2_000_000}) == {}
    assert len(Schemas({str(number): {} for number in range(MAX_SCHEMAS + 5)}).components) == MAX_SCHEMAS


NO_NUMBERS = [float("nan"), float("inf"), -float("inf"), float("1e400"), 2**64, -(2**63) - 1]
CLEANERS = [Schemas().clean, OpenApiSchemas(Document({})).clean]


@pytest.mark.parametrize("clean", CLEANERS, ids=["jsonrpc", "openapi"])
@pytest.mark.parametrize("odd", NO_NUMBERS, ids=str)
def test_a_number_that_cannot_be_told_is_left_out_and_not_told_as_another(clean: Any, odd: float) -> None:
    assert clean({"type": "number", "default": odd, "maximum": odd, "minimum": 0}) == {
        "type": "number",
        "minimum": 0,
    }
    assert clean({"properties": {"a": {"default": odd}, "b": {"default": None}}}) == {
        "properties": {"a": {}, "b": {"default": None}}
    }
    # What is a value is told whole or not at all: half of a default is another one.
    assert clean({"default": {"a": 1, "b": [2, {"c": odd}]}, "enum": [1, odd], "title": "t"}) == {
        "title": "t"
    }


def test_named_schemas_of_the_wrong_type_are_none() -> None:
    assert Schemas(["A"]).components == {}
    assert Schemas({"A": "x"}).components == {"A": {}}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(), max_size=5), VALUES))
def test_what_is_passed_on_can_be_written_as_json(schema: dict[str, Any]) -> None:
    cleaned = Schemas().clean(schema)
    assert orjson.loads(orjson.dumps(cleaned)) == cleaned


@given(st.text(st.characters(), max_size=60), st.integers(1, 20))
def test_a_text_is_short_and_can_be_written(value: str, limit: int) -> None:
    said = text(value, limit)
    assert len(said) <= limit
    said.encode()
    assert not any(ord(char) < 32 and char not in "\n\t" for char in said)
