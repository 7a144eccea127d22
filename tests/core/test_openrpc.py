"""Is the document OpenRPC 1.3.2, and does it say what the gate knows?"""

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from gateway.core.catalog import build
from gateway.core.faults import TABLE
from gateway.core.listing import Listing, Offer, list_of
from gateway.core.method import CacheRule, HttpBinding, Param
from gateway.core.openrpc import json_text
from gateway.core.policy import Access, Policies, Policy
from gateway.core.principal import Principal
from gateway.core.service import Described, Description, Rule, Service

TEXT = {"type": "string"}
NAME = {"type": "string", "minLength": 1}


def closed(required: str, /, **members: Any) -> dict[str, Any]:
    """An object of these members and extensions, as the specification's "fixed fields"."""
    return {
        "type": "object",
        "required": required.split(),
        "properties": members,
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
    }


# What sections "OpenRPC Object" to "Error Object" of the specification ask of the members that the gate writes.
SCHEMA = {"$ref": Draft7Validator.META_SCHEMA["$id"]}
DESCRIPTOR = closed(
    "name schema", name=NAME, description=TEXT, summary=TEXT, required={"type": "boolean"}, schema=SCHEMA
)
METHOD = closed(
    "name params",
    name=NAME,
    summary=TEXT,
    description=TEXT,
    tags={"type": "array", "items": closed("name", name=NAME)},
    paramStructure={"enum": ["by-name", "by-position", "either"]},
    params={"type": "array", "items": DESCRIPTOR},
    result=DESCRIPTOR,
    deprecated={"type": "boolean"},
    externalDocs=closed("url", url={"type": "string", "pattern": "^https?://"}),
)
COMPONENTS = closed(
    "",
    schemas={"type": "object", "additionalProperties": SCHEMA},
    errors={
        "type": "object",
        "additionalProperties": closed("code message", code={"type": "integer"}, message=TEXT),
    },
)
DOCUMENT = Draft7Validator(
    closed(
        "openrpc info methods",
        openrpc={"const": "1.3.2"},
        info=closed("title version", title=TEXT, version=TEXT),
        methods={"type": "array", "items": METHOD},
        components=COMPONENTS,
    )
)


def everything() -> Access:
    return Policies([Policy(("authenticated",), ("*",))]).access(Principal("someone", "here"))


def only(*allow: str) -> Access:
    return Policies([Policy(("authenticated",), allow)]).access(Principal("someone", "here"))


def document(
    *methods: Described,
    rules: dict[str, Rule] | None = None,
    schemas: dict[str, Any] | None = None,
    access: Access | None = None,
    down: bool = False,
    **more: Any,
) -> Any:
    """The document of the one service `jobs`, checked against the specification."""
    service = Service("jobs", "auto", ("http://127.0.0.1:1",), rules=rules or {})
    description = Description(methods, "rpc.discover", "/", schemas=schemas or {}, **more)
    made = build([Offer(service, description, down=down, why="gone" if down else None)], release="0.1.0")
    read = orjson.loads(made.view(access or everything()).openrpc())
    DOCUMENT.validate(read)
    names = [method["name"] for method in read["methods"]]
    assert len(set(names)) == len(names)
    for method in read["methods"]:
        params = [param["name"] for param in method["params"]]
        assert len(set(params)) == len(params)
    return read


def method(described: Described, rules: dict[str, Rule] | None = None, **more: Any) -> Any:
    (found,) = document(described, rules=rules, **more)["methods"]
    return found


def test_a_method_of_which_everything_is_known_is_said_whole() -> None:
    described = Described(
        "get_job",
        (
            Param("project_uid", True, {"type": "string"}, "The project."),
            Param("limit", False, {"type": "integer", "default": 10}),
        ),
        result={"type": "object"},
        summary="Get a job.",
        description="Get a job with all its parts.",
        docs="https://lab.org/get_job",
    )
    rule = Rule(safe=True, deprecated=True, cache=CacheRule(30.0, 1.5), result="array", item=True)
    assert method(described, {"get_*": rule}, down=True) == {
        "name": "jobs.get_job",
        "summary": "Get a job.",
        "description": "Get a job with all its parts.",
        "tags": [{"name": "jobs"}],
        "paramStructure": "either",
        "params": [
            {
                "name": "project_uid",
                "required": True,
                "schema": {"type": "string"},
                "description": "The project.",
            },
            {"name": "limit", "required": False, "schema": {"type": "integer", "default": 10}},
        ],
        "result": {"name": "result", "schema": {"type": "object"}},
        "deprecated": True,
        "externalDocs": {"url": "https://lab.org/get_job"},
        "x-labgate": {
            "safe": True,
            "idempotent": True,
            "down": True,
            "cache": {"fresh": 30, "stale": 1.5},
            "result": "array",
            "item": True,
        },
    }


def test_a_method_of_which_nothing_is_known_says_so_and_no_more() -> None:
    assert method(Described("get")) == {
        "name": "jobs.get",
        "tags": [{"name": "jobs"}],
        "paramStructure": "either",
        "params": [],
        "result": {"name": "result", "schema": {}},
        "x-labgate": {"undescribed": True},
    }
    assert "x-labgate" not in method(Described("get", ()))


