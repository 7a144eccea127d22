"""Does a call of a REST operation reach its upstream as it was meant, and what does the caller get of the answer?"""

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.core.call import Call, Params
from gateway.core.faults import (
    DeadlineExceeded,
    InvalidParams,
    TooLarge,
    UpstreamBroken,
    UpstreamUnreachable,
)
from gateway.core.listing import Offer, list_of
from gateway.core.principal import ANONYMOUS
from gateway.core.reply import Reply
from gateway.core.service import Description, Service
from gateway.dialects.openapi import OpenApiDialect
from gateway.dialects.openapi.document import read
from gateway.upstreams.replicas import HttpUpstream

DOCUMENTS = Path(__file__).with_name("openapi_documents")
TILES = (DOCUMENTS / "tiles-3.1.json").read_text()


@dataclass
class Rest:
    """A running upstream: what it was asked, and how it answers everything but its documents."""

    documents: Mapping[str, str]
    answer: Callable[[web.BaseRequest, bytes], web.StreamResponse] = lambda *_: web.json_response({})
    url: str = ""
    targets: list[str] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    fields: list[Mapping[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answering: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] = self.recorded

    async def handle(self, asked: web.BaseRequest) -> web.StreamResponse:
        return await self.answering(asked)

    async def recorded(self, asked: web.BaseRequest) -> web.StreamResponse:
        body = await asked.read()
        self.targets.append(asked.raw_path)
        self.verbs.append(asked.method)
        self.fields.append(asked.headers)
        self.bodies.append(body)
        if asked.path in self.documents:
            return web.Response(text=self.documents[asked.path], content_type="application/json")
        return self.answer(asked, body)


@pytest.fixture
async def ends() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def rest(ends: AsyncExitStack) -> Callable[..., Awaitable[Rest]]:
    """`await rest(documents, answer)`: a running upstream."""

    async def start(documents: Mapping[str, str] = {}, answer: Any = None) -> Rest:
        made = Rest(documents, answer) if answer else Rest(documents)
        runner = web.ServerRunner(web.Server(made.handle), shutdown_timeout=0.1)
        await runner.setup()
        ends.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return made

    return start


@pytest.fixture
def describe(ends: AsyncExitStack) -> Callable[..., Awaitable[Description]]:
    """`await describe(url, **settings)`: what the dialect makes of the service there."""

    async def asked(url: str, **settings: Any) -> Description:
        service = Service("files", "openapi", (url,), **settings)
        upstream = HttpUpstream(service)
        ends.push_async_callback(upstream.close)
        return await OpenApiDialect().describe(service, upstream, asyncio.get_running_loop().time() + 20)

    return asked


@pytest.fixture
def perform(ends: AsyncExitStack) -> Callable[..., Awaitable[Reply]]:
    """`await perform(url, method, params)`: one call of the method of `tiles-3.1.json`."""

    async def called(
        url: str, name: str, params: bytes | None = None, *, seconds: float = 20.0, **settings: Any
    ) -> Reply:
        service = Service("files", "openapi", (url,), **settings)
        upstream = HttpUpstream(service)
        ends.push_async_callback(upstream.close)
        deadline = asyncio.get_running_loop().time() + seconds
        method = METHODS[f"files.{name}"].method
        call = Call("req-1", ANONYMOUS, method, Params(params), deadline)
        return await OpenApiDialect().perform(call, service, "/v2", upstream)

    return called


def _methods() -> Mapping[str, Any]:
    service = Service("files", "openapi", ("http://127.0.0.1",))
    return list_of(Offer(service, read(TILES.encode(), service, "/openapi.json"))).items


METHODS = _methods()


# finding the document


@pytest.mark.parametrize(
    "place", ["/openapi.json", "/swagger.json", "/openapi.yaml", "/v3/api-docs", "/docs/openapi.json"]
)
async def test_the_document_is_found_at_the_usual_places(place: str, rest, describe) -> None:
    server = await rest({place: TILES, "/swagger.json" if place != "/swagger.json" else "/": "{}"})
    found = await describe(server.url)
    assert server.targets[-1] == place
    assert len(found.methods) == 7
    assert found.address == "/v2"


async def test_a_configured_place_is_the_only_one(rest, describe) -> None:
    server = await rest({"/openapi.json": TILES, "/mine": TILES})
    await describe(server.url, describe_path="/mine")
    with pytest.raises(UpstreamBroken, match="/gone gave HTTP 200, no document of OpenAPI"):
        await describe(server.url, describe_path="/gone")
    assert server.targets == ["/mine", "/gone"]


async def test_a_large_document_is_read_too_and_one_beyond_the_limit_is_not(rest, describe) -> None:
    large = json.dumps({**json.loads(TILES), "x-padding": ["x" * 100] * 5_000})
    server = await rest({"/openapi.json": large})
    assert len((await describe(server.url)).methods) == 7
    with pytest.raises(TooLarge, match="describes itself in more than 1000 bytes"):
        await describe(server.url, max_describe=1000)


async def test_a_compressed_document_is_read_and_a_bomb_is_refused(rest, describe) -> None:
    def answer(*_: Any) -> web.Response:
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    server = await rest({}, answer)
    packed = gzip.compress(TILES.encode())
    assert len((await describe(server.url)).methods) == 7
    packed = gzip.compress(b" " * 1_000_000)
    with pytest.raises(TooLarge):
        await describe(server.url, max_describe=100_000)


async def test_an_upstream_without_a_document_is_told_where_it_was_looked_for(rest, describe) -> None:
    server = await rest(
        {}, lambda *_: web.Response(status=404, text="<h1>secret</h1>", content_type="text/html")
    )
    with pytest.raises(UpstreamBroken) as raised:
        await describe(server.url)
    assert "/v3/api-docs gave HTTP 404" in raised.value.message
    assert "secret" not in raised.value.message


async def test_a_place_that_hangs_leaves_time_for_the_others(rest, ends) -> None:
    server = await rest({"/swagger.json": TILES})
    go_on = asyncio.Event()
    usual = server.answering

    async def hanging(asked: web.BaseRequest) -> web.StreamResponse:
        if asked.path == "/openapi.json":
            await go_on.wait()
        return await usual(asked)

    server.answering = hanging
    service = Service("files", "openapi", (server.url,))
    upstream = HttpUpstream(service)
    ends.push_async_callback(upstream.close)
    try:
        found = await OpenApiDialect().describe(service, upstream, asyncio.get_running_loop().time() + 1)
    finally:
        go_on.set()
    assert len(found.methods) == 7


async def test_an_upstream_that_is_away_is_unreachable(rest, describe, ends) -> None:
    server = await rest()
    await ends.aclose()
    with pytest.raises(UpstreamUnreachable):
        await describe(server.url)


# what is sent


async def test_every_argument_goes_to_its_place_and_values_keep_their_bytes(rest, perform) -> None:
    server = await rest()
    params = (
        b'{"id": 12345678901234567890123, "dry": true, "title": "\\ud83d\\ude00 \\ud800", "body_id": 1.50e400,'
        b' "tags": ["a b", "c&d"], "flags": [1, 2.0], "X-Trace": "t", "extra": {"x" : NaN}}'
    )
    await perform(server.url, "put_image", params)
    assert server.verbs == ["PUT"]
    assert server.targets == ["/v2/images/12345678901234567890123?dry=true&tags=a%20b&tags=c%26d&flags=1,2.0"]
    assert server.bodies == [b'{"title":"\\ud83d\\ude00 \\ud800","id":1.50e400,"extra":{"x" : NaN}}']
    assert server.fields[0]["X-Trace"] == "t"


async def test_a_cookie_goes_into_its_own_field_and_overrides_none_of_the_operators(rest, perform) -> None:
    server = await rest()
    params = b'{"id": 1, "dry": true, "title": "t", "body_id": 2, "session": "s1"}'
    await perform(server.url, "put_image", params)
    assert (server.targets, server.fields[0].getall("Cookie")) == (["/v2/images/1?dry=true"], ["session=s1"])
    with pytest.raises(InvalidParams, match="the gate sends cookies of its own"):
        await perform(server.url, "put_image", params, headers={"Cookie": "session=the-labs"})
    assert len(server.targets) == 1
    await perform(
        server.url, "put_image", params.replace(b'"s1"', b"null"), headers={"Cookie": "session=the-labs"}
    )
    assert server.fields[1].getall("Cookie") == ["session=the-labs"]


async def test_fields_say_what_is_sent_what_is_wanted_and_how_long_it_is_waited_for(rest, perform) -> None:
    server = await rest()
    await perform(server.url, "get_tile", b"[3, 4]", seconds=10.0, headers={"X-Key": "k"})
    sent = server.fields[0]
    assert server.targets == ["/v2/tiles/3/4.png"]
    assert sent["Accept"] == "image/png, */*;q=0.5"
    assert sent["Accept-Encoding"] == "identity"
    assert sent["X-Request-Id"] == "req-1"
    assert sent["X-Key"] == "k"
    assert 0.0 < float(sent["Labgate-Timeout"]) <= 10.0
    assert "Content-Type" not in sent


async def test_unknown_names_go_to_the_query_of_a_read_and_to_the_body_of_a_write(rest, perform) -> None:
    server = await rest()
    await perform(server.url, "get_tile", b'{"z":1,"x":2,"f{i}":{"a": [1]},"none":null}')
    await perform(server.url, "search", b'{"body":["a", 1.0],"more":1}')
    await perform(server.url, "search", b'{"more": 1}')
    assert server.targets == [
        "/v2/tiles/1/2.png?f%7Bi%7D=%7B%22a%22%3A%20%5B1%5D%7D", "/v2/search?more=1", "/v2/search",
    ]  # fmt: skip
    assert server.bodies == [b"", b'["a", 1.0]', b'{"more":1}']


async def test_bytes_travel_as_a_body_and_as_a_file_of_a_form(rest, perform) -> None:
    parts: list[tuple[str, str | None, bytes]] = []

    async def form(asked: web.BaseRequest) -> web.Response:
        reader = await asked.multipart()
        while (part := await reader.next()) is not None:
            parts.append((part.name or "", part.filename, bytes(await part.read())))
        return web.Response(text="ok")

    server = await rest()
    await perform(server.url, "put_blob", b'{"body":{"$binary":{"base64":"AAH/"}}}')
    await perform(server.url, "put_blob", b'["\\u00e9"]')
    assert server.bodies == [b"\x00\x01\xff", "é".encode()]
    assert server.fields[0]["Content-Type"] == "application/octet-stream"
    server.answering = form
    params = b'{"file":{"$binary":{"base64":"AAH/DQo="}},"note":"\\u00e9\\r\\n--","n":[1.0,2]}'
    reply = await perform(server.url, "upload", params)
    await perform(server.url, "upload", b'{"file":"text"}')
    assert reply.body.data == b'"ok"'
    assert parts == [
        ("file", "file", b"\x00\x01\xff\r\n"), ("note", None, "é\r\n--".encode()),
        ("n", None, b"1.0"), ("n", None, b"2"), ("file", "file", b"text"),
    ]  # fmt: skip


async def test_a_form_is_written_as_one(rest, perform) -> None:
    server = await rest()
    await perform(server.url, "login", b'{"user":"a b&\\u00e9","n":10.0}')
    assert server.bodies == [b"user=a%20b%26%C3%A9&n=10.0"]
    assert server.fields[0]["Content-Type"] == "application/x-www-form-urlencoded"


async def test_arrays_become_lists(rest, perform) -> None:
    server = await rest()
    array = b'{"$ndarray":{"base64":"AACAPwAAAEA=","dtype":"<f4","shape":[2]}}'
    await perform(server.url, "search", b"[%b]" % array)
    await perform(server.url, "search", b"[%b]" % array, arrays="ndarray")
    assert server.bodies == [b"[1.0,2.0]", array]


@pytest.mark.parametrize(
    ("params", "named"),
    [
        (b'{"x":1}', "'z'"),
        (b'{"z":null,"x":1}', "'z'"),
        (b'{"z":"","x":1}', "'z'"),
        (b'{"z":".","x":1}', "'z'"),
        (b'{"z":"..","x":1}', "'z'"),
        (b'{"z":[],"x":1}', "'z'"),
        (b'{"z":[".."],"x":1}', "'z'"),
        (b'{"z":"\\ud800","x":1}', "'z'"),
        (b'{"z":1,"x":1,"z":2}', "'z'"),
        (b"[1,2,3,4]", "4 were given"),
        (b"null", "no JSON"),
        (b'{"z":1', "no JSON"),
        (b"", "no JSON"),
    ],
)
async def test_what_a_path_cannot_say_is_the_callers_fault_and_sends_nothing(
    params: bytes, named: str, rest, perform
) -> None:
    server = await rest()
    with pytest.raises(InvalidParams, match=named):
        await perform(server.url, "get_tile", params)
    assert server.targets == []


async def test_a_call_whose_time_is_over_sends_nothing(rest, perform) -> None:
    server = await rest()
    with pytest.raises(DeadlineExceeded):
        await perform(server.url, "search", b"[[]]", seconds=-1)
    assert server.targets == []


# what comes back


@pytest.mark.parametrize(
    ("body", "content_type", "result"),
    [
        (b' {"b":1e400, "a":NaN}\n', "application/json", b' {"b":1e400, "a":NaN}\n'),
        (b"[1]", "application/problem+json; charset=utf-8", b"[1]"),
        (b"", "application/json", b"null"),
        (b"", "image/png", b"null"),
        ("é\n".encode(), "text/plain; charset=utf-8", '"é\\n"'.encode()),
        (b"\xe9", "text/csv; charset=ISO-8859-1", '"é"'.encode()),
        (b"\xe9", "text/plain; charset=utf-8", b'{"$binary":{"base64":"6Q=="}}'),
        (b"abc", "text/plain; charset=punycode", b'{"$binary":{"base64":"YWJj"}}'),
        (b"\x00\x01", "image/png", b'{"$binary":{"base64":"AAE="}}'),
    ],
)
async def test_a_result_is_the_json_it_is_or_a_text_or_bytes(
    body: bytes, content_type: str, result: bytes, rest, perform
) -> None:
    server = await rest({}, lambda *_: web.Response(body=body, headers={"Content-Type": content_type}))
    reply = await perform(server.url, "search", b"[[]]")
    assert (reply.kind, reply.body.data) == ("result", result)


async def test_no_content_is_null(rest, perform) -> None:
    server = await rest({}, lambda *_: web.Response(status=204))
    assert (await perform(server.url, "delete_images_by_id", b"[7]")).body.data == b"null"


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("gzip", lambda data: gzip.compress(data[:3]) + gzip.compress(data[3:])),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data)[2:-4]),
    ],
)
async def test_a_coded_reply_is_decoded_within_the_limit(coding: str, pack: Any, rest, perform) -> None:
    body = json.dumps(["x"] * 1000).encode()
    packed = pack(body)

    def answer(*_: Any) -> web.Response:
        return web.Response(
            body=packed, content_type="application/json", headers={"Content-Encoding": coding}
        )

    server = await rest({}, answer)
    assert (await perform(server.url, "search", b"[[]]")).body.data == body
    with pytest.raises(TooLarge) as raised:
        await perform(server.url, "search", b"[[]]", max_reply=len(body) - 1)
    assert raised.value.data == {"maybe_executed": True}
    packed = packed[: len(packed) // 2]
    with pytest.raises(UpstreamBroken, match="content coding that"):
        await perform(server.url, "search", b"[[]]")


@pytest.mark.parametrize("coding", ["br", "gzip, br", "gzip"])
async def test_another_or_a_broken_coding_is_no_answer(coding: str, rest, perform) -> None:
    server = await rest({}, lambda *_: web.Response(body=b"x", headers={"Content-Encoding": coding}))
    with pytest.raises(UpstreamBroken, match="content coding"):
        await perform(server.url, "get_tile", b"[1,2]")


@pytest.mark.parametrize("body", [b"{", b"\xff", b"{} {}", b"<html>"])
async def test_what_is_said_to_be_json_and_is_not_is_no_answer_and_is_not_quoted(
    body: bytes, rest, perform
) -> None:
    server = await rest({}, lambda *_: web.Response(body=body, content_type="application/json"))
    with pytest.raises(UpstreamBroken) as raised:
        await perform(server.url, "search", b"[[]]")
    assert raised.value.data == {"maybe_executed": True}
    assert "html" not in raised.value.message


async def test_redirects_are_not_followed(rest, perform) -> None:
    server = await rest({}, lambda *_: web.Response(status=307, headers={"Location": "/elsewhere"}))
    with pytest.raises(UpstreamBroken, match=r"HTTP 307.*Check `url`"):
        await perform(server.url, "search", b"[[]]")
    assert server.targets == ["/v2/search"]


@pytest.mark.parametrize(
    ("status", "body", "content_type", "message", "shown"),
    [
        (
            404,
            '{"detail": "No such tile",  "n":1e400}',
            "application/json",
            "404 Not Found: No such tile",
            ...,
        ),
        (
            403,
            '{"detail":[{"loc":["body","z"],"msg":"field required"}]}',
            "application/json",
            "403 Forbidden: body.z: field required",
            ...,
        ),
        (409, '{"error":{"message":"busy"}}', "application/problem+json", "409 Conflict: busy", ...),
        (400, "[]", "application/json", "400 Bad Request", ...),
        (500, "<h1>secret</h1>", "text/html", "500 Internal Server Error", None),
        (503, "try later", "text/plain", "503 Service Unavailable: try later", "try later"),
        (502, "{", "application/json", "502 Bad Gateway", None),
        (404, "", "text/plain", "404 Not Found", None),
    ],
)
async def test_a_status_of_400_or_more_is_an_error_with_what_the_upstream_said(
    status: int, body: str, content_type: str, message: str, shown: Any, rest, perform
) -> None:
    server = await rest({}, lambda *_: web.Response(status=status, text=body, content_type=content_type))
    reply = await perform(server.url, "search", b"[[]]")
    error = json.loads(reply.body.data)
    assert (reply.kind, error["code"], error["message"]) == ("error", -32000, message)
    assert error["data"]["status"] == status
    if shown is ...:
        assert b'"body":%b}' % body.encode() in reply.body.data
    else:
        assert error["data"].get("body") == shown


async def test_long_texts_of_errors_are_cut(rest, perform) -> None:
    server = await rest({}, lambda *_: web.Response(status=500, text="é" * 5000))
    error = json.loads((await perform(server.url, "search", b"[[]]")).body.data)
    assert len(error["message"]) < 600
    assert error["data"]["body"] == "é" * 2048
