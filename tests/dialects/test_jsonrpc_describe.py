"""Is a service found at its path and by its convention, and is it said clearly when it is not?"""

import asyncio
import json
import resource
from typing import Any

import pytest
from aiohttp import web

from gateway.core.faults import DeadlineExceeded, TooLarge, UpstreamBroken, UpstreamUnreachable
from gateway.core.service import Service
from gateway.dialects.jsonrpc.probing import MAX_EXPLAINED, Probe
from gateway.upstreams.replicas import HttpUpstream


@pytest.mark.parametrize(
    "name",
    ["flask_jsonrpc_0_3_1", "flask_jsonrpc_2_2_2", "flask_jsonrpc_4_0_0", "openrpc_11_1_1", "substrate"],
)
async def test_a_service_is_asked_by_each_convention_until_one_names_methods(
    name: str, shape, offering, describe
) -> None:
    told = shape(name)
    server = await offering({told["convention"]: told["result"]}, "/api")
    found = await describe(server.url)
    assert (found.convention, found.address) == (told["convention"], "/api")
    assert found.methods
    order = ["rpc.discover", "system.describe", "rpc.describe", "system.listMethods", "rpc_methods"]
    asked = [method for _, path, method in server.asked if path == "/api"]
    assert asked == order[: order.index(told["convention"]) + 1]


@pytest.mark.parametrize("path", ["/", "/api", "/rpc", "/jsonrpc"])
async def test_the_usual_paths_are_tried_at_one_question_each_where_nothing_is(
    path: str, offering, describe
) -> None:
    server = await offering({"rpc.discover": {"methods": ["a"]}}, path)
    assert (await describe(server.url)).address == path
    assert len(server.asked) <= 4


async def test_the_first_path_in_order_is_taken_even_if_another_answers_sooner(speaker, describe) -> None:
    other_answered = asyncio.Event()

    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> web.Response:
        asked = json.loads(body)
        if request.path == "/":
            await other_answered.wait()
        else:
            other_answered.set()
        name = "at the root" if request.path == "/" else "elsewhere"
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": {"methods": [name]}})

    server = await speaker(answering)
    found = await describe(server.url)
    assert (found.address, found.methods[0].name) == ("/", "at the root")


async def test_a_path_that_hangs_keeps_the_others_waiting_for_half_of_the_time_only(
    speaker, describe
) -> None:
    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> web.Response:
        if request.path == "/":
            await asyncio.Event().wait()
        asked = json.loads(body)
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": {"methods": ["a"]}})

    server = await speaker(answering)
    assert (await describe(server.url, seconds=1.0)).address == "/api"


async def test_a_configured_path_is_the_only_one(offering, describe) -> None:
    server = await offering({"system.listMethods": ["a"]}, "/v1/rpc")
    assert (await describe(server.url, rpc_path="/v1/rpc")).address == "/v1/rpc"
    assert {path for _, path, _ in server.asked} == {"/v1/rpc"}


async def test_the_path_of_the_services_own_address_is_tried_first(offering, describe) -> None:
    server = await offering({"system.listMethods": ["a"]}, "/v1/api")
    assert (await describe(server.url + "/v1/api")).address == ""


async def test_a_method_that_hangs_does_not_keep_the_next_convention_from_being_asked(
    speaker, describe
) -> None:
    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> web.Response:
        asked = json.loads(body)
        if asked["method"] == "rpc.discover":
            await asyncio.Event().wait()
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": {"procs": ["a"]}})

    server = await speaker(answering)
    found = await describe(server.url, seconds=0.5, rpc_path="/api")
    assert found.convention == "system.describe"


# what counts as "no"

NO = {
    "-32601": lambda token: web.json_response({"id": token, "error": {"code": -32601, "message": "no"}}),
    "-32601 with 404": lambda token: web.json_response(
        {"id": token, "error": {"code": -32601, "message": "no"}}, status=404
    ),
    "500 with an error": lambda token: web.json_response(
        {"id": token, "error": {"code": -32603, "message": "boom"}}, status=500
    ),
    "an error as text": lambda token: web.json_response({"id": token, "error": "no such method"}),
    "1.0": lambda token: web.json_response({"id": token, "result": None, "error": "no"}),
    "null": lambda token: web.json_response({"id": token, "result": None}),
    "html": lambda token: web.Response(text="<html>Welcome</html>", content_type="text/html"),
    "html 400": lambda token: web.Response(status=400, text="<html>", content_type="text/html"),
    "404": lambda token: web.Response(status=404, text="gone"),
    "405": lambda token: web.Response(status=405, text="no"),
    "empty": lambda token: web.Response(),
    "204": lambda token: web.Response(status=204),
    "another id": lambda token: web.json_response({"id": 999, "result": {"methods": ["x"]}}),
    "text": lambda token: web.json_response({"id": token, "result": "not supported"}),
    "a list of nothing": lambda token: web.json_response({"id": token, "result": {"methods": []}}),
}


