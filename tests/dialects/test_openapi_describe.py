"""Which methods does an OpenAPI document make, whatever is written in it?"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.listing import Offer, list_of
from gateway.core.method import HttpBinding, Place
from gateway.core.service import Described, Description, Service
from gateway.dialects.openapi.document import read
from gateway.dialects.openapi.text import MAX_YAML, UnreadableError, parsed

DOCUMENTS = Path(__file__).with_name("openapi_documents")


def service(url: str = "http://127.0.0.1:8000", **settings: Any) -> Service:
    return Service("files", "openapi", (url,), **settings)


def described(document: Any, url: str = "http://127.0.0.1:8000", **settings: Any) -> Description:
    return read(json.dumps(document).encode(), service(url, **settings), "/openapi.json")


def of(name: str) -> dict[str, Described]:
    found = read((DOCUMENTS / name).read_bytes(), service(), "/openapi.json")
    return {method.name: method for method in found.methods}


def paths(**operations: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "paths": {"/x": operations}}


def taken(operation: Any, path: str = "/x", **more: Any) -> list[tuple[str, str]]:
    """(name, where) of the parameters of the one operation."""
    found = described({"openapi": "3.1.0", "paths": {path: {"post": operation}}, **more})
    binding = found.methods[0].binding
    assert isinstance(binding, HttpBinding)
    return [(place.param, place.where) for place in binding.places]


# the three versions


def test_openapi_3_1_becomes_methods_with_places_results_and_documentation() -> None:
    methods = of("tiles-3.1.json")
    assert set(methods) == {
        "get_tile", "put_image", "delete_images_by_id", "upload", "put_blob", "search", "login",
    }  # fmt: skip
    tile = methods["get_tile"]
    assert tile.binding == HttpBinding(
        "GET",
        "/tiles/{z}/{x}.png",
        (
            Place("z", "path", "z", "comma"),
            Place("x", "path", "x", "comma"),
            Place("scale", "query", "scale"),
        ),
        accepts="image/png, */*;q=0.5",
    )
    assert (tile.safe, tile.idempotent, tile.structure, tile.summary) == (True, True, "by-name", "One tile.")
    assert tile.facts == {"result": "bytes"}
    assert methods["upload"].result == {"type": "string"}
    put = methods["put_image"]
    assert (put.safe, put.idempotent, put.deprecated, put.docs) == (
        False, True, True, "https://docs.example/put",
    )  # fmt: skip
    assert put.result == {"$ref": "#/components/schemas/Image"}
    assert (methods["search"].safe, methods["search"].idempotent) == (False, False)


def test_parameters_flatten_path_then_required_then_optional_and_a_name_used_twice_keeps_the_paths() -> None:
    put = of("tiles-3.1.json")["put_image"]
    assert put.params is not None
    assert isinstance(put.binding, HttpBinding)
    assert [(param.name, param.required) for param in put.params] == [
        ("id", True), ("dry", True), ("title", True), ("body_id", True),
        ("tags", False), ("flags", False), ("X-Trace", False), ("session", False), ("children", False), ("body_dry", False),
    ]  # fmt: skip
    places = {place.param: place for place in put.binding.places}
    assert places["body_id"] == Place("body_id", "member", "id")
    assert (places["tags"].many, places["flags"].many) == ("repeat", "comma")
    assert {param.name: param.description for param in put.params}["title"] == "Shown below."


def test_recursive_schemas_stay_references_to_the_descriptions_own() -> None:
    found = read((DOCUMENTS / "tiles-3.1.json").read_bytes(), service(), "/openapi.json")
    image = found.schemas["Image"]
    assert image["properties"]["children"]["items"] == {"$ref": "#/components/schemas/Image"}
    assert (found.version, found.summary, found.convention) == (
        "1.4.0", "Image metadata and tiles.", "OpenAPI 3.1.0",
    )  # fmt: skip


def test_openapi_3_0_in_yaml_reads_words_and_numbers_as_json_would() -> None:
    methods = of("jobs-3.0.yaml")
    assert set(methods) == {"get_jobs", "head_jobs", "no"}  # both have the operationId jobs.list
    listing = methods["get_jobs"]
    assert isinstance(listing.binding, HttpBinding)
    assert listing.binding.places[0].many == "pipe"
    assert listing.result == {"type": "array", "items": {"$ref": "#/components/schemas/a_Job"}}
    log = methods["no"]
    assert log.params is not None
    assert log.params[0].schema == {"type": "integer", "nullable": True}
    found = read((DOCUMENTS / "jobs-3.0.yaml").read_bytes(), service(), "/openapi.yaml")
    assert set(found.schemas["a_Job"]["properties"]) == {"next", "on"}


ODD_DEFAULTS = """\
openapi: 3.1.0
paths:
  /t:
    get:
      operationId: get_t
      parameters:
        - {name: a, in: query, schema: {type: number, default: .NaN}}
        - {name: b, in: query, schema: {type: number, default: -.inf}}
        - {name: c, in: query, schema: {type: number, default: 1e400}}
        - {name: d, in: query, schema: {type: number, default: 1e4}}
        - {name: e, in: query, schema: {type: string, default: ".NaN"}}
