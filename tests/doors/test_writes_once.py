"""The real SDK writes through the real gate over a line that is cut: at whichever point, the write runs exactly once."""

import asyncio
import json

import pytest
from mounting import CutShort, as_json, until

import labgate
from labgate.errors import Conflict, Error, GateUnreachable

pytestmark = pytest.mark.timeout(120)

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  jobs:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    timeout: 60s
    methods: {{get_x: {{safe: true, params: []}}, make_job: {{params: [name]}}}}
"""


class Lab:
    """A service that counts what it makes; `held` keeps it from answering."""

    def __init__(self):
        self.made = []
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, asked):
        said = json.loads(asked.body)
        if said["method"] == "make_job":
            params = said["params"]
            self.made.append(params["name"] if isinstance(params, dict) else params[0])
        number = len(self.made)
        await self.free.wait()
        return as_json({"jsonrpc": "2.0", "result": number, "id": said["id"]})


class Wire:
    """Passes requests on to the gate, and cuts the line of the first POST at a point."""

    def __init__(self, port, lab):
        self.to = port
        self.lab = lab
        self.cut = None
        self.posts = []
        self.port = 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def accept(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = dict(
                    line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line
                )
                body = await reader.readexactly(int(lines.get(b"content-length", b"0")))
                cut = None
                if head.startswith(b"POST"):
                    self.posts.append((lines, body))
                    cut, self.cut = self.cut, None
                answer = await self.passed(head + body, cut)
                if answer is None:
                    return
                writer.write(answer)
                await writer.drain()
                if cut == "half the reply":
                    return
        except (*CutShort, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def passed(self, asked, cut):
        """The gate's answer, None where the line is cut before it."""
        if cut == "before it was sent":
            return None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.to)
        try:
            if cut == "half the request":
                writer.write(asked[: len(asked) - 10])
                await writer.drain()
                return None
            if cut == "while it runs":
                self.lab.free.clear()
            writer.write(asked)
            await writer.drain()
            if cut == "when it was sent":
                return None
            if cut == "while it runs":
                await until(lambda: self.lab.made)
                # It goes on when the write has come again.
                asyncio.get_running_loop().create_task(self.released())
                return None
            head = await reader.readuntil(b"\r\n\r\n")
            lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
            body = await reader.readexactly(int(lines.get(b"content-length", b"0")))
            if cut == "after it ran":
                return None
            return (head + body)[: len(head) + len(body) // 2] if cut else head + body
        finally:
            writer.transport.abort()

    async def released(self):
        await until(lambda: len(self.posts) > 1)
        self.lab.free.set()


POINTS = [
    "before it was sent",
    "half the request",
    "when it was sent",
    "while it runs",
    "after it ran",
    "half the reply",
]


@pytest.fixture
async def lab(stand):
    made = Lab()
    upstream = await stand.upstream()
    upstream.on("/api", made)
    await stand.gate(CONFIG.format(url=upstream.url))
    return made


@pytest.fixture
async def wire(stand, lab):
    async with Wire(stand.running.address[1], lab) as made:
        yield made


@pytest.fixture
async def client(stand, wire, tmp_path):
    token = stand.caller("lab").token
    return await asyncio.to_thread(
        labgate.connect,
        f"http://127.0.0.1:{wire.port}",
        token=token,
        cache_dir=tmp_path / "cache",
        timeout=60,
    )


@pytest.mark.parametrize("point", POINTS)
async def test_a_write_runs_exactly_once_wherever_the_line_is_cut(lab, wire, client, point):
    wire.cut = point
    assert await asyncio.to_thread(client.jobs.make_job, "a") == 1
    assert lab.made == ["a"]
    first, second = wire.posts
    assert first[0][b"idempotency-key"] == second[0][b"idempotency-key"]
    assert first[1] == second[1]
    assert await asyncio.to_thread(client.jobs.make_job, "a") == 2  # another call, not a repetition
    assert wire.posts[2][0][b"idempotency-key"] != second[0][b"idempotency-key"]


@pytest.mark.parametrize("point", POINTS)
async def test_the_async_client_s_write_does_so_too(stand, lab, wire, tmp_path, point):
    address = f"http://127.0.0.1:{wire.port}"
    async with labgate.aconnect(
        address, token=stand.caller("lab").token, cache_dir=tmp_path, timeout=60
    ) as one:
        wire.cut = point
        assert await one.jobs.make_job("a") == 1
    assert lab.made == ["a"]
    assert len({fields[b"idempotency-key"] for fields, _ in wire.posts}) == 1


@pytest.mark.parametrize("point", POINTS)
async def test_so_does_every_write_of_a_batch(lab, wire, client, point):
    def batch():
        with labgate.batch(client) as b:
            handles = [b.jobs.make_job("a"), b.jobs.get_x(), b.jobs.make_job("b")]
        return [handle.result() for handle in handles]

    wire.cut = point
    assert sorted((await asyncio.to_thread(batch))[::2]) == [1, 2]
    assert sorted(lab.made) == ["a", "b"]


async def test_a_key_of_one_s_own_makes_a_call_once_over_many_runs_of_a_program(lab, client):
    def run(name):
        return client(idempotency_key='my "job" 7').jobs.make_job(name)

    assert [await asyncio.to_thread(run, "a") for _ in range(3)] == [1, 1, 1]
    assert lab.made == ["a"]
    with pytest.raises(Conflict) as told:
        await asyncio.to_thread(run, "b")
    assert told.value.http_status == 422
    assert not told.value.maybe_executed


async def test_reads_carry_no_key(wire, client):
    await asyncio.to_thread(client.jobs.get_x)
    assert b"idempotency-key" not in wire.posts[-1][0]


async def test_with_no_retries_a_write_that_may_have_run_is_told_as_such(lab, wire, client):
    wire.cut = "half the reply"
    with pytest.raises(GateUnreachable) as told:
        await asyncio.to_thread(client(retries=0).jobs.make_job, "a")
    assert told.value.maybe_executed
    assert lab.made == ["a"]


async def test_a_gate_that_does_not_come_back_leaves_the_write_in_doubt(lab, wire, client):
    wire.cut = "after it ran"
    accept = wire.passed

    async def once(asked, cut):
        answer = await accept(asked, cut)
        wire.server.close()  # nobody can connect any more
        return answer

    wire.passed = once
    with pytest.raises(Error) as told:
        await asyncio.to_thread(client.jobs.make_job, "a")
    assert told.value.maybe_executed
    assert lab.made == ["a"]
