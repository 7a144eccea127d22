"""Do the older describing methods say the same as the OpenRPC document?"""

import uuid
from typing import Any

import orjson
import pytest

from gateway.core.catalog import View, build
from gateway.core.describe import BUILTIN
from gateway.core.faults import InvalidParams
from gateway.core.listing import Offer
from gateway.core.method import Param
from gateway.core.policy import Policies, Policy
from gateway.core.principal import Principal
from gateway.core.service import Described, Description, Rule, Service

METHODS = (
    Described(
        "get_job",
        (
            Param("uid", True, {"type": "string"}, "Which job."),
            Param("limit", False, {"type": ["integer", "null"], "default": 10}),
            Param("ratio", False, {"type": "number"}),
            Param("deep", False, {"type": "boolean"}),
            Param("lanes", False, {"type": "array"}),
            Param("options", False, {"$ref": "#/components/schemas/Options"}),
            Param("either", False, {"type": ["integer", "string"]}),
        ),
        result={"type": "object"},
        summary="Get a job.",
        description="Get a job with all its parts.",
    ),
    Described("kill", (), result={"type": "null"}, summary="Kill all jobs.", idempotent=True),
    Described("odd"),
)


def view(*allow: str, datastack: str | None = None) -> View:
    service = Service(
        "jobs", "jsonrpc", ("http://127.0.0.1:1",), rules={"get_*": Rule(safe=True)}, datastack=datastack
    )
    made = build([Offer(service, Description(METHODS, "system.describe", "/api"))], release="0.1.0")
    access = Policies([Policy(("authenticated",), allow or ("*",))]).access(Principal("someone", "here"))
    return made.view(access, datastack)


def said(name: str, params: Any = None, of: View | None = None) -> Any:
    raw = None if params is None else orjson.dumps(params)
    return orjson.loads(BUILTIN[name](of or view(), raw))


def refusal(name: str, params: bytes | None) -> InvalidParams:
    with pytest.raises(InvalidParams) as caught:
        BUILTIN[name](view(), params)
    return caught.value


def test_there_are_six_and_none_of_them_calls_others() -> None:
    assert sorted(BUILTIN) == [
        "rpc.describe",
        "rpc.discover",
        "system.describe",
        "system.listMethods",
        "system.methodHelp",
        "system.methodSignature",
    ]


def test_rpc_discover_is_the_openrpc_document() -> None:
    assert BUILTIN["rpc.discover"](view(), None) == view().openrpc()


def test_system_describe_has_the_shape_of_the_json_rpc_1_1_draft() -> None:
    described = said("system.describe")
    procedures = {one["name"]: one for one in described.pop("procs")}
    assert described.pop("id") == f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'labgate:{view().version}')}"
    assert described == {
        "sdversion": "1.0",
        "name": "labgate",
        "version": "0.1.0",
        "summary": "One gate to all of a lab's services",
    }
    assert procedures["jobs.get_job"] == {
        "name": "jobs.get_job",
        "summary": "Get a job.",
        "help": "Get a job with all its parts.",
        "idempotent": True,
        "params": [
            {"name": "uid", "type": "str"},
            {"name": "limit", "type": "num"},
            {"name": "ratio", "type": "num"},
            {"name": "deep", "type": "bit"},
            {"name": "lanes", "type": "arr"},
            {"name": "options", "type": "any"},
            {"name": "either", "type": "any"},
        ],
        "return": {"type": "obj"},
    }
    assert procedures["jobs.kill"]["params"] == []
    assert procedures["jobs.kill"]["return"] == {"type": "nil"}
    assert "params" not in procedures["jobs.odd"]


def test_what_a_get_must_not_call_is_not_idempotent_to_the_draft() -> None:
    kill = next(one for one in said("system.describe")["procs"] if one["name"] == "jobs.kill")
    assert kill["idempotent"] is False


