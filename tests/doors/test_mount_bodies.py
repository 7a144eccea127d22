"""A small body of what changes nothing is awaited: then memory may answer, and a connection at hand carries it."""

import asyncio

import pytest
from mounting import Answer, Caller, Line, Upstream, past, told

SETTINGS = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  up:
    dialect: listed
    url: "{url}"
    mount: /up
    methods:
      search: {{http: "POST /search", safe: true, cache: {{fresh: 1h, share: everyone}}}}
      look: {{http: "POST /look", safe: true}}
      change: {{http: "POST /change"}}
"""
LARGER = 64 << 10


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    for path in ("/search", "/look", "/change"):

        async def echo(asked) -> bytes:
            return told(asked.body)

        upstream.on(path, echo)
    await stand.gate(SETTINGS.format(url=upstream.url))
    upstream.asked.clear()
    return upstream


@pytest.fixture
def ada(stand, up) -> Caller:
    return stand.caller("lab")


async def in_two(caller: Caller, path: str, body: bytes, line: Line | None = None, *lines: str) -> Answer:
    """The answer to a POST whose body comes a moment after its head, as http.client sends it."""
    line = line or await caller.line()
    line.writer.write(caller.head("POST", path, f"Content-Length: {len(body)}", *lines))
    await past(0.05)
    line.writer.write(body)
    return await line.answer("POST")


async def test_a_body_that_comes_after_its_head_is_answered_from_memory(up, ada):
    first, second = await in_two(ada, "/up/search", b"cells"), await in_two(ada, "/up/search", b"cells")
    other = await in_two(ada, "/up/search", b"synapses")
    assert [answer.body for answer in (first, second, other)] == [b"cells", b"cells", b"synapses"]
    assert [answer.hit for answer in (first, second, other)] == [False, True, False]
    assert [asked.body for asked in up.asked] == [b"cells", b"synapses"]


async def test_what_changes_nothing_goes_over_a_connection_at_hand(up, ada):
    for body in (b"a", b"b"):
        assert (await in_two(ada, "/up/look", body)).body == body
    assert up.asked[0].writer is up.asked[1].writer


async def test_what_changes_something_never_does(up, ada):
    for body in (b"a", b"b"):
        assert (await in_two(ada, "/up/change", body)).body == body
    assert up.asked[0].writer is not up.asked[1].writer


@pytest.mark.parametrize("size", [LARGER, LARGER + 1, 5 * LARGER])
async def test_bodies_of_every_size_come_whole(up, ada, size):
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    for path in ("/up/search", "/up/look", "/up/change"):
        assert (await in_two(ada, path, body)).body == body


async def test_who_waits_to_be_invited_is(up, ada):
    line = await ada.line()
    line.writer.write(ada.head("POST", "/up/search", "Content-Length: 5", "Expect: 100-continue"))
    assert (await asyncio.wait_for(line.reader.readuntil(b"\r\n\r\n"), 20)).startswith(b"HTTP/1.1 100 ")
    assert up.asked == []
    line.writer.write(b"cells")
    assert (await line.answer("POST")).body == b"cells"


async def test_a_connection_carries_one_after_the_other(up, ada):
    line = await ada.line()
    for body in (b"a", b"b", b"a", b"b"):
        assert (await in_two(ada, "/up/search", body, line)).body == body
    assert len(up.asked) == 2


async def test_of_a_body_that_never_comes_whole_the_service_hears_nothing(up, ada):
    line = await ada.line()
    line.writer.write(ada.head("POST", "/up/look", "Content-Length: 5") + b"ce")
    await past(0.1)
    await line.close()
    assert (await in_two(ada, "/up/look", b"whole")).body == b"whole"
    assert [asked.body for asked in up.asked] == [b"whole"]


async def test_an_upload_that_is_refused_leaves_the_connection_to_the_next_request(up, ada):
    await up.stop()
    line = await ada.line()
    for size in (10, LARGER, LARGER + 1, 3 * LARGER):
        head = ada.head("POST", "/up/change", f"Content-Length: {size}")
        line.writer.write(head + b"x" * size)
        assert (await line.answer("POST")).status == 502
        line.writer.write(ada.head("GET", "/rpc/list"))
        assert (await line.answer("GET")).status < 500