"""


@pytest.mark.parametrize("as_json", [False, True], ids=["YAML", "JSON"])
def test_a_default_that_json_cannot_say_is_left_out(as_json: bool) -> None:
    text = ODD_DEFAULTS.encode()
    if as_json:  # json.loads takes what this writes
        text = json.dumps(parsed(text)).encode()
        assert b"NaN," in text or b"NaN}" in text
    (method,) = read(text, service(), "/openapi.yaml").methods
    assert [one.schema.get("default", "none") for one in method.params or ()] == [
        "none", "none", "none", 10000.0, ".NaN",
    ]  # fmt: skip
    assert [one.schema["type"] for one in method.params or ()] == ["number"] * 4 + ["string"]


def test_parameters_in_cookies_are_listed_but_the_gates_own_and_names_that_no_cookie_has() -> None:
    names = ["session", "middle_auth_token", "MIDDLE_AUTH_TOKEN", "a b", "a;b", "a=b", "n", "é"]
    parameters: list[dict[str, Any]] = [{"name": name, "in": "cookie", "schema": {}} for name in names]
    parameters += [
        {"name": "n", "in": "query", "schema": {}},
        {"name": "list", "in": "cookie", "explode": False},
    ]
    operation = {"operationId": "get_t", "parameters": parameters}
    text = json.dumps({"openapi": "3.1.0", "paths": {"/t": {"get": operation}}}).encode()
    (method,) = read(text, service(), "/openapi.json").methods
    assert isinstance(method.binding, HttpBinding)
    assert [(one.param, one.where, one.name, one.many) for one in method.binding.places] == [
        ("n", "query", "n", "repeat"),
        ("session", "cookie", "session", "repeat"),
        ("cookie_n", "cookie", "n", "repeat"),
        ("list", "cookie", "list", "comma"),
    ]


def test_swagger_2_0_becomes_methods_though_operation_ids_repeat_and_hold_spaces() -> None:
    methods = of("runs-2.0.json")
    assert set(methods) == {"get_runs", "post_runs", "get_runs_by_id", "add_file"}
    found = read((DOCUMENTS / "runs-2.0.json").read_bytes(), service(), "/swagger.json")
    assert (found.address, found.convention) == ("/api", "Swagger 2.0")
    assert found.schemas["Run"]["properties"]["parent"] == {"$ref": "#/components/schemas/Run"}
    post = methods["post_runs"].binding
    assert isinstance(post, HttpBinding)
    assert [(place.param, place.where) for place in post.places] == [
        ("name", "member"), ("X-Fields", "header"), ("parent", "member"),
    ]  # fmt: skip
    by_id = methods["get_runs_by_id"]
    assert isinstance(by_id.binding, HttpBinding)
    assert by_id.params is not None
    assert [place.many for place in by_id.binding.places] == ["comma", "comma", "repeat"]
    assert by_id.params[0].schema == {"type": "integer"}
    added = methods["add_file"]
    assert isinstance(added.binding, HttpBinding)
    assert added.binding.sends == "multipart/form-data"
    assert added.facts == {"result": "bytes"}


def test_every_version_can_be_listed() -> None:
    for name in ("tiles-3.1.json", "jobs-3.0.yaml", "runs-2.0.json"):
        found = read((DOCUMENTS / name).read_bytes(), service(), "/openapi.json")
        listing = list_of(Offer(service(), found, dialect="openapi"))
        assert len(listing.items) == len(found.methods)
        assert listing.left_out == 0


# names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/tiles/{z}", "get_tiles_by_z"),
        ("/", "get_root"),
        ("/a-b/c.d/{e-f}.png", "get_a_b_c_d_by_e_f_png"),
    ],
)
def test_an_operation_without_an_id_is_named_by_verb_and_path(path: str, name: str) -> None:
    found = described({"openapi": "3.1.0", "paths": {path: {"get": {}}}})
    assert [method.name for method in found.methods] == [name]


@pytest.mark.parametrize(
    "given", ["get it", "1st", "", None, 7, ["x"], "rpc.discover", "system.multicall", "é"]
)
def test_an_operation_id_that_is_no_name_is_not_taken(given: Any) -> None:
    assert described(paths(get={"operationId": given})).methods[0].name == "get_x"


def test_names_are_unique_and_do_not_depend_on_the_order_of_the_document() -> None:
    items = {
        "/a/b": {"get": {"operationId": "get_a_b_2"}},
        "/a-b": {"get": {}},
        "/a_b": {"get": {}},
        "/a.b": {"get": {"operationId": "same"}, "put": {"operationId": "same"}},
    }
    forth = described({"openapi": "3.0.0", "paths": items}).methods
    back = described({"openapi": "3.0.0", "paths": dict(reversed(items.items()))}).methods
    assert len({method.name for method in forth}) == len(forth) == 5
    assert {(method.name, method.binding) for method in forth} == {
        (method.name, method.binding) for method in back
    }


def called_by_summary(*summaries: Any) -> list[str]:
    """The names of operations with these summaries, by the service's option."""
    items = {
        f"/p{at}": {"get": {"summary": summary, "operationId": f"op_{at}_api"}}
        for at, summary in enumerate(summaries)
    }
    found = described({"openapi": "3.1.0", "paths": items}, names="summary")
    return [method.name for method in found.methods]