def test_rpc_describe_is_a_map_as_flask_jsonrpc_4_makes_it() -> None:
    described = said("rpc.describe")
    assert described["servers"] == [{"url": "/rpc"}]
    assert described["id"] == said("system.describe")["id"]
    assert described["methods"]["jobs.get_job"] == {
        "name": "jobs.get_job",
        "type": "method",
        "summary": "Get a job.",
        "description": "Get a job with all its parts.",
        "validation": False,
        "notification": True,
        "params": [
            {"name": "uid", "type": "String", "description": "Which job.", "required": True},
            {"name": "limit", "type": "Number", "required": False},
            {"name": "ratio", "type": "Number", "required": False},
            {"name": "deep", "type": "Boolean", "required": False},
            {"name": "lanes", "type": "Array", "required": False},
            {"name": "options", "type": "Object", "required": False},
            {"name": "either", "type": "Object", "required": False},
        ],
        "returns": {"name": "default", "type": "Object"},
    }
    assert "params" not in described["methods"]["jobs.odd"]


def test_rpc_describe_names_the_address_of_its_datastack() -> None:
    assert said("rpc.describe", of=view(datastack="fly"))["servers"] == [{"url": "/rpc/fly"}]


def test_list_methods_lists_the_services_methods_and_not_itself() -> None:
    assert said("system.listMethods") == ["jobs.get_job", "jobs.kill", "jobs.odd"]


@pytest.mark.parametrize("params", [["jobs.kill"], {"name": "jobs.kill"}, {"method_name": "jobs.kill"}])
def test_help_and_signature_take_the_name_by_position_or_under_any_name(params: Any) -> None:
    assert said("system.methodHelp", params) == "Kill all jobs."
    assert said("system.methodSignature", params) == [["nil"]]


def test_a_signature_has_the_results_type_first_and_xml_rpcs_names() -> None:
    assert said("system.methodSignature", ["jobs.get_job"]) == [
        ["struct", "string", "int", "double", "boolean", "array", "undef", "undef"]
    ]
    assert said("system.methodSignature", ["jobs.odd"]) == "undef"


@pytest.mark.parametrize("name", ["system.methodHelp", "system.methodSignature"])
@pytest.mark.parametrize(
    "params",
    [None, b"[]", b"{}", b"[1]", b'["a","b"]', b'{"a":"x","b":"y"}', b"[null]", b'[["jobs.kill"]]', b'["\\ud800"]',
     b'["' + b"x" * 20_000 + b'"]', b"[NaN]"],
)  # fmt: skip
def test_anything_but_one_name_is_refused(name: str, params: bytes | None) -> None:
    assert refusal(name, params).code == -32602


def test_an_unknown_name_is_answered_with_what_may_have_been_meant() -> None:
    assert refusal("system.methodHelp", b'["jobs.kil"]').data == {"did_you_mean": ["jobs.kill"]}
    assert "rpc.discover" in refusal("system.methodHelp", b'["zzz.zzz"]').message


@pytest.mark.parametrize("name", ["rpc.discover", "system.describe", "rpc.describe", "system.listMethods"])
def test_the_others_take_no_parameters(name: str) -> None:
    assert BUILTIN[name](view(), b" [ ] ") == BUILTIN[name](view(), b"{}") == BUILTIN[name](view(), None)
    assert name in refusal(name, b"[1]").message
    assert name in refusal(name, b'{"a": 1}').message


def test_none_of_them_tells_of_a_method_that_may_not_be_called() -> None:
    few = view("jobs.kill")
    for name in ("rpc.discover", "system.describe", "rpc.describe", "system.listMethods"):
        text = BUILTIN[name](few, None)
        assert b"jobs.kill" in text
        assert b"get_job" not in text
    for name in ("system.methodHelp", "system.methodSignature"):
        with pytest.raises(InvalidParams) as caught:
            BUILTIN[name](few, b'["jobs.get_job"]')
        assert caught.value.data == {}
