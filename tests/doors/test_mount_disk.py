"""Replies through a mount lie in the farther tiers too: after a restart, in files, in parts, and never after a write."""

import asyncio
import json

import pytest
from mounting import PATIENCE, Begun, told, until

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
cache: {{disk: {{size: 256MiB}}}}
services:
  up:
    dialect: listed
    url: "{url}"
    mount: /up
    methods: {{get: {{http: "GET /ruled/{{id}}", cache: {{fresh: 1h, share: everyone}}}}}}
"""
LARGE = bytes(range(256)) * 20_000
SHARED = "Cache-Control: public, max-age=3600"
NO_DATE = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"


def fresh(body: bytes, *lines: str) -> bytes:
    """An answer that came just now."""
    return told(body, *lines).replace(NO_DATE, b"")


@pytest.fixture
async def up(stand):
    upstream = await stand.upstream()
    await stand.gate(CONFIG.format(url=upstream.url))
    return upstream


async def again(stand, up):
    """Another gate with the same state folder, as after a restart: its memory is empty."""
    await stand.running.shelves.settle()
    await stand.gate(CONFIG.format(url=up.url))
    return stand.caller("lab")


async def stored(stand, count: int) -> None:
    """Wait until so many entries lie on the disk."""
    async with asyncio.timeout(PATIENCE):
        while stand.running.disk.status()["entries"] < count:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("target", ["/up/shared", "/up/ruled/1", "/up/mine", "/up/varies"])
@pytest.mark.parametrize("size", [0, 5, 100_000, 600_000, len(LARGE)])
async def test_what_was_stored_answers_after_a_restart_whole_and_in_parts(stand, up, target, size):
    lines = {"/up/mine": ("Cache-Control: max-age=3600",), "/up/varies": (SHARED, "Vary: X-A")}.get(
        target, (SHARED,)
    )
    up.on("*", fresh(LARGE[:size], 'ETag: "a"', *lines))
    ada = stand.caller("lab")
    assert (await ada.get(target, "X-A: 1")).body == LARGE[:size]
    await stored(stand, 2 if target in ("/up/mine", "/up/varies") else 1)
    caller = await again(stand, up)
    caller.token = ada.token
    for turn in range(2):
        answer = await caller.get(target, "X-A: 1")
        # What is long stays in its file, the rest is in memory from then on.
        assert ('detail="disk"' in answer["Cache-Status"]) == (turn == 0 or size == len(LARGE))
        assert (answer.hit, answer.body == LARGE[:size], answer["ETag"]) == (True, True, '"a"')
    if size:
        part = await caller.get(target, "X-A: 1", "Range: bytes=2-4")
        assert (part.status, part.body, part.hit) == (206, LARGE[2:5], True)
    assert (await caller.get(target, "X-A: 1", 'If-None-Match: "a"')).status == 304
    head = await caller.ask("HEAD", target, "X-A: 1")
    assert (head.hit, head["Content-Length"]) == (True, str(size))
    assert len(up.asked) == 1


async def test_equal_requests_for_what_is_too_large_for_memory_share_one_trip(stand, up):
    large = Begun(LARGE)
    up.on("*", large)
    ada, bob = stand.caller("lab"), stand.caller("lab", name="bob")
    line = await ada.line()
    asking = [asyncio.create_task(ada.get("/up/ruled/1", on=line))]
    await large.begun.wait()
    asking += [asyncio.create_task(bob.get("/up/ruled/1")) for _ in range(5)]
    await asyncio.sleep(0.1)
    large.free.set()
    assert all([(await one).body == LARGE for one in asking])
    # It may not have come to the disk yet.
    assert (await ada.get("/up/ruled/1", on=line)).body == LARGE
    assert len(up.asked) == 1


async def test_a_write_ends_what_lies_on_the_disk(stand, up):
    up.on("*", fresh(LARGE, SHARED))
    ada = stand.caller("lab")
    await ada.get("/up/x")
    await stored(stand, 1)
    await ada.ask("PUT", "/up/x", body=b"y")
    up.on("*", fresh(b"new", SHARED))
    assert (await ada.get("/up/x")).body == b"new"
    assert (await (await again(stand, up)).get("/up/x")).body == b"new"


async def test_a_large_body_that_breaks_off_leaves_nothing(stand, up, tmp_path):
    async def broken(asked):
        asked.writer.write(
            f"HTTP/1.1 200 OK\r\n{SHARED}\r\nContent-Length: {len(LARGE) + 1}\r\n\r\n".encode() + LARGE
        )
        await asked.writer.drain()

    up.on("/x", broken)
    ada = stand.caller("lab")
    line = await ada.line()
    line.writer.write(ada.request("GET", "/up/x"))
    await line.ended()
    up.on("/x", fresh(b"whole", SHARED))
    assert (await ada.get("/up/x")).body == b"whole"
    await until(
        lambda: (
            not [
                one
                for one in (tmp_path / "state").rglob("*")
                if one.is_file() and one.stat().st_size > len(LARGE) // 2
            ]
        )
    )


@pytest.mark.parametrize("target", ["/up/shared", "/up/mine"])
async def test_an_operator_is_told_which_tier_has_what_a_request_asks_for(stand, up, target):
    up.on("*", fresh(b"x", SHARED if target == "/up/shared" else "Cache-Control: max-age=3600"))
    ada = stand.caller("lab")
    await ada.get(target)
    await stored(stand, 1 if target == "/up/shared" else 2)
    caller = await again(stand, up)
    caller.token = ada.token
    for tier in ("disk", "memory"):
        said = json.loads((await stand.at(caller).rpc("/-/explain", {"path": target})).body)
        assert (said["outcome"], said["tier"]) == ("hit", tier)