def test_cryosparc_5_names_its_operations_in_their_summaries() -> None:
    summaries = ["login", "jobs.find_one", "jobs.get_log", "users.me"]
    assert called_by_summary(*summaries) == summaries
    by_default = described(paths(get={"summary": "jobs.find_one", "operationId": "find_one_jobs_get"}))
    assert [method.name for method in by_default.methods] == ["find_one_jobs_get"]


@pytest.mark.parametrize(
    "summary",
    [
        None,
        "",
        7,
        "Get a job",
        "jobs.find one",
        "a.b.c",
        ".a",
        "a.",
        "1st",
        "jobs.get-log",
        "rpc.discover",
        "é",
    ],
)
def test_a_summary_that_is_no_dotted_identifier_leaves_the_operation_id(summary: Any) -> None:
    assert called_by_summary(summary) == ["op_0_api"]


def test_a_repeated_summary_leaves_the_operation_ids_and_these_verb_and_path() -> None:
    assert called_by_summary("jobs.get", "jobs.get", "op_0_api") == ["get_p0", "op_1_api", "op_0_api"]


def test_the_parameters_of_cryosparc_5_are_flattened_and_its_schemas_followed() -> None:
    document = {
        "openapi": "3.1.0",
        "info": {"title": "CryoSPARC", "version": "v5.0.0"},
        "paths": {
            "/projects/{project_uid}/jobs": {
                "post": {
                    "summary": "jobs.create",
                    "operationId": "create_projects__project_uid__jobs_post",
                    "parameters": [
                        {"name": "project_uid", "in": "path", "required": True, "schema": {"type": "string"}},
                        {"name": "force", "in": "query", "required": False, "schema": {"type": "boolean"}},
                    ],
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Create"}}},
                    },
                    "responses": {"201": {"description": "Created", "content": {"application/json": {}}}},
                }
            }
        },
        "components": {
            "schemas": {
                "Create": {"type": "object", "required": ["type"], "properties": {"type": {}, "title": {}}}
            }
        },
    }
    (method,) = described(document, names="summary").methods
    assert method.name == "jobs.create"
    assert method.params is not None
    assert [param.name for param in method.params] == ["project_uid", "type", "force", "title"]


