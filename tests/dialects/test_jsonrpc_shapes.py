"""What is made of every shape in which upstreams describe themselves, and of what is none?"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.method import Param
from gateway.dialects.jsonrpc.shapes import CONVENTIONS, MAX_PARAMS, Offer, explained, read

STR, NUM, OBJ, INT = {"type": "string"}, {"type": "number"}, {"type": "object"}, {"type": "integer"}
STATS = "Get made-up statistics of an image."


def hints(*params: tuple[str, dict[str, Any]]) -> tuple[Param, ...]:
    """Parameters of which nobody knows whether they are required."""
    return tuple(Param(name, False, schema) for name, schema in params)


# shape: its methods; of get_stats (or another): params, result schema, summary, idempotent
FOUND: dict[str, tuple[set[str], str, tuple[Param, ...] | None, dict[str, Any] | None, str, bool]] = {
    "flask_jsonrpc_0_3_1": (
        {"add", "echo", "get_stats", "notify_counter"},
        "add", hints(("a", NUM), ("b", NUM)), NUM, "Add two whole numbers.", True,
    ),
    "flask_jsonrpc_1_1_1": (
        {"add", "echo", "get_stats", "notify_counter"},
        "get_stats", hints(("uid", STR), ("binning", NUM)), OBJ, "", False,
    ),
    "flask_jsonrpc_2_2_2": (
        {"add", "echo", "get_stats", "notify_counter", "files.get-raw"},
        "get_stats", hints(("uid", STR), ("binning", NUM)), OBJ, STATS, False,
    ),
    "flask_jsonrpc_3_0_1": (
        {"add", "get_stats"},
        "get_stats", (Param("uid", True, STR), Param("binning", False, NUM)), OBJ, "", False,
    ),
    "flask_jsonrpc_4_0_0": (
        {"add", "echo", "get_stats", "notify_counter", "files.get-raw", "rpc.describe"},
        "get_stats", hints(("uid", STR), ("binning", NUM)), OBJ, STATS, False,
    ),
    "flask_jsonrpc_4_0_0_openrpc": (
        {"add", "echo", "get_stats", "notify_counter", "files.get-raw", "rpc.describe", "rpc.discover"},
        "add", hints(("a", INT), ("b", INT)), INT, "Add two whole numbers.", False,
    ),
    "openrpc_11_1_1": (
        {"add", "echo", "get_stats", "notify_counter", "files.get-raw"},
        "get_stats",
        (
            Param("uid", True, {"title": "Uid", "type": "string"}),
            Param("binning", False, {"title": "Binning", "type": "integer", "default": 1}),
        ),
        {"title": "Result", "type": "object", "additionalProperties": True}, STATS, False,
    ),
    "fastapi_jsonrpc": (
        {"probe", "my_method"},
        "my_method", (Param("inp", True, {"$ref": "#/components/schemas/Input"}),),
        {"$ref": "#/components/schemas/Output"}, "", False,
    ),
    "jsonrpclib_pelix_1_2_0": (
        {"add", "big", "count", "echo", "fail", "files.get-raw", "get_stats", "notify_counter", "subtract",
         "system.listMethods", "system.methodHelp", "system.methodSignature"},
        "get_stats", None, None, "", False,
    ),
    "django_modern_rpc_2_1_0": (
        {"add", "big", "count", "echo", "fail", "files.get-raw", "get_stats", "notify_counter", "subtract",
         "system.listMethods", "system.methodHelp", "system.methodSignature", "system.multicall"},
        "get_stats", None, None, "", False,
    ),
    "substrate": (
        {"author_pendingExtrinsics", "chain_getBlock", "rpc_methods"},
        "chain_getBlock", None, None, "", False,
    ),
}  # fmt: skip


def taken(convention: str, value: Any, max_methods: int = 1000) -> Offer | None:
    return read(convention, json.dumps(value).encode(), max_methods)


@pytest.mark.parametrize("name", FOUND)
def test_a_measured_shape_is_read(name: str, shape) -> None:
    names, one, params, result, summary, idempotent = FOUND[name]
    offer = taken(shape(name)["convention"], shape(name)["result"])
    assert offer is not None
    methods = {method.name: method for method in offer.methods}
    assert methods.keys() == names
    assert offer.left_out == 0
    found = methods[one]
    assert (found.params, found.result, found.summary, found.idempotent) == (
        params,
        result,
        summary,
        idempotent,
    )
    assert not any(method.safe for method in offer.methods)


def test_every_shape_on_file_is_read() -> None:
    assert {file.stem for file in Path(__file__).with_name("shapes").glob("*.json")} == FOUND.keys()


def test_no_parameters_differs_from_parameters_of_which_nothing_is_said() -> None:
    offer = taken("system.describe", {"procs": [{"name": "a", "params": []}, {"name": "b"}, "c"]})
    assert [method.params for method in offer.methods] == [(), None, None]


def test_version_and_summary_of_the_service_are_kept(shape) -> None:
    offer = taken("rpc.describe", shape("flask_jsonrpc_3_0_1")["result"])
    assert (offer.version, offer.summary) == ("2.0.0", "Automatically generated")
    offer = taken("rpc.discover", shape("openrpc_11_1_1")["result"])
    assert (offer.version, offer.summary) == ("0.1.0", "RPC Server")


# OpenRPC's own


def openrpc(*methods: Any, **components: Any) -> Offer:
    offer = taken("rpc.discover", {"openrpc": "1.3.2", "methods": methods, "components": components})
    assert offer is not None
    return offer


def test_references_to_content_descriptors_are_followed_and_those_to_schemas_are_kept() -> None:
    offer = openrpc(
        {
            "name": "m",
            "params": [{"$ref": "#/components/contentDescriptors/Uid"}],
            "result": {"$ref": "#/components/contentDescriptors/Alias"},
        },
        contentDescriptors={
            "Uid": {"name": "uid", "required": True, "schema": {"$ref": "#/components/schemas/Uid"}},
            "Alias": {"$ref": "#/components/contentDescriptors/Out"},
            "Out": {
                "name": "out",
                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Uid"}},
            },
        },
        schemas={"Uid": {"type": "string"}},
    )
    ref = {"$ref": "#/components/schemas/Uid"}
    assert offer.methods[0].params == (Param("uid", True, ref),)
    assert offer.methods[0].result == {"type": "array", "items": ref}
    assert offer.schemas == {"Uid": {"type": "string"}}


def test_a_reference_in_a_circle_or_to_nowhere_leaves_the_parameters_unknown() -> None:
    round_about = {"$ref": "#/components/contentDescriptors/A"}
    for target in (
        round_about,
        {"$ref": "#/components/contentDescriptors/B"},
        {"$ref": "http://x/"},
    ):
        offer = openrpc(
            {"name": "m", "params": [target], "result": target}, contentDescriptors={"A": round_about}
        )
        assert (offer.methods[0].params, offer.methods[0].result) == (None, None)


def test_structure_deprecation_documentation_and_hints_are_read() -> None:
    offer = openrpc(
        {
            "name": "m",
            "params": [],
            "paramStructure": "by-name",
            "deprecated": True,
            "externalDocs": {"url": "https://lab.org/m"},
            "x-labgate": {"safe": True},
        },
        {
            "name": "n",
            "params": [],
            "paramStructure": "by-magic",
            "deprecated": "yes",
            "externalDocs": {"url": "javascript:alert(1)"},
            "x-labgate": {"idempotent": 1},
        },
    )
    m, n = offer.methods
    assert (m.structure, m.deprecated, m.docs, m.idempotent, m.safe) == (
        "by-name", True, "https://lab.org/m", True, False,
    )  # fmt: skip
    assert (n.structure, n.deprecated, n.docs, n.idempotent) == ("either", False, "", False)


# signatures and help


def test_a_signature_gives_the_result_and_a_line_of_types_but_invents_no_parameter_names() -> None:
    method = taken("system.listMethods", ["add"]).methods[0]
    known = explained(method, "Add two whole numbers.", [["int", "int", "int"]])
    assert known.params is None
    assert known.result == INT
    assert known.summary == "Add two whole numbers."
    assert known.description == "Add two whole numbers.\n\nTypes: (int, int) -> int"
    assert explained(method, None, [["undef"]]).result == {}


@pytest.mark.parametrize(
    "signatures", ["signatures not supported", None, [], [[]], [["int", 3]], {"a": 1}, [None], ["int"]]
)
def test_prose_is_no_signature(signatures: Any) -> None:
    method = taken("system.listMethods", ["add"]).methods[0]
    known = explained(method, "Add.", signatures)
    assert (known.params, known.result, known.description) == (None, None, "")


# hostile


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize(
    "raw",
    [
        b"", b"nonsense", b"null", b"1", b'"x"', b"[1", b"{}", b'{"methods":1}', b'{"procs":"x"}', b'{"methods":null}',
        b'{"procs":null}', b"[" * 100_000, b'{"methods":' * 100_000, b"\xff\xfe", b"9" * 10_000,
    ],
)  # fmt: skip
def test_what_has_not_the_shape_is_no_offer(convention: str, raw: bytes) -> None:
    assert read(convention, raw, 10) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = [
    "name",
    "params",
    "result",
    "return",
    "returns",
    "summary",
    "description",
    "help",
    "idempotent",
    "schema",
]
MORE = ["type", "required", "default", "$ref", "paramStructure", "deprecated", "externalDocs", "x-labgate"]
ENTRY = st.dictionaries(st.sampled_from(MEMBERS + MORE), JSON, max_size=6) | JSON
PARAMS = st.lists(ENTRY, max_size=3) | JSON
METHOD = st.builds(lambda entry, params: {"name": "m", "params": params, **entry}, st.dictionaries(
    st.sampled_from([name for name in MEMBERS if name not in ("name", "params")]), JSON | ENTRY, max_size=5
), PARAMS)  # fmt: skip
METHODS = st.lists(METHOD | JSON, max_size=4) | st.dictionaries(
    st.text(max_size=3), METHOD | JSON, max_size=3
)


@given(convention=st.sampled_from(CONVENTIONS), methods=METHODS, schemas=JSON, info=JSON)
def test_hostile_types_anywhere_never_raise_and_what_is_taken_can_be_written(
    convention: str, methods: Any, schemas: Any, info: Any
) -> None:
    components = {"schemas": schemas, "contentDescriptors": {"A": schemas}}
    document = {"methods": methods, "procs": methods, "info": info, "components": components}
    for value in (document, methods):
        offer = taken(convention, value)
        if offer is None:
            continue
        assert all(isinstance(method.name, str) for method in offer.methods)
        for method in offer.methods:
            said = [method.summary, method.description, method.docs, method.result]
            said += [[param.name, param.schema, param.description] for param in method.params or ()]
            json.dumps([said, offer.schemas], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "params",
    [None, {}, "x", [None], ["a", "a"], [{"name": ""}], [{"type": "num"}], [["a"]], ["a", 3], ["a" * 300],
     [str(number) for number in range(MAX_PARAMS + 1)]],
)  # fmt: skip
def test_parameters_of_which_one_cannot_be_read_are_unknown(params: Any) -> None:
    for convention, member in (("system.describe", "procs"), ("rpc.describe", "methods")):
        offer = taken(convention, {member: [{"name": "m", "params": params}]})
        assert offer.methods[0].params is None
    assert openrpc({"name": "m", "params": params}).methods[0].params is None


def test_names_that_are_none_are_counted_and_hostile_ones_are_left_to_the_catalog() -> None:
    names = ["__class__", "_url", "x" * 10_000, "a\nb", "\ud800", ""]
    offer = taken("system.listMethods", [*names, 1, None, {"name": 2}, {}])
    assert [method.name for method in offer.methods] == names
    assert offer.left_out == 4


def test_no_more_methods_are_taken_than_allowed() -> None:
    offer = taken("system.listMethods", ["a", "b", "c", 4], max_methods=2)
    assert [method.name for method in offer.methods] == ["a", "b"]
    assert offer.left_out == 2


def test_texts_are_cut_cleaned_and_split_into_summary_and_description() -> None:
    doc = "First\n        paragraph.\n\n        Second\x00 one \ud800.\r\n        End."
    offer = taken(
        "system.describe", {"procs": [{"name": "m", "summary": doc}, {"name": "n", "help": "x" * 50_000}]}
    )
    m, n = offer.methods
    assert m.summary == "First paragraph."
    assert m.description == "First\nparagraph.\n\nSecond\ufffd one \ufffd.\nEnd."
    assert (len(n.summary), len(n.description)) == (2_000, 20_000)
