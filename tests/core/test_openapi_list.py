"""Is the document OpenAPI 3.1, whatever upstreams say, and does it say what can be called and how?"""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.core.catalog import Catalog, build
from gateway.core.json_schema import fits, said
from gateway.core.listing import Offer
from gateway.core.method import CacheRule, Param
from gateway.core.openapi_list import FORMATS
from gateway.core.policy import Access, Policies, Policy
from gateway.core.principal import Principal
from gateway.core.service import Described, Description, Rule, Service
from gateway.doors.forms import FORMS


def only(*allow: str) -> Access:
    return Policies([Policy(("authenticated",), allow)]).access(Principal("someone", "here"))


EVERYTHING = only("*")


def offer(*methods: Described, name: str = "jobs", **more: Any) -> Offer:
    service = Service(
        name, "auto", ("http://127.0.0.1:1",), datastack=more.get("datastack"), rules=more.get("rules", {})
    )
    description = Description(methods, "rpc.discover", "/", schemas=more.get("schemas", {}))
    return Offer(service, description, down=more.get("down", False))


def listed(catalog: Catalog, access: Access = EVERYTHING, datastack: str | None = None) -> Any:
    """The document, checked against the specification."""
    read = json.loads(catalog.view(access, datastack).openapi("/"))
    OpenAPIV31SpecValidator(read).validate()
    return read


def document(*methods: Described, **more: Any) -> Any:
    return listed(build([offer(*methods, **more)], release="0.1.0"))


def operation(described: Described, **more: Any) -> tuple[str, str, Any]:
    """The path, the verb and the operation of the one method."""
    ((path, item),) = document(described, **more)["paths"].items()
    ((verb, found),) = item.items()
    return path, verb, found


SAFE = {"*": Rule(safe=True)}
TEXT, NUMBER = {"type": "string"}, {"type": "integer"}


def test_a_safe_method_is_a_get_of_which_everything_is_said() -> None:
    described = Described(
        "get_job",
        (
            Param("project_uid", True, TEXT, "The project."),
            Param("limit", False, NUMBER | {"default": 10}),
            Param("filter", False, {"type": "object"}),
        ),
        result={"type": "object"},
        summary="Get a job.",
        description="Get a job with all its parts.",
        docs="https://lab.org/get_job",
    )
    rule = Rule(safe=True, deprecated=True, cache=CacheRule(30.0), result="table")
    path, verb, found = operation(described, rules={"get_*": rule}, down=True)
    assert (path, verb) == ("/rpc/jobs.get_job", "get")
    assert found == {
        "operationId": "jobs.get_job",
        "tags": ["jobs"],
        "summary": "Get a job.",
        "description": "Get a job with all its parts.",
        "externalDocs": {"url": "https://lab.org/get_job"},
        "deprecated": True,
        "parameters": [
            {
                "name": "project_uid",
                "in": "query",
                "required": True,
                "description": "The project.",
                "schema": TEXT,
            },
            {"name": "limit", "in": "query", "required": False, "schema": NUMBER | {"default": 10}},
            {
                "name": "filter",
                "in": "query",
                "required": False,
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            {"$ref": "#/components/parameters/format.table"},
        ],
        "responses": {
            "200": {
                "description": "The result.",
                "content": {
                    "application/json": {"schema": {"type": "object"}},
                    "text/csv": {},
                    "application/vnd.apache.arrow.stream": {},
                },
            },
            "304": {"$ref": "#/components/responses/NotModified"},
            "default": {"$ref": "#/components/responses/Fault"},
        },
        "x-labgate": {
            "safe": True,
            "idempotent": True,
            "down": True,
            "cache": {"fresh": 30},
            "result": "table",
        },
    }


def test_what_may_change_something_is_a_post_of_an_object() -> None:
    params = (Param("job", True, TEXT, "Which."), Param("file", False, TEXT | {"format": "binary"}))
    path, verb, found = operation(Described("kill", params))
    assert (path, verb) == ("/rpc/jobs.kill", "post")
    assert found["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "job": TEXT | {"description": "Which."},
                        "file": {"anyOf": [TEXT, {"$ref": "#/components/schemas/Bytes"}]},
                    },
                    "required": ["job"],
                }
            }
        },
    }
    assert "requestBody" not in operation(Described("kill", ()))[2]
    assert operation(Described("kill"))[2]["requestBody"]["content"]["application/json"] == {
        "schema": {"type": "object"}
    }


