"""What becomes of what a service must not answer, and of pickles, where a service may give them?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgpack
import pytest
from aiohttp import web

CONFIG = """
policies: [{{to: ["group:lab"], allow: ["*", "/**"]}}]
services: {{data: {{dialect: intake, url: "{url}", mount: /data{more}}}}}
"""

ENTRY = {
    "name": "x",
    "container": "ndarray",
    "driver": ["d"],
    "plugin": ["d"],
    "description": "",
    "direct_access": "forbid",
    "user_parameters": [
        {"name": "who", "type": "str", "default": "env(USER)"},
        {"name": "mine", "type": "str", "default": "client_shell(id)"},
        {"name": "at", "type": "datetime", "default": "today"},
    ],
    "metadata": {},
    "args": {"urlpath": "/srv/x", "storage_options": {"key": "secret"}},
}
SCHEMA = {
    "container": "ndarray",
    "dtype": "<u2",
    "shape": [4],
    "npartitions": 2,
    "chunks": [[2, 2]],
    "metadata": {},
}


class Scripted:
    """A catalog server with one entry, whose answers to reads are the test's."""

    def __init__(self) -> None:
        self.entry: dict[str, Any] = dict(ENTRY)
        self.opened: dict[str, Any] = dict(SCHEMA)
        self.answer: Any = None
        self.asked: list[dict[str, Any]] = []
        self.url = ""

    async def info(self, request: web.Request) -> web.Response:
        return self._said({"version": "0.7.0", "sources": [self.entry], "length": 1, "metadata": {}})

    async def source(self, request: web.Request) -> web.Response:
        return self._said({"source": self.entry})

    async def act(self, request: web.Request) -> web.Response:
        asked = msgpack.unpackb(await request.read())
        self.asked.append(asked)
        if asked["action"] == "open":
            return self._said({**self.opened, "source_id": "1234"})
        if isinstance(self.answer, web.Response):
            return self.answer
        return self._said(self.answer)

    def _said(self, value: Any) -> web.Response:
        return web.Response(body=msgpack.packb(value), content_type="text/html")


class Behind:
    """A scripted service behind a gate."""

    def __init__(self, service: Scripted, port: int, token: str, made: Any) -> None:
        self.service = service
        self._caller = made(port, "/data", Authorization=f"Bearer {token}")

    async def post(self, **said: Any) -> tuple[int, str, Any]:
        """Status, reason, and what is answered."""
        response, body = await asyncio.to_thread(self._caller.ask, "POST", "/v1/source", msgpack.packb(said))
        return response.status, response.reason, msgpack.unpackb(body) if response.status == 200 else body

    async def get(self, path: str) -> Any:
        response, body = await asyncio.to_thread(self._caller.ask, "GET", path)
        assert response.status == 200
        return msgpack.unpackb(body)

    async def read(self, *formats: str) -> tuple[int, str, Any]:
        _, _, opened = await self.post(action="open", name="x")
        accepted = list(formats or ("msgpack",))
        return await self.post(
            action="read", source_id=opened["source_id"], partition=[0], accepted_formats=accepted
        )


@pytest.fixture
async def behind(gate_of: Any, token_for: Any, intake_lab: Any) -> AsyncIterator[Callable[..., Any]]:
    """`await behind(more)`: a scripted service behind a gate."""
    service = Scripted()
    app = web.Application()
    app.router.add_get("/v1/info", service.info)
    app.router.add_get("/v1/source", service.source)
    app.router.add_post("/v1/source", service.act)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    gates: list[Any] = []

    async def made(more: str = "") -> Behind:
        gates.append(gate_of(CONFIG.format(url=service.url, more=more)))
        gate = await gates[-1].__aenter__()
        return Behind(service, gate.address[1], token_for("alice", "lab"), intake_lab.Caller)

    yield made
    for one in gates:
        await one.__aexit__(None, None, None)
    await runner.cleanup()


def answer(data: Any, **others: Any) -> dict[str, Any]:
    return {"format": "msgpack", "compression": "none", "container": "ndarray", "data": data} | others


def array(**others: Any) -> bytes:
    said = {b"nd": True, b"type": "<u2", b"kind": b"", b"shape": [2], b"data": b"abcd"}
    return msgpack.packb(said | {key.encode(): value for key, value in others.items()})


