"""Replies through a mount on the disk: another gate answers from there, byte for byte as memory would, and large ones from the file."""

import asyncio
import random
import re

import pytest
from mounted_labs import REST, document
from mounting import PATIENCE, as_json, same, told

DISK = "cache: {disk: {size: 64MiB}}\n"
FROM_DISK = '; detail="disk"'
LARGE = random.Random(1).randbytes(3_000_000)
"""More than is taken into memory from a file."""


@pytest.fixture
async def lab(stand):
    """An upstream and two gates on one state folder; the first asks, the second has an empty memory."""
    up = await stand.upstream()
    up.on("/openapi.json", as_json(document()))
    gates = []
    for _ in range(2):
        await stand.gate(DISK + REST.format(url=up.url))
        gates.append(stand.running)
    callers = []
    for gate in gates:
        stand.running = gate
        callers.append(stand.caller("lab"))
    up.asked.clear()
    return up, gates, callers


async def stored(gate):
    await gate.shelves.settle()


async def looked_again(gate):
    """It is believed for a second that a service has nothing on the disk."""
    async with asyncio.timeout(PATIENCE):
        while not gate.relay.store.reaches("lab"):
            await asyncio.sleep(0.02)


def told_alike(answer):
    """What an answer says, but for the tier that it came from, and how long that took."""
    return re.sub(rb"\r\nServer-Timing: [^\r]+", b"", same(answer.raw.replace(FROM_DISK.encode(), b"")))


@pytest.mark.parametrize("body", [b"seven", b"x" * 100_000, LARGE], ids=["small", "middle", "large"])
async def test_another_gate_answers_from_the_disk_what_memory_would_byte_for_byte_and_says_so(lab, body):
    up, (one, other), (ada, bob) = lab
    up.on("/thing/7", told(body, "X-Odd: a", 'ETag: "x"', status="200 Fine"))
    await ada.get("/lab/thing/7")
    await stored(one)
    await looked_again(other)
    near, far = await ada.get("/lab/thing/7"), await bob.get("/lab/thing/7")
    assert len(up.to("/thing/7")) == 1
    assert far.hit
    assert far.body == body
    assert far["Cache-Status"].endswith(FROM_DISK)
    assert "cache;desc=hit, total;dur=" in far["Server-Timing"]
    assert ("disk" in near["Cache-Status"]) == (body == LARGE)
    assert told_alike(far) == told_alike(near)
    assert (await bob.get("/lab/thing/7")).body == body
    assert len(up.to("/thing/7")) == 1


async def test_parts_heads_and_conditions_are_answered_from_a_file_as_from_memory(lab):
    up, (one, other), (ada, bob) = lab
    up.on("/thing/7", told(LARGE, 'ETag: "x"'))
    await ada.get("/lab/thing/7")
    await stored(one)
    await looked_again(other)
    line = await bob.line()
    part = await bob.get("/lab/thing/7", "Range: bytes=1000-2000999", on=line)
    assert (part.status, part["Content-Range"]) == (206, f"bytes 1000-2000999/{len(LARGE)}")
    assert part.body == LARGE[1000:2_001_000]
    head = await bob.ask("HEAD", "/lab/thing/7", on=line)
    assert (head.status, head["Content-Length"], head.body) == (200, str(len(LARGE)), b"")
    unchanged = await bob.get("/lab/thing/7", 'If-None-Match: "x"', on=line)
    assert (unchanged.status, unchanged.body) == (304, b"")
    beyond = await bob.get("/lab/thing/7", "Range: bytes=9000000-", on=line)
    assert beyond.status == 416
    whole = await bob.get("/lab/thing/7", on=line)
    assert whole.body == LARGE
    assert len(up.asked) == 1


async def test_requests_behind_a_file_on_one_connection_are_answered_after_it(lab):
    up, (one, other), (ada, bob) = lab
    up.on("/thing/7", told(LARGE))
    up.on("/other/1", told(b"other"))
    await ada.get("/lab/thing/7")
    await stored(one)
    await looked_again(other)
    line = await bob.line()
    targets = ["/lab/thing/7", "/lab/other/1", "/lab/thing/7", "/lab/other/1"]
    line.writer.write(b"".join(bob.request("GET", target) for target in targets))
    bodies = [(await line.answer()).body for _ in targets]
    assert bodies == [LARGE, b"other", LARGE, b"other"]


async def test_a_write_through_one_gate_ends_what_the_disk_has_for_all(lab):
    up, (one, other), (ada, bob) = lab
    up.on("/thing/7", told(LARGE))
    await ada.get("/lab/thing/7")
    await stored(one)
    await looked_again(other)
    up.on("/thing/7", told(b"new"))
    assert (await ada.ask("PUT", "/lab/thing/7", body=b"new")).status == 200
    assert (await bob.get("/lab/thing/7")).body == b"new"


async def test_a_file_that_was_altered_is_asked_for_anew(lab):
    up, (one, other), (ada, bob) = lab
    up.on("/thing/7", told(LARGE))
    await ada.get("/lab/thing/7")
    await stored(one)
    await looked_again(other)
    for file in one.settings.state_dir.glob("cache/entries/*/*/*"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert (await bob.get("/lab/thing/7")).body == LARGE
    assert len(up.asked) == 2
    assert other.disk.counts["corrupt"] == 1