def test_a_safe_method_whose_parameters_are_called_like_the_gates_own_is_a_post() -> None:
    for name in ("format", "datastack"):
        _, verb, found = operation(Described("get", (Param(name),)), rules=SAFE)
        assert verb == "post"
        assert name in found["requestBody"]["content"]["application/json"]["schema"]["properties"]


def test_a_safe_method_that_nobody_describes_takes_any_names() -> None:
    _, verb, found = operation(Described("get"), rules=SAFE)
    assert (verb, found["parameters"][0]) == ("get", {"$ref": "#/components/parameters/arguments"})
    assert found["x-labgate"]["undescribed"]


@pytest.mark.parametrize("name", ["a/b", "a b", "a{b}", "{b", "a?b#c", "é", "a%2Fb", "x" * 200, "..", "a:b"])
def test_any_name_is_one_segment_of_a_path_without_parameters(name: str) -> None:
    path, _, found = operation(Described(name, ()))
    assert found["operationId"] == f"jobs.{name}"
    assert path.count("/") == 2
    assert not set("{}?# ") & set(path)


def test_a_services_schemas_have_keys_that_openapi_takes_and_references_follow() -> None:
    reference = "#/components/schemas/"
    described = Described("get", (Param("a", False, {"$ref": f"{reference}a~1b"}),))
    schemas = {
        "a/b": {"properties": {"next": {"$ref": f"{reference}a~1b"}, "c": {"$ref": f"{reference}a%20b"}}},
        "a b": TEXT,
        "a_b": NUMBER,
        "unused": TEXT,
    }
    read = document(described, schemas=schemas)
    assert read["components"]["schemas"]["jobs.a_b"] == {
        "properties": {
            "next": {"$ref": f"{reference}jobs.a_b"},
            "c": {"$ref": f"{reference}jobs.a_b_2"},
        }
    }
    assert sorted(name for name in read["components"]["schemas"] if "." in name) == ["jobs.a_b", "jobs.a_b_2"]


def test_what_may_not_be_called_is_absent_with_its_schemas() -> None:
    methods = [Described("get", ()), Described("admin", (), result={"$ref": "#/components/schemas/Secret"})]
    catalog = build([offer(*methods, schemas={"Secret": TEXT}), offer(Described("x", ()), name="hidden")])
    text = json.dumps(listed(catalog, only("jobs.get")))
    for hidden in ("admin", "Secret", "hidden"):
        assert hidden not in text
    assert list(listed(catalog, only("jobs.get"))["paths"]) == ["/rpc/jobs.get"]


def test_a_local_services_method_names_its_datastack() -> None:
    catalog = build(
        [offer(Described("get", ()), name="info"), offer(Described("get", ()), name="roots", datastack="fly")]
    )
    paths = listed(catalog, datastack="fly")["paths"]
    assert paths["/rpc/roots.get"]["post"]["parameters"][-1] == {
        "name": "datastack",
        "in": "query",
        "required": True,
        "schema": {"type": "string", "enum": ["fly"]},
    }
    assert len(paths["/rpc/info.get"]["post"]["parameters"]) == 1
    assert list(listed(catalog)["paths"]) == ["/rpc/info.get"]


def test_an_empty_list_is_a_document_too() -> None:
    read = listed(Catalog())
    assert read["paths"] == {}
    assert read["servers"] == [{"url": "/"}]


def test_the_media_types_of_the_list_are_those_of_the_forms() -> None:
    assert {name: form.content_type.decode().partition(";")[0] for name, form in FORMS.items()} == FORMATS


# --- schemas of older times ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "now"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "string", "nullable": True, "enum": ["a"]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"nullable": True, "anyOf": [TEXT]}, {"anyOf": [TEXT, {"type": "null"}]}),
        ({"minimum": 5, "exclusiveMinimum": True}, {"exclusiveMinimum": 5}),
        ({"maximum": 5, "exclusiveMaximum": False}, {"maximum": 5}),
        ({"exclusiveMaximum": 5}, {"exclusiveMaximum": 5}),
        ({"type": "file"}, {"type": "string", "format": "binary"}),
        ({"type": "any"}, {}),
        ({"required": True, "id": "x", "$schema": "y", "$id": "z", "title": "T"}, {"title": "T"}),
        (
            {"items": [TEXT, NUMBER], "additionalItems": False},
            {"prefixItems": [TEXT, NUMBER], "items": False},
        ),
        ({"items": {}, "additionalProperties": True}, {"items": {}, "additionalProperties": True}),
        ({"default": None, "type": "string"}, {"type": "string"}),
        (
            {"default": None, "anyOf": [TEXT, {"type": "null"}]},
            {"default": None, "anyOf": [TEXT, {"type": "null"}]},
        ),
        ({"pattern": "("}, {}),
        ({"$ref": "https://evil.example/x"}, {}),
        ({"$ref": "#/definitions/x", "description": "kept"}, {"description": "kept"}),
        ({"maxLength": -1, "minLength": 1.5, "minimum": float("nan"), "multipleOf": 0}, {}),
        ({"discriminator": "kind", "xml": 1, "allOf": [], "properties": [], "enum": "a"}, {}),
    ],
)
def test_what_older_drafts_say_is_said_in_2020_12_and_what_has_no_meaning_is_left_out(
    written: Any, now: Any
) -> None:
    assert said(written, lambda _: None) == now