# bodies


def test_a_body_that_is_no_object_is_one_parameter_body() -> None:
    for schema in ({"type": "array"}, {}, {"oneOf": [{"type": "object"}]}, {"$ref": "#/gone"}, None, 7):
        body = {"content": {"application/json": {"schema": schema}}}
        assert taken({"requestBody": body}) == [("body", "body")]


def test_a_body_of_bytes_is_one_parameter_body_and_a_path_parameter_of_that_name_stays() -> None:
    assert taken({"requestBody": {"content": {"image/tiff": {}}}}, "/x/{body}") == [
        ("body", "path"), ("body_body", "body"),
    ]  # fmt: skip


def test_a_swagger_body_that_is_binary_is_sent_as_bytes_though_no_media_type_says_so() -> None:
    body = {"in": "body", "name": "body", "schema": {"type": "string", "format": "binary"}}
    document = {
        "swagger": "2.0",
        "consumes": ["application/json"],
        "paths": {"/raw": {"post": {"operationId": "raw", "parameters": [body]}}},
    }
    (method,) = read(json.dumps(document).encode(), service(), "/swagger.json").methods
    assert isinstance(method.binding, HttpBinding)
    assert method.binding.sends == "application/octet-stream"


def test_members_are_optional_where_the_body_is() -> None:
    schema = {"type": "object", "required": ["a"], "properties": {"a": {}}}
    found = described(paths(post={"requestBody": {"content": {"application/json": {"schema": schema}}}}))
    assert found.methods[0].params is not None
    assert not found.methods[0].params[0].required


def test_a_path_parameter_that_nobody_describes_is_one_and_one_that_is_not_in_the_path_is_none() -> None:
    item = {"in": "path", "name": "gone"}
    assert taken({"parameters": [item]}, "/x/{here}") == [("here", "path")]


# values in a query


def test_a_parameter_that_is_described_as_json_is_sent_as_json() -> None:
    item = {"in": "query", "name": "q", "content": {"application/json": {"schema": {"type": "array"}}}}
    found = described(paths(get={"parameters": [item]}))
    binding = found.methods[0].binding
    assert isinstance(binding, HttpBinding)
    assert binding.places == (Place("q", "query", "q", "json"),)


@pytest.mark.parametrize(
    ("side", "said", "many"),
    [
        ("query", {"style": "deepObject", "explode": True}, "deep"),
        ("path", {"style": "simple"}, "comma"),
        ("path", {"style": "label"}, "label"),
        ("path", {"style": "label", "explode": True}, "label*"),
        ("path", {"style": "matrix", "explode": False}, "matrix"),
        ("path", {"style": "matrix", "explode": True}, "matrix*"),
        ("path", {"style": ["matrix"]}, "comma"),
        ("header", {"style": "matrix"}, "comma"),
    ],
)
def test_the_style_of_a_parameter_says_how_it_is_sent(side: str, said: dict[str, Any], many: str) -> None:
    parameter = {"name": "p", "in": side, "schema": {"type": "object"}, **said}
    path = "/x/{p}" if side == "path" else "/x"
    document = {"openapi": "3.0.3", "paths": {path: {"get": {"parameters": [parameter]}}}}
    found = described(document).methods[0].binding
    assert isinstance(found, HttpBinding)
    assert [place.many for place in found.places] == [many]