@pytest.mark.parametrize(
    "said",
    [
        answer(array(kind=b"O", type="|O8")),
        answer(array(type="|O8")),
        answer(array(shape=[3])),
        answer(array(type="no dtype")),
        answer(b"\x80\x04no map"),
        answer(msgpack.packb([1, 2])),
        answer("a text"),
        answer(array(), format="pickle1"),
        answer(array(), compression="gzip"),
        answer(array(), container="dataframe"),
        answer(array(), container=None),
        [1, 2],
        b"junk",
    ],
)
async def test_what_is_no_answer_is_a_502_and_reaches_nobody(said: Any, behind: Any) -> None:
    bench = await behind()
    bench.service.answer = web.Response(body=said) if isinstance(said, bytes) else said
    status, reason, _ = await bench.read()
    assert (status, "cannot be read" in reason) == (502, True)


async def test_what_is_asked_of_the_service_is_msgpack_without_compression(behind: Any) -> None:
    bench = await behind()
    bench.service.answer = answer(array(), more="dropped")
    status, _, said = await bench.read("pickle1", "msgpack")
    assert (status, said) == (200, answer(array()))
    asked = bench.service.asked[-1]
    assert (asked["accepted_formats"], asked["accepted_compression"]) == (["msgpack"], ["none"])


async def test_pickles_pass_unread_where_the_service_may(behind: Any) -> None:
    bench = await behind(", pickle: true")
    bench.service.answer = answer(b"cos\nsystem\n", format="pickle2")
    status, _, said = await bench.read("pickle2", "pickle1")
    assert (status, said["data"]) == (200, b"cos\nsystem\n")
    assert bench.service.asked[-1]["accepted_formats"] == ["pickle2"]
    bench.service.answer = answer(array())
    assert (await bench.read("pickle2", "msgpack"))[2]["format"] == "msgpack"


async def test_what_the_service_evaluates_stays_its_own_and_what_the_caller_would_run_is_not_told(
    behind: Any,
) -> None:
    bench = await behind()
    said = (await bench.get("/v1/source?name=x"))["source"]
    parameters = {one["name"]: one for one in said["user_parameters"]}
    assert ("default" in parameters["mine"], parameters["who"]["default"]) == (False, "env(USER)")
    assert said["args"] == {}
    # The real client spells defaults out.
    status, _, _ = await bench.post(action="open", name="x", parameters={"who": "env(USER)", "at": "today"})
    assert (status, bench.service.asked[-1]["parameters"]) == (200, {"at": "today"})
    assert (await bench.post(action="open", name="x", parameters={"who": "env(HOME)"}))[0] == 400


async def test_an_entry_that_would_run_something_at_the_callers_is_not_sent_there(behind: Any) -> None:
    bench = await behind()
    bench.service.entry = {**ENTRY, "direct_access": "allow"}
    bench.service.opened = {**ENTRY, "args": {"urlpath": "client_shell(id)"}}
    status, reason, _ = await bench.post(action="open", name="x", available_plugins=["d"])
    assert (status, reason) == (400, "x cannot be read from where it lies")


async def test_a_redirect_is_not_followed(behind: Any) -> None:
    bench = await behind()
    bench.service.answer = web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})
    assert (await bench.read())[0] == 502


async def test_a_reason_is_told_in_the_status_line_and_is_no_markup_in_the_page(behind: Any) -> None:
    bench = await behind()
    bench.service.answer = web.Response(status=400, reason="a <b>bad</b> day for 'x'")
    status, reason, body = await bench.read()
    assert (status, reason) == (400, "a <b>bad</b> day for 'x'")
    assert b"<b>" not in body


async def test_what_a_service_that_sees_a_token_answers_is_shared_by_nobody(
    bench_of: Any, token_for: Any
) -> None:
    config = """
policies: [{{to: ["group:lab"], allow: ["*", "/**"]}}]
services:
  data: {{dialect: intake, url: {url}, mount: /lab/data, bearer: gate, token: abcdefgh}}
"""
    bench = await bench_of(config=config)
    opened = await bench.open("notes")
    await bench.read(opened, 0)
    said = {
        "action": "read",
        "source_id": opened["source_id"],
        "accepted_formats": ["msgpack"],
        "partition": 0,
    }
    await bench.post(said, caller=bench.caller(token=token_for("bob", "lab")))
    assert bench.lab.reads("notes") == 2