def test_a_method_that_is_a_request_below_a_mount_says_which_and_nothing_of_where_its_service_is() -> None:
    described = Described("get", (), binding=HttpBinding("GET", "/tiles/{level}?kind=raw"))

    def listed(base: str = "/v2", mount: str | None = "/files") -> tuple[Listing, Any]:
        service = Service("jobs", "auto", ("http://secret.lab:1/inner",), mount=mount)
        offer = Offer(service, Description((described,), "OpenAPI 3.1.0", base))
        catalog = build([offer])
        text = catalog.view(everything()).openrpc()
        assert b"secret" not in text
        assert b"inner" not in text
        return catalog.listings["jobs"], orjson.loads(text)["methods"][0].get("x-labgate")

    before, said = listed()
    assert said == {"http": "GET /files/v2/tiles/{level}"}
    assert listed(mount=None)[1] is None
    assert listed(mount="/", base="")[1] == {"http": "GET /tiles/{level}"}
    # Its base may move while the method stays described as it was.
    service = before.service
    moved = list_of(Offer(service, Description((described,), "OpenAPI 3.1.0", "/v3")), before)
    assert moved.items["jobs.get"].method.facts["http"] == "GET /files/v3/tiles/{level}"
    assert b"/files/v3/" in moved.items["jobs.get"].rendered.text


@pytest.mark.parametrize("docs", ["javascript:alert(1)", "//lab.org", "see the wiki", "data:,x", ""])
def test_documentation_that_is_no_web_address_is_not_passed_on(docs: str) -> None:
    assert "externalDocs" not in method(Described("get", (), docs=docs))


def test_the_root_names_the_gate_its_errors_and_its_namespaces() -> None:
    read = document(Described("get"), version="4.5", summary="All jobs")
    assert read["info"] == {"title": "labgate", "version": "0.1.0"}
    assert read["components"]["errors"]["Forbidden"]["code"] == -32002
    assert len(read["components"]["errors"]) == len(TABLE)
    assert read["x-labgate"]["namespaces"] == {"jobs": {"summary": "All jobs", "version": "4.5"}}
    assert next(iter(read["x-labgate"])) == "catalog"


def test_a_services_schemas_are_named_after_it_and_references_follow() -> None:
    reference = "#/components/schemas/Job"
    described = Described(
        "get",
        (Param("job", True, {"$ref": reference}),),
        result={
            "type": "array",
            "items": {"anyOf": [{"$ref": f"{reference}/properties/parent"}, {"type": "null"}]},
        },
        summary=f'Has the text "$ref":"{reference}" in it',
    )
    schemas = {
        "Job": {"type": "object", "properties": {"parent": {"$ref": reference}, "$ref": {"type": "string"}}}
    }
    read = document(described, schemas=schemas)
    (found,) = read["methods"]
    moved = "#/components/schemas/jobs.Job"
    assert found["params"][0]["schema"] == {"$ref": moved}
    assert found["result"]["schema"]["items"]["anyOf"][0] == {"$ref": f"{moved}/properties/parent"}
    assert found["summary"] == described.summary
    assert read["components"]["schemas"] == {
        "jobs.Job": {"type": "object", "properties": {"parent": {"$ref": moved}, "$ref": {"type": "string"}}}
    }


@pytest.mark.parametrize(
    ("name", "pointer"),
    [("a/b", "a~1b"), ("a~b", "a~0b"), ("a b", "a%20b"), ('a"b', 'a"b'), ("a\\b", "a\\b")],
)
def test_schemas_of_any_name_are_found_by_their_references(name: str, pointer: str) -> None:
    described = Described("get", result={"$ref": f"#/components/schemas/{pointer}"})
    read = document(described, schemas={name: {"type": "string"}})
    assert read["components"]["schemas"] == {f"jobs.{name}": {"type": "string"}}


def test_schemas_that_no_visible_method_leads_to_are_absent() -> None:
    def reference(name: str) -> dict[str, Any]:
        return {"$ref": f"#/components/schemas/{name}"}

    schemas = {
        "Job": {"properties": {"lane": reference("Lane"), "gone": reference("NeverDescribed")}},
        "Lane": {"properties": {"jobs": {"items": reference("Job")}}},
        "Secret": {"type": "string"},
        "Unused": {"type": "string"},
    }
    methods = [Described("get", result=reference("Job")), Described("admin", result=reference("Secret"))]
    seen = document(*methods, schemas=schemas)["components"]["schemas"]
    assert sorted(seen) == ["jobs.Job", "jobs.Lane", "jobs.Secret"]
    few = document(*methods, schemas=schemas, access=only("jobs.get"))["components"]["schemas"]
    assert sorted(few) == ["jobs.Job", "jobs.Lane"]


def test_a_hidden_methods_schemas_do_not_change_the_version() -> None:
    methods = [Described("get"), Described("admin", result={"$ref": "#/components/schemas/Secret"})]
    versions = {
        document(*methods, schemas={"Secret": schema}, access=only("jobs.get"))["x-labgate"]["catalog"]
        for schema in ({"type": "string"}, {"type": "object"})
    }
    assert len(versions) == 1


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (2**70, 2**70),
        (-(2**64), -(2**64)),
        (float("nan"), None),
        ([float("inf"), 2**70], [None, 2**70]),
        ("\ud800x", "?x"),
        ({"\udfff": {1, 2}}, {"?": None}),
        ({1: b"bytes"}, {"1": None}),
    ],
)
def test_values_that_strict_json_has_no_word_for_do_not_break_the_document(value: Any, said: Any) -> None:
    schema = {"type": "integer", "default": value}
    text = json_text(schema)
    assert json.loads(text, parse_constant=pytest.fail) == {"type": "integer", "default": said}
    assert method(Described("get", (Param("n", False, schema),)))["params"][0]["name"] == "n"


def test_what_is_nested_too_deeply_is_cut_off() -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"items": deep}
    assert method(Described("get", (Param("n", False, deep),)))["params"][0]["schema"]["items"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


@given(JSON)
def test_any_value_is_written_as_strict_json(value: Any) -> None:
    json.loads(json_text(value), parse_constant=pytest.fail)


EXACT = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(EXACT)
def test_values_that_json_has_words_for_are_written_as_they_are(value: Any) -> None:
    assert json.loads(json_text(value)) == value
