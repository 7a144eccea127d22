"""Does a call reach its upstream unchanged, and is what comes back an answer, an error, or clearly neither?"""

import json
from typing import Any

import pytest
from aiohttp import web

from gateway.core.faults import (
    DeadlineExceeded,
    TooLarge,
    Unavailable,
    UnknownMethod,
    Unrepresentable,
    UpstreamBroken,
)
from gateway.core.service import Service
from gateway.dialects.jsonrpc import JsonRpcDialect
from gateway.dialects.listed import ListedDialect
from gateway.dialects.openapi import OpenApiDialect
from gateway.upstreams.replicas import HttpUpstream


def raw(template: bytes, status: int = 200, content_type: str = "application/json", **headers: str) -> Any:
    """Answers with these bytes; `ID` in them is the id of the request."""

    async def answering(_: Any, request: web.BaseRequest, body: bytes) -> web.Response:
        token = str(json.loads(body)["id"]).encode()
        return web.Response(
            status=status,
            body=template.replace(b"ID", token),
            headers={"Content-Type": content_type, **headers},
        )

    return answering


FINE = raw(b'{"jsonrpc":"2.0","result":3,"id":ID}')


# what is sent


@pytest.mark.parametrize(
    "params",
    [
        b"[123456789012345678901234567890, 1e400, -0.0,NaN]",
        b'{"b" : 1,  "a":"\\ud800", "a":2}',
        b'{"x": {"$binary": {"base64": "AAE="}}}',
        b"[]",
        None,
    ],
)
async def test_params_leave_byte_for_byte(params: bytes | None, speaker, perform) -> None:
    server = await speaker(FINE)
    await perform(server.url, "get_job", params)
    body = server.bodies[0]
    assert (b'"params":' + params if params else b'"params"') in body or params is None
    sent = json.loads(body)
    assert (sent["jsonrpc"], sent["method"]) == ("2.0", "get_job")
    assert ("params" in sent) == (params is not None)


async def test_requests_have_ids_of_the_gates_own_that_differ(speaker, perform) -> None:
    server = await speaker(FINE)
    dialect = JsonRpcDialect()
    for _ in range(3):
        await perform(server.url, dialect=dialect)
    ids = [json.loads(body)["id"] for body in server.bodies]
    assert len(set(ids)) == 3
    assert None not in ids


async def test_a_notification_is_sent_as_a_call_so_that_every_server_runs_it(speaker, perform) -> None:
    server = await speaker(FINE)
    await perform(server.url, notification=True)
    assert json.loads(server.bodies[0])["id"] is not None


async def test_fields_say_what_is_sent_what_is_wanted_and_how_long_it_is_waited_for(speaker, perform) -> None:
    server = await speaker(FINE)
    await perform(server.url, seconds=10.0, headers={"License-ID": "abc"})
    sent = server.fields[0]
    assert sent["Content-Type"] == sent["Accept"] == "application/json"
    assert sent["Accept-Encoding"] == "identity"
    assert sent["X-Request-Id"] == "req-1"
    assert sent["License-ID"] == "abc"
    assert 0.0 < float(sent["Labgate-Timeout"]) <= 10.0


async def test_arrays_become_lists_where_the_service_wants_them(speaker, perform) -> None:
    array = b'[{"$ndarray":{"base64":"AACAPwAAAEA=","dtype":"<f4","shape":[2]}}]'
    server = await speaker(FINE)
    await perform(server.url, params=array)
    await perform(server.url, params=array, arrays="ndarray")
    assert json.loads(server.bodies[0])["params"] == [[1.0, 2.0]]
    assert array in server.bodies[1]


async def test_an_array_that_cannot_be_said_is_the_callers_fault_and_sends_nothing(speaker, perform) -> None:
    server = await speaker(FINE)
    with pytest.raises(Unrepresentable):
        await perform(server.url, params=b'[{"$ndarray":{"base64":"AAA=","dtype":"|O","shape":[2]}}]')
    assert server.bodies == []


async def test_a_call_whose_time_is_over_sends_nothing(speaker, perform) -> None:
    server = await speaker(FINE)
    with pytest.raises(DeadlineExceeded):
        await perform(server.url, seconds=-1)
    assert server.bodies == []


# what comes back


@pytest.mark.parametrize(
    ("answer", "kind", "body"),
    [
        (b'{"jsonrpc":"2.0","result": {"b":1e400, "a":NaN} ,"id":ID}', "result", b'{"b":1e400, "a":NaN}'),
        (b'{"result":"\\ud800","id":ID,"error":null}', "result", b'"\\ud800"'),
        (b'{"jsonrpc":"2.0","result":null,"id":ID}', "result", b"null"),
        (b' \n{"result":12345678901234567890123}', "result", b"12345678901234567890123"),
        (
            b'{"id":ID,"error":{"code":422, "message":"x","name":"N","data":{"slots":[]}}}',
            "error",
            b'{"code":422, "message":"x","name":"N","data":{"slots":[]}}',
        ),
        (b'{"id":null,"error":{"code":-32601,"message":"x"}}', "error", b'{"code":-32601,"message":"x"}'),
        (b'{"id":ID,"error":"went wrong"}', "error", b'{"code":-32000,"message":"went wrong"}'),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 404, 500, 503])