def test_an_exploded_object_in_a_query_is_its_members() -> None:
    properties = {"a": {"type": "integer"}, "b": {}}
    schema = {"type": "object", "required": ["a"], "properties": properties}
    item = {"in": "query", "name": "filter", "required": True, "schema": schema}
    assert taken({"parameters": [item]}) == [("a", "query"), ("b", "query")]
    assert taken({"parameters": [item | {"explode": False}]}) == [("filter", "query")]
    assert taken({"parameters": [item | {"style": "deepObject"}]}) == [("filter", "query")]
    assert taken({"parameters": [item | {"schema": {"type": "object"}}]}) == []


# addresses


@pytest.mark.parametrize(
    ("url", "servers", "address"),
    [
        ("https://files.lab.org/v2", ["/v2"], ""),
        ("https://files.lab.org/v2/", ["https://files.lab.org/v2/"], ""),
        ("https://files.lab.org/v2", ["/v2/sub"], "/sub"),
        ("https://files.lab.org/v2", ["/v22"], "/v22"),
        ("https://files.lab.org", ["/v2"], "/v2"),
        ("https://files.lab.org", ["api/v2/"], "/api/v2"),
        ("https://files.lab.org", ["http://files.lab.org/v2"], "/v2"),
        ("https://files.lab.org", ["https://evil.example/v2"], ""),
        ("https://files.lab.org", ["//evil.example/v2"], ""),
        ("https://files.lab.org", ["https://files.lab.org@evil.example/v2"], ""),
        ("https://files.lab.org", ["file://files.lab.org/etc"], ""),
        ("https://files.lab.org", ["https://evil.example/v2", "/v3"], "/v3"),
        ("https://files.lab.org", ["/a/%2e%2e/b"], ""),
        ("https://files.lab.org", ["/\N{SNOWMAN}"], "/%E2%98%83"),
        ("https://files.lab.org", ["http://[", 7, None], ""),
        ("https://files.lab.org", [], ""),
    ],
)
def test_only_the_path_of_a_server_that_is_the_configured_one_counts_and_never_twice(
    url: str, servers: list[Any], address: str
) -> None:
    document = {"openapi": "3.1.0", "paths": {}, "servers": [{"url": one} for one in servers]}
    assert described(document, url).address == address


def test_variables_of_a_server_have_their_defaults() -> None:
    server = {"url": "/{version}/api", "variables": {"version": {"default": "v7"}}}
    assert described({"openapi": "3.1.0", "servers": [server]}).address == "/v7/api"


@pytest.mark.parametrize("path", ["no-slash", "/a/../b", "/a/%2e%2E/b", "/a\nb", "/a\\b", "/" + "a" * 3000])
def test_a_path_that_no_request_should_have_is_left_out(path: str) -> None:
    found = described({"openapi": "3.1.0", "paths": {path: {"get": {}}, "/fine": {"get": {}}}})
    assert (len(found.methods), found.left_out) == (1, 1)


# hostile documents


def test_circles_of_references_end() -> None:
    document = paths(
        get={"parameters": [{"$ref": "#/components/parameters/A"}], "responses": {"200": {"$ref": "#/r"}}},
        post={
            "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
        },
    )
    document["r"] = {"$ref": "#/r"}
    document["components"] = {
        "parameters": {
            "A": {"$ref": "#/components/parameters/B"},
            "B": {"$ref": "#/components/parameters/A"},
        },
        "schemas": {"A": {"allOf": [{"$ref": "#/components/schemas/A"}], "properties": {"a": {}}}},
    }
    get, post = described(document).methods
    assert get.params == ()
    assert post.params is not None
    assert [param.name for param in post.params] == ["a"]


