"""What a mount stores tells the names of its generations: without them no tier that other hosts share may take it."""

import asyncio

import pytest
from mounted_labs import RPC, Calc, call
from mounting import PATIENCE, past, told

from gateway.tiers.redis_values import MOST_ROWS

CONFIG = (
    "cache: {{disk: {{size: 64MiB}}}}\n"
    + RPC.replace("fresh: 1h", "fresh: 0.000001s, stale: 1h")
    + '  up: {{dialect: listed, url: "{url}", mount: /up}}\n'
)


class Recorder:
    """A farther tier that has nothing, and remembers what it was given."""

    name = "recorder"

    def __init__(self):
        self.entries = []

    def may_have(self, service):
        return False

    async def get(self, key, sought=None):
        return None

    async def put(self, entry):
        self.entries.append(entry)
        return True

    async def drop(self, key):
        return None


@pytest.fixture
async def lab(stand):
    """An upstream, a caller, and the farther tier behind the gate between them."""
    up = await stand.upstream()
    up.on("/api", Calc())
    await stand.gate(CONFIG.format(url=up.url))
    recorder = Recorder()
    stand.running.shelves.tiers = (recorder,)
    return up, stand.caller("lab"), recorder


async def given(recorder, count):
    """The entries that the tier was given, once there are so many."""
    async with asyncio.timeout(PATIENCE):
        while len(recorder.entries) < count:
            await asyncio.sleep(0.01)
    return recorder.entries


def tells_its_names(entry, service):
    """Whether the entry can be shared by hosts: a name for each generation, and the service's among them."""
    shareable = len(entry.lineage) == len(entry.generations) < MOST_ROWS
    return shareable and f"service:{service}" in entry.lineage


async def test_a_reply_by_json_rpc_tells_them_when_it_is_new_and_when_it_replaces_a_stale_one(lab):
    _up, ada, recorder = lab
    for count in (1, 2, 3):
        answer = await ada.rpc("/calc/api", call("get", 1))
        assert not answer.hit
        entries = await given(recorder, count)
        assert tells_its_names(entries[-1], "calc")
        assert "tag:numbers" in entries[-1].lineage
        await past(0.002)


@pytest.mark.parametrize(
    "lines",
    [
        ("Cache-Control: max-age=0, stale-while-revalidate=600",),
        ("Cache-Control: public, max-age=0, stale-while-revalidate=600", "Vary: X-A"),
    ],
    ids=["private", "varied"],
)
async def test_a_reply_by_http_tells_them_when_it_is_new_and_when_it_was_renewed(lab, lines):
    up, ada, recorder = lab
    up.on("/x", told(b"x", 'ETag: "x"', *lines))
    await ada.get("/up/x", "X-A: 1")
    first = len(await given(recorder, 2))  # the reply, and the signpost to it
    await ada.get("/up/x", "X-A: 1")  # it is stale, answers, and is renewed beside
    entries = await given(recorder, first + 2)
    assert all(tells_its_names(entry, "up") for entry in entries)