@pytest.mark.parametrize("no", NO)
async def test_every_way_of_saying_no_leads_to_the_next_convention(no: str, speaker, describe) -> None:
    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> web.Response:
        asked = json.loads(body)
        if asked["method"] != "system.listMethods":
            return NO[no](asked["id"]) if asked["method"].startswith("rpc.") else NO["-32601"](asked["id"])
        return web.json_response({"id": asked["id"], "result": ["a"]})

    server = await speaker(answering)
    found = await describe(server.url, rpc_path="/api")
    assert [method.name for method in found.methods] == ["a"]


async def test_an_empty_list_is_taken_when_nobody_says_more(offering, describe) -> None:
    server = await offering({"system.describe": {"procs": []}})
    found = await describe(server.url)
    assert (found.methods, found.convention) == ((), "system.describe")


# GET /openrpc.json


async def test_a_document_is_fetched_when_no_method_describes_the_service(shape, offering, describe) -> None:
    document = json.dumps(shape("fastapi_jsonrpc")["result"])
    server = await offering({}, "/rpc", documents={"/openrpc.json": document})
    found = await describe(server.url)
    assert (found.convention, found.address, found.version) == ("GET /openrpc.json", "/rpc", "1.2.3")
    assert found.schemas.keys() == {"Input", "Output"}
    found = await describe(server.url, rpc_path="/api/v1/jsonrpc")
    assert found.address == "/api/v1/jsonrpc"


async def test_a_document_without_a_place_for_calls_asks_for_the_path(shape, offering, describe) -> None:
    document = json.dumps(shape("fastapi_jsonrpc")["result"])
    server = await offering({}, "/hidden", documents={"/openrpc.json": document})
    with pytest.raises(UpstreamBroken, match="set its `rpc_path`"):
        await describe(server.url)


# lists of names, with their details


async def test_help_and_signature_are_asked_for_each_name_but_not_for_introspection(
    offering, describe
) -> None:
    names = ["add", "system.listMethods", "system.methodHelp", "rpc.x"]
    server = await offering(
        {
            "system.listMethods": names,
            "system.methodHelp": lambda name: f"Help for {name}.",
            "system.methodSignature": lambda name: [["int", "int"]],
        }
    )
    found = await describe(server.url)
    add = found.methods[0]
    assert (add.summary, add.description, add.result) == (
        "Help for add.", "Help for add.\n\nTypes: (int) -> int", {"type": "integer"},
    )  # fmt: skip
    assert [method.name for method in found.methods] == names
    assert sum(method.startswith("system.method") for _, _, method in server.asked) == 2


async def test_signatures_that_are_not_supported_are_not_asked_for_again_and_again(
    offering, describe
) -> None:
    server = await offering(
        {
            "system.listMethods": [f"m{number}" for number in range(100)],
            "system.methodHelp": lambda name: name,
            "system.methodSignature": "signatures not supported",
        }
    )
    found = await describe(server.url)
    assert all(method.summary == method.name for method in found.methods)
    assert sum(method == "system.methodSignature" for _, _, method in server.asked) <= 8


async def test_details_are_bounded_and_the_names_stand_without_them(offering, describe) -> None:
    names = [f"m{number}" for number in range(MAX_EXPLAINED + 100)]
    server = await offering({"system.listMethods": names, "system.methodHelp": lambda name: name.upper()})
    found = await describe(server.url)
    assert [method.name for method in found.methods] == names
    assert sum(bool(method.summary) for method in found.methods) == MAX_EXPLAINED


async def test_details_that_hang_take_half_of_the_time_left_and_no_more(speaker, describe) -> None:
    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> web.Response:
        asked = json.loads(body)
        if asked["method"] == "system.methodHelp":
            await asyncio.Event().wait()
        if asked["method"] != "system.listMethods":
            return NO["-32601"](asked["id"])
        return web.json_response({"id": asked["id"], "result": ["a", "b"]})

    server = await speaker(answering)
    found = await describe(server.url, seconds=0.5, rpc_path="/")
    assert [method.name for method in found.methods] == ["a", "b"]


# what is found instead of a description


async def test_a_web_page_is_named_and_never_quoted(speaker, describe) -> None:
    async def answering(*_: Any) -> web.Response:
        return web.Response(text="<html>secret page</html>", content_type="text/html")

    server = await speaker(answering)
    with pytest.raises(UpstreamBroken) as fault:
        await describe(server.url)
    assert fault.value.message == (
        "The service 'jobs' gave no JSON-RPC answer at /, /api, /rpc, /jsonrpc: HTTP 200 with HTML. "
        "Set its `rpc_path`, or another `dialect`."
    )


