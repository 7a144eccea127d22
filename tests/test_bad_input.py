"""Bad input of every kind, from all sides: each party is told clearly, nothing hangs, and the gate goes on."""

import asyncio
import json
import os
import re
import subprocess
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest

POLICY = 'policies:\n  - {to: ["group:lab"], allow: ["*"], operate: true}\n'


def answering(body: bytes, *, kind=b"application/json", status=b"200 OK"):
    """A service that answers every request with these bytes."""

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"(?i)content-length: (\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                fields = b"Content-Type: %b\r\nContent-Length: %d" % (kind, len(body))
                writer.write(b"HTTP/1.1 %b\r\n%b\r\n\r\n" % (status, fields))
                writer.write(body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return serve


def speaking(procs, answer=None):
    """A JSON-RPC service that lists `procs`; `answer(method, token, writer)` answers its calls."""

    async def serve(reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                called = json.loads(await reader.readexactly(length))
                if called["method"] == "system.describe":
                    result = {"sdversion": "1.0", "name": "x", "procs": [{"name": name} for name in procs]}
                    body = json.dumps({"jsonrpc": "2.0", "result": result, "id": called["id"]}).encode()
                elif answer is not None and called["method"] in procs:
                    await answer(called, writer)
                    return
                else:
                    error = {"code": -32601, "message": "no"}
                    body = json.dumps({"jsonrpc": "2.0", "error": error, "id": called["id"]}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return serve


@asynccontextmanager
async def service(serve):
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@asynccontextmanager
async def client(gate, token):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    base = "http://{}:{}".format(*gate.address)
    async with aiohttp.ClientSession(base, headers=headers) as session:
        yield session


async def called(session, method, params=()):
    body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1})
    async with session.post("/rpc", data=body) as response:
        return await response.json()


async def listed(session):
    async with session.get("/openrpc.json") as response:
        return await response.json()


async def test_an_unreachable_upstream_at_start_delays_nobody_and_is_named(gate_of, token_for):
    async with service(speaking(["fine"])) as url:
        text = f"{POLICY}services:\n  gone: {{url: 'http://127.0.0.1:1'}}\n  here: {{url: '{url}'}}\n"
        async with gate_of(text) as gate, client(gate, token_for("ada", "lab")) as session:
            document = await listed(session)
            assert [method["name"] for method in document["methods"]] == ["here.fine"]
            assert document["x-labgate"]["namespaces"]["gone"]["down"] is True
            error = (await called(session, "gone.anything"))["error"]
            assert error["code"] == -32003
            assert "gone" in error["message"]
            assert "127.0.0.1:1" not in json.dumps(error)


async def test_an_upstream_that_answers_html_is_down_and_its_page_reaches_nobody(gate_of, token_for):
    page = b"<html><h1>secret login page</h1></html>"
    async with service(answering(page, kind=b"text/html")) as url:
        async with (
            gate_of(f"{POLICY}services:\n  web: {{url: '{url}'}}\n") as gate,
            client(gate, token_for("ada", "lab")) as session,
        ):
            health = gate.discovery.health()["web"]
            assert health.down
            assert "web" in health.why
            assert "secret" not in json.dumps([health.why, await listed(session)])


async def test_a_description_of_100_megabytes_is_refused_and_the_gate_goes_on(gate_of, token_for):
    async with service(answering(b" " * (100 << 20))) as url, service(speaking(["fine"])) as other:
        text = f"{POLICY}limits: {{describe: 8MiB}}\nservices:\n  huge: {{url: '{url}'}}\n  here: {{url: '{other}'}}\n"
        async with gate_of(text) as gate, client(gate, token_for("ada", "lab")) as session:
            assert [method["name"] for method in (await listed(session))["methods"]] == ["here.fine"]
            await gate.discovery.refresh("huge")
            assert gate.discovery.health()["huge"].down


HOSTILE = [
    "__class__",
    "_url",
    "x" * 10_240,
    "a\x00b",
    "line\nbreak",
    "",
    "rpc.discover",
    "system.multicall",
    "ok",
    "ok",
]


async def test_hostile_names_are_left_out_or_harmless(gate_of, token_for, tmp_path):
    import labgate

    async with service(speaking(HOSTILE)) as url:
        async with gate_of(f"{POLICY}services:\n  odd: {{url: '{url}'}}\n") as gate:
            token = token_for("ada", "lab")
            async with client(gate, token) as session:
                names = [method["name"] for method in (await listed(session))["methods"]]
            assert names == ["odd.__class__", "odd._url", "odd.ok"]
            assert gate.discovery.health()["odd"].left_out == len(HOSTILE) - len(names) - 2, (
                "introspection is no method"
            )
            address = "http://{}:{}".format(*gate.address)
            lab = await asyncio.to_thread(labgate.connect, address, token=token, cache_dir=tmp_path)
            assert dir(lab.odd) == ["ok"]
            assert isinstance(lab.odd.__class__, type)
            assert callable(lab["odd.__class__"])


async def test_an_upstream_that_dies_in_the_middle_of_an_answer_is_said_to_and_the_next_call_works(
    gate_of, token_for
):
    calls = []

    async def half(request, writer):
        calls.append(request["method"])
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"jsonrpc":"2.0","result":"se')
        await writer.drain()

    async with service(speaking(["cut"], half)) as url:
        async with (
            gate_of(f"{POLICY}services:\n  dying: {{url: '{url}'}}\n") as gate,
            client(gate, token_for("ada", "lab")) as session,
        ):
            for _ in range(2):
                error = (await called(session, "dying.cut"))["error"]
                assert error["code"] in (-32003, -32006)
                assert error["data"]["service"] == "dying"
                assert error["data"]["maybe_executed"] is True
            assert calls == ["cut", "cut"], "a call that may have been executed is never sent twice"
            assert len(gate.flights) == 0


async def test_a_reply_over_its_limit_is_refused(gate_of, token_for):
    async def large(request, writer):
        body = b'{"jsonrpc":"2.0","result":"%b","id":%d}' % (b"x" * (2 << 20), request["id"])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    async with service(speaking(["large"], large)) as url:
        async with (
            gate_of(f"{POLICY}limits: {{reply: 1MiB}}\nservices:\n  big: {{url: '{url}'}}\n") as gate,
            client(gate, token_for("ada", "lab")) as session,
        ):
            assert (await called(session, "big.large"))["error"]["code"] == -32007


async def test_a_body_that_stops_half_way_and_a_reader_that_never_reads_cost_only_themselves(
    gate_of, token_for
):
    async def large(request, writer):
        body = b'{"jsonrpc":"2.0","result":"%b","id":%d}' % (b"x" * (8 << 20), request["id"])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    async with service(speaking(["large", "fine"], large)) as url:
        async with gate_of(f"{POLICY}services:\n  big: {{url: '{url}'}}\n") as gate:
            token = token_for("ada", "lab")
            host, port = gate.address
            head = (
                f"POST /rpc HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"
            )
            _, half = await asyncio.open_connection(host, port)
            half.write((head.format(1000) + '{"jsonrpc"').encode())
            await half.drain()
            body = '{"jsonrpc":"2.0","method":"big.large","id":1}'
            _, deaf = await asyncio.open_connection(host, port, limit=1)
            deaf.write((head.format(len(body)) + body).encode())
            await deaf.drain()
            async with client(gate, token) as session:
                for _ in range(20):
                    assert (await called(session, "big.nothing"))["error"]["code"] == -32601
            half.close()
            deaf.transport.abort()
            await half.wait_closed()


async def test_tokens_that_do_not_hold_are_told_why_and_never_repeated(gate_of, token_for):
    async with gate_of(POLICY) as gate:
        good = token_for("ada", "lab")
        old = token_for("ada", "lab", ttl="1s")
        await asyncio.sleep(1.1)
        signed, _, signature = good.rpartition(".")
        for bad in (good[:-5], good[:30], old, f"{signed}.{signature[::-1]}", "x" * 8100):
            async with client(gate, bad) as session, session.post("/rpc", data=b"{}") as response:
                error = (await response.json())["error"]
                assert (response.status, error["code"]) == (401, -32001)
                assert bad not in json.dumps([error, dict(response.headers)])
                assert "token" in error["message"].lower()
        async with client(gate, good) as session, session.post("/rpc", data=b"{}") as response:
            assert response.status == 200


async def test_a_revoked_token_stops_working_within_a_second(gate_of, token_for, tmp_path):
    async with gate_of(POLICY) as gate:
        token = token_for("ada", "lab")
        async with client(gate, token) as session:
            async with session.post("/rpc", data=b"[]") as response:
                assert response.status == 200
            before = gate.generations.epoch
            command = [sys.executable, "-m", "gateway.cli", "token", "revoke", "-"]
            command += ["--config", str(tmp_path / "labgate.yaml")]
            await asyncio.to_thread(
                subprocess.run, command, input=token, text=True, check=True, capture_output=True
            )
            await asyncio.sleep(1.0)
            async with session.post("/rpc", data=b"[]") as response:
                assert response.status == 401
                assert "revoked" in (await response.json())["error"]["message"]
            assert gate.generations.epoch > before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("services: [", "line"),
        ("servces: {}", "services"),
        ("services:\n  jobs: {url: 5}", "services.jobs.url"),
        ("listen: 0.0.0.0:8700", "behind_proxy"),
        ("services:\n  jobs: {url: 'http://x', headers: {A: '${env:NOT_SET_ANYWHERE}'}}", "NOT_SET_ANYWHERE"),
    ],
)
def test_serve_refuses_a_bad_file_with_its_line_and_says_nothing_else(tmp_path, text, told):
    file = tmp_path / "labgate.yaml"
    file.write_text(text)
    command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert told in done.stderr
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_says_when_its_address_is_taken(tmp_path):
    import socket

    file = tmp_path / "labgate.yaml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file.write_text(
            f"listen: 127.0.0.1:{port}\nstate_dir: {tmp_path}/state\noperator: {{listen: 127.0.0.1:0}}\n"
        )
        command = [sys.executable, "-m", "gateway.cli", "serve", "--config", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_cannot_be_written_is_told_in_one_line_and_one_that_is_closed_is_none(
    tmp_path, unbuffered
):
    file = tmp_path / "labgate.yaml"
    file.write_text(POLICY)

    def ended(redirected):
        line = f'"$0" -m gateway.cli check --config "$1" {redirected}'
        environ = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "LABGATE_STATE_DIR": str(tmp_path)}
        done = subprocess.run(["sh", "-c", line, sys.executable, file], capture_output=True, env=environ)
        return done.returncode, done.stderr

    told = b"labgated check: its output cannot be written: No space left on device\n"
    assert ended(">/dev/full") == (1, told)
    assert ended(">&-") == ended(">/dev/null") == (0, b"")
    assert ended("2>&1 | true") == (0, b"")