def test_references_out_of_the_document_are_left_out() -> None:
    schema = {"$ref": "https://evil.example/schema.json", "title": "kept"}
    found = described(paths(get={"parameters": [{"name": "q", "in": "query", "schema": schema}]}))
    assert found.methods[0].params is not None
    assert found.methods[0].params[0].schema == {"title": "kept"}
    assert described({"openapi": "3.1.0", "paths": {"/x": {"$ref": "other.json#/x"}}}).methods == ()


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'{"openapi":"3.1.0","paths":' + b'{"a":' * 100_000,
        b"{a: " * 100_000,
        b"- " * 100_000,
        b"? " * 100_000,
        b"openapi: [",
        b"\xff\xfe",
        b"",
        b"<html></html>",
        b'{"openapi": "4.0"}',
        b'{"swagger": "1.2"}',
        b"x" * (MAX_YAML + 1),
    ],
)
def test_what_is_no_document_is_said_to_be_none_however_deep_or_large(text: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(text, service(), "/openapi.json")


def test_aliases_that_would_grow_exponentially_cost_what_a_schema_may_cost() -> None:
    levels = "".join(f"l{n}: &l{n} {{a: *l{n - 1}, b: *l{n - 1}, <<: *l{n - 1}}}\n" for n in range(1, 40))
    text = f"openapi: 3.0.0\nl0: &l0 {{}}\n{levels}components: {{schemas: {{A: *l39}}}}\npaths: {{}}\n"
    assert read(text.encode(), service(), "/openapi.yaml").schemas == {"A": {}}


def test_an_alias_within_its_own_anchor_is_absent() -> None:
    assert parsed(b"a: &x {b: *x, c: [&y [*y, 1]]}") == {"a": {"b": None, "c": [[None, 1]]}}


def test_operations_beyond_the_most_are_counted_and_left_out() -> None:
    items = {f"/p{n}": {"get": {}} for n in range(10)}
    found = described({"openapi": "3.1.0", "paths": items}, max_methods=4)
    assert (len(found.methods), found.left_out) == (4, 6)


WORDS = tuple(
    word
    for name in ("tiles-3.1.json", "runs-2.0.json")
    for word in re.findall(r'"([^"]+)":', (DOCUMENTS / name).read_text())
)
plain = st.text(st.characters(max_codepoint=0x17F, exclude_categories=("C", "Z")), max_size=8)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | plain,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=20,
)


@given(data=st.data())
def test_members_of_any_type_anywhere_never_break_a_description(data: st.DataObject) -> None:
    document = json.loads(
        (DOCUMENTS / data.draw(st.sampled_from(["tiles-3.1.json", "runs-2.0.json"]))).read_text()
    )
    for _ in range(3):
        at = document
        while True:
            keys = list(at) if isinstance(at, dict) else range(len(at))
            if not keys:
                break
            key = data.draw(st.sampled_from(keys))
            if isinstance(at[key], dict | list) and data.draw(st.integers(0, 4)):
                at = at[key]
                continue
            if key not in ("openapi", "swagger"):
                at[key] = data.draw(anything)
            break
    found = described(document)
    listing = list_of(Offer(service(), found, dialect="openapi"))
    assert len(listing.items) == len(found.methods)
    for method in found.methods:
        assert isinstance(method.binding, HttpBinding)
        names = [place.param for place in method.binding.places]
        assert len(set(names)) == len(names)
        assert method.params is not None
        assert [param.name for param in method.params] == names


@given(st.dictionaries(plain, anything, max_size=4))
def test_yaml_reads_what_json_says(value: dict[str, Any]) -> None:
    # The comment is YAML alone, so that this is not read as JSON.
    assert parsed(f"# yaml\n{json.dumps(value)}".encode()) == value