@pytest.mark.parametrize(
    ("value", "schema", "does"),
    [
        (1, NUMBER, True),
        (True, NUMBER, False),
        (1.5, NUMBER, False),
        (1, {"type": "number", "minimum": 1, "maximum": 1}, True),
        (0, {"type": "number", "minimum": 1}, False),
        ("a", {"enum": ["a"]}, True),
        (True, {"enum": [1]}, False),
        ("a", {"type": "string", "pattern": "a"}, False),
        ("abc", {"maxLength": 2}, False),
        (1, {"pattern": "a", "items": {}}, True),
        ([], {"type": "array"}, True),
        ([], {"items": {}}, False),
        (None, {"$ref": "#/x"}, False),
        (None, True, True),
        (None, {"allOf": [False]}, False),
    ],
)
def test_a_value_fits_where_that_is_sure(value: Any, schema: Any, does: bool) -> None:
    assert fits(value, schema) is does


KEYWORDS = st.sampled_from(
    [
        *(
            "type",
            "enum",
            "const",
            "default",
            "example",
            "examples",
            "title",
            "description",
            "format",
            "items",
        ),
        *(
            "nullable",
            "required",
            "properties",
            "patternProperties",
            "additionalProperties",
            "allOf",
            "oneOf",
        ),
        *("anyOf", "not", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"),
        *(
            "pattern",
            "maxLength",
            "minItems",
            "uniqueItems",
            "prefixItems",
            "additionalItems",
            "$id",
            "$schema",
        ),
        *(
            "$ref",
            "$defs",
            "$anchor",
            "$dynamicRef",
            "definitions",
            "dependencies",
            "dependentRequired",
            "if",
        ),
        *(
            "discriminator",
            "xml",
            "externalDocs",
            "readOnly",
            "deprecated",
            "contentMediaType",
            "x-more",
            "id",
        ),
    ]
)
WORDS = st.sampled_from(
    [
        *("string", "file", "null", "array", "date-time", "#/components/schemas/Leaf", "(", "^a$", ""),
        *("#/components/schemas/No", "#/properties/a", "other.json"),
    ]
)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=4)
    | st.sampled_from([2**70, -(2**64)])
    | WORDS
)
SCHEMAS = st.recursive(
    VALUES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYWORDS, inner, max_size=5)
        | st.dictionaries(st.text(st.characters(), max_size=3), inner, max_size=3)
    ),
    max_leaves=25,
)


@given(st.lists(st.tuples(st.text(st.characters()), st.dictionaries(KEYWORDS, SCHEMAS)), max_size=4), SCHEMAS)
def test_no_schema_of_an_upstream_makes_the_document_invalid(
    params: list[tuple[str, dict[str, Any]]], result: Any
) -> None:
    taken = tuple(Param(name, False, schema) for name, schema in params)
    found = result if isinstance(result, dict) else {"anyOf": [result]}
    schemas = {"Leaf": params[0][1] if params and "$ref" not in str(params[0][1]) else TEXT, "Other": result}
    methods = [Described("get", taken, result=found), Described("set", taken), Described("free")]
    document(*methods, schemas=schemas, rules={"get": Rule(safe=True)})


def test_what_is_nested_deeply_is_cut_off_and_circles_of_references_stay() -> None:
    deep: Any = {}
    for _ in range(2000):
        deep = {"allOf": [deep], "properties": {"a": {}}}
    circle = {"properties": {"a": {"$ref": "#/components/schemas/Circle"}}}
    described = Described(
        "get", (Param("deep", False, deep),), result={"$ref": "#/components/schemas/Circle"}
    )
    read = document(described, schemas={"Circle": circle}, rules=SAFE)
    assert read["components"]["schemas"]["jobs.Circle"]["properties"]["a"] == {
        "$ref": "#/components/schemas/jobs.Circle"
    }