async def test_a_service_that_describes_nothing_is_to_be_listed(offering, describe) -> None:
    server = await offering({}, "/api")
    with pytest.raises(
        UpstreamBroken, match=r"takes calls at /api, but describes itself by none of rpc\.discover"
    ):
        await describe(server.url)


def cut(text: str) -> web.Response:
    return web.Response(text=text[:-4], content_type="application/json")


UNREAD = {
    "cut": (
        lambda token: cut(json.dumps({"id": token, "result": {"openrpc": "1.3.2", "methods": []}})),
        "rpc.discover gave HTTP 200 with a body that is none (no JSON",
    ),
    "HTML": (
        lambda token: web.Response(text="<html>secret</html>", content_type="text/html"),
        "rpc.discover gave HTTP 200 with HTML",
    ),
    "another shape": (
        lambda token: web.json_response({"id": token, "result": {"secret": "yes"}}),
        "rpc.discover gave a result that is no description",
    ),
}


@pytest.mark.parametrize("kind", UNREAD)
async def test_a_description_that_is_there_and_cannot_be_read_is_told_with_the_reason(
    kind: str, speaker, describe
) -> None:
    told, expected = UNREAD[kind]

    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> web.Response:
        if request.path != "/api" or not body:
            return web.Response(status=404)
        asked = json.loads(body)
        return told(asked["id"]) if asked["method"] == "rpc.discover" else NO["-32601"](asked["id"])

    server = await speaker(answering)
    with pytest.raises(UpstreamBroken) as fault:
        await describe(server.url)
    message = fault.value.message
    assert f"takes calls at /api, but what might describe it cannot be read: {expected}" in message
    assert "secret" not in message
    assert message.endswith("with `dialect: listed`.")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ('{"openrpc": "1.3.2", "methods": [{"na', "a body that is none (no JSON"),
        ("<!doctype html><title>secret</title>", "HTML"),
        ('{"openapi": "3.1.0", "paths": {}}', "no OpenRPC document"),
        ("", "an empty body"),
    ],
)
async def test_a_document_that_is_there_and_cannot_be_read_is_told_with_the_reason(
    document: str, told: str, offering, describe
) -> None:
    server = await offering({}, "/api", documents={"/openrpc.json": document})
    with pytest.raises(UpstreamBroken) as fault:
        await describe(server.url)
    assert f"cannot be read: GET /openrpc.json gave {told}" in fault.value.message
    assert "secret" not in fault.value.message


async def test_a_service_that_is_away_is_unreachable_after_one_round(describe) -> None:
    with pytest.raises(UpstreamUnreachable):
        await describe("http://127.0.0.1:9")


async def test_a_path_that_resets_connections_does_not_hide_the_one_that_answers(speaker, describe) -> None:
    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> web.Response:
        if request.path == "/":
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"id": json.loads(body)["id"], "result": {"methods": ["a"]}})

    server = await speaker(answering)
    assert (await describe(server.url)).address == "/api"


async def test_a_service_that_never_answers_takes_its_time_and_no_more(speaker, describe) -> None:
    async def answering(*_: Any) -> web.Response:
        return await asyncio.Event().wait()

    server = await speaker(answering)
    with pytest.raises(DeadlineExceeded, match="'jobs' did not describe itself in the time"):
        await describe(server.url, seconds=0.4)


async def test_a_description_of_a_hundred_megabytes_is_refused_before_it_is_read(speaker, describe) -> None:
    sent = 0

    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> Any:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"jsonrpc":"2.0","id":1,"result":{"procs":["')
        try:
            for _ in range(1600):
                await response.write(b"x" * 65536)
                sent += 65536
        except ConnectionError:
            pass
        return response

    server = await speaker(answering)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(TooLarge, match="service 'jobs' describes itself in more than 4194304 bytes"):
        await describe(server.url, rpc_path="/api", max_describe=4 << 20)
    assert sent < 50 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 << 10


async def test_a_large_description_is_read_without_holding_up_the_loop_by_its_parsing(
    offering, describe
) -> None:
    procs = [{"name": f"m{number}", "params": [{"name": "a", "type": "num"}]} for number in range(10_000)]
    server = await offering({"system.describe": {"procs": procs}})
    found = await describe(server.url, max_methods=9_000)
    assert (len(found.methods), found.left_out) == (9_000, 1_000)


async def test_cancelling_a_description_ends_its_questions(speaker) -> None:
    begun = asyncio.Event()

    async def answering(*_: Any) -> web.Response:
        begun.set()
        return await asyncio.Event().wait()

    server = await speaker(answering)
    service = Service("jobs", "jsonrpc", (server.url,))
    upstream = HttpUpstream(service)
    try:
        task = asyncio.ensure_future(
            Probe(service, upstream, asyncio.get_running_loop().time() + 20).describe()
        )
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (upstream.in_flight, upstream.waiting) == (0, 0)
    finally:
        await upstream.close()