async def test_an_answer_is_an_answer_whatever_the_status_and_its_bytes_stay(
    answer: bytes, kind: str, body: bytes, status: int, speaker, perform
) -> None:
    server = await speaker(raw(answer, status))
    reply = await perform(server.url)
    assert (reply.kind, reply.body.data) == (kind, body)


@pytest.mark.parametrize(
    ("answering", "why"),
    [
        (raw(b"<html>secret</html>", content_type="text/html"), "HTTP 200 with HTML"),
        (raw(b"<html>secret</html>", 502, "text/html"), "HTTP 502 with HTML"),
        (raw(b"secret", content_type="text/plain"), "HTTP 200 with a body that is no JSON"),
        (raw(b""), "HTTP 200 with an empty body"),
        (raw(b"", 204), "HTTP 204 with an empty body"),
        (raw(b'{"jsonrpc":"2.0","result":"secret'), "HTTP 200 with a body that is none"),
        (raw(b'{"secret":1}'), "neither a result nor an error"),
        (raw(b'{"result":1,"result":2,"id":ID}'), "given twice"),
        (raw(b'[{"result":"secret","id":ID}]'), "no JSON object"),
        (raw(b'{"result":"secret","id":12345}'), "the answer to another request"),
        (raw(b'{"result":"secret","id":"ID"}'), "the answer to another request"),
        (raw(b'{"result":"secret","id":null}'), "the answer to another request"),
        (raw(b'{"result":1,"id":ID}', **{"Content-Encoding": "gzip"}), "content coding"),
        (raw(b"secret", 404), "HTTP 404 with a body that is no JSON. Check `url` and `rpc_path`"),
        (raw(b"secret", 401), "HTTP 401 with .* other credentials: check `headers`"),
        (
            raw(b'{"result":1,"id":ID}', 307, Location="/api/secret/"),
            "a redirect, which is not followed. Check",
        ),
    ],
)
async def test_what_is_no_answer_is_described_and_never_quoted(
    answering: Any, why: str, speaker, perform
) -> None:
    server = await speaker(answering)
    with pytest.raises(UpstreamBroken, match=why) as fault:
        await perform(server.url)
    assert "secret" not in fault.value.message
    assert fault.value.message.startswith("The service 'jobs' gave no JSON-RPC answer: HTTP ")
    assert len(server.asked) == 1


@pytest.mark.parametrize(("status", "doubt"), [(200, True), (502, True), (404, False), (307, False)])
async def test_an_unsafe_call_without_an_answer_may_have_been_executed_unless_it_was_refused(
    status: int, doubt: bool, speaker, perform
) -> None:
    server = await speaker(raw(b"<html>", status))
    with pytest.raises(UpstreamBroken) as fault:
        await perform(server.url, safe=False)
    assert fault.value.data == ({"maybe_executed": True} if doubt else {})
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("7", 7), (None, 1), ("Wed, 21 Oct 2026 07:28:00 GMT", 1), ("99999999", 3600), ("-3", 1)],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_service_that_takes_no_calls_says_when_it_will(
    status: int, said: str | None, seconds: int, speaker, perform
) -> None:
    headers = {} if said is None else {"Retry-After": said}
    server = await speaker(raw(b"busy", status, **headers))
    with pytest.raises(Unavailable, match=f"HTTP {status}") as fault:
        await perform(server.url)
    assert fault.value.data == {"retry_after": seconds}


async def test_an_answer_beyond_the_services_limit_is_too_large(speaker, perform) -> None:
    server = await speaker(raw(b'{"id":ID,"result":"' + b"x" * 5000 + b'"}'))
    with pytest.raises(TooLarge, match="larger than 1000 bytes"):
        await perform(server.url, max_reply=1000)


# listed


async def test_a_listed_service_is_asked_nothing_and_its_calls_go_to_its_rpc_path(speaker, perform) -> None:
    server = await speaker(FINE)
    dialect = ListedDialect(JsonRpcDialect(), OpenApiDialect())
    service = Service("jobs", "listed", (server.url,), rpc_path="/v1")
    described = await dialect.describe(service, HttpUpstream(service), 0.0)
    assert (described.methods, described.convention, described.rpc_path) == ((), "listed", "/v1")
    assert server.asked == []
    reply = await perform(server.url, dialect=dialect, address=described.address, rpc_path="/v1")
    assert reply.body.data == b"3"
    assert server.asked == [("POST", "/v1", "add")]


async def test_a_listed_service_without_rpc_path_takes_no_calls(perform) -> None:
    with pytest.raises(UnknownMethod, match="no `rpc_path`"):
        await perform(
            "http://127.0.0.1:9", dialect=ListedDialect(JsonRpcDialect(), OpenApiDialect()), address=""
        )
