"""What does an async client do that others cannot: many calls in one loop, ended when their task is?"""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import os
import pickle  # noqa: TID251 - the law is that an async client refuses it
import socket
import ssl
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labgate
from labgate import errors
from labgate._async_line import Line
from labgate.errors import NotFound, ServiceWarning, SetupError, StaleWarning, Unauthenticated
from tests.sdk.conftest import TOKEN, Gate, ScriptedError, http, read_request, result, scripted
from tests.sdk.test_sdk_connections import certificate, over_tls
from tests.sdk.test_sdk_delivery import answers, document
from tests.sdk.test_sdk_wire import OK
from tests.sdk.voxels import Voxels

PATIENCE = 30.0


@pytest.fixture
def held(gate: Gate) -> Held:
    return Held(gate)


class Held:
    """Calls of `jobs.slow` and `jobs.write`, which the gate answers when it is let."""

    def __init__(self, gate: Gate) -> None:
        self.url = gate.url
        self.began = threading.Semaphore(0)
        self.let = threading.Event()
        self.done: list[str] = []
        for name, notes in (("slow", {"safe": True}), ("write", {})):
            gate.add(f"jobs.{name}", self._answering(name), **{"x-labgate": notes})

    def _answering(self, name: str) -> Callable[[Any], str]:
        def answer(_: Any) -> str:
            self.began.release()
            assert self.let.wait(PATIENCE)
            self.done.append(name)
            return name

        return answer

    async def begun(self) -> None:
        """Wait until a call has reached the gate."""
        assert await asyncio.to_thread(self.began.acquire, timeout=PATIENCE)


def pool_of(lab: Any) -> Any:
    return lab._session.link.lines


def listening(*replies: bytes, closed: threading.Event) -> Callable[[Any], None]:
    """Take a request, send these bytes of a reply, and wait until the client closes."""

    def script(connection: Any) -> None:
        read_request(connection)
        for reply in replies:
            connection.sendall(reply)
        if connection.recv(1) == b"":
            closed.set()

    return script


async def test_methods_are_coroutine_functions_with_the_same_signature_and_documentation(gate: Gate) -> None:
    waiting = labgate.connect(gate.url)
    async with labgate.aconnect(gate.url) as lab:
        for name in dir(waiting.jobs):
            mine, theirs = getattr(lab.jobs, name), getattr(waiting.jobs, name)
            assert inspect.iscoroutinefunction(mine)
            assert not inspect.iscoroutinefunction(theirs)
            assert inspect.signature(mine) == inspect.signature(theirs)
            assert (mine.__doc__, mine.__name__) == (theirs.__doc__, theirs.__name__)
        assert dir(lab) == dir(waiting) == ["jobs"]
        assert {name for name in dir(type(lab)) if not name.startswith("_")} == {"jobs"}
        assert (repr(lab), TOKEN in repr(lab)) == (
            f"<labgate async client of {gate.url}: 4 methods in 1 namespaces>",
            False,
        )


async def test_wrong_arguments_are_an_error_before_anything_is_sent(gate: Gate) -> None:
    async with labgate.aconnect(gate.url) as lab:
        with pytest.raises(TypeError, match="job_uid"):
            await lab.jobs.get_job("P3")
        assert gate.calls() == []


async def test_a_client_can_be_awaited_and_closed_by_hand(gate: Gate) -> None:
    lab = await labgate.aconnect(gate.url)
    assert await lab(timeout=5).jobs.list_lanes() == ["a", "b"]
    await labgate.aclose(lab)
    await labgate.aclose(lab)
    with pytest.raises(SetupError, match="closed"):
        await lab.jobs.list_lanes()


async def test_a_client_that_nobody_closed_says_so_and_how_to_close_it(gate: Gate) -> None:
    lab = await labgate.aconnect(gate.url)
    await lab.jobs.list_lanes()
    line = next(iter(pool_of(lab)._open))
    lab = None
    with pytest.warns(ResourceWarning, match=r"labgate\.aclose\(lab\)"):
        gc.collect()
    await line.closed()


def test_a_program_that_closes_its_client_leaves_nothing_open(gate: Gate) -> None:
    code = f"""
import asyncio, labgate
async def main():
    async with labgate.aconnect({gate.url!r}, token={TOKEN!r}) as lab:
        await labgate.gather(*(lab.jobs.list_lanes() for _ in range(50)))
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


async def test_a_failed_connect_leaves_nothing_open(gate: Gate) -> None:
    with pytest.raises(Unauthenticated):
        await labgate.aconnect(gate.url, token="another")


def test_a_client_of_another_loop_is_refused_with_a_reason(gate: Gate) -> None:
    with asyncio.Runner() as first, asyncio.Runner() as second:

        async def made() -> Any:
            return await labgate.aconnect(gate.url)

        lab = first.run(made())
        with pytest.raises(SetupError, match="another event loop"):
            second.run(lab.jobs.list_lanes())
        assert first.run(lab.jobs.list_lanes()) == ["a", "b"]
        first.run(labgate.aclose(lab))


async def test_an_async_client_and_its_handles_are_not_pickled(gate: Gate) -> None:
    Voxels(gate, np.zeros((4, 4, 4), np.uint8))
    async with labgate.aconnect(gate.url) as lab:
        for one in (lab, lab.jobs, lab.jobs.get_job, await lab.dvid.volume("a1", "grayscale")):
            with pytest.raises(TypeError, match=r"labgate\.aconnect"):
                pickle.dumps(one)


async def test_another_datastack_is_a_client_of_its_own_to_be_awaited(gate: Gate) -> None:
    async with labgate.aconnect(gate.url, timeout=7) as lab, lab(datastack="fly1") as other:
        await other.jobs.list_lanes()
        assert gate.requests[-1][1] == "/rpc?datastack=fly1"
        assert gate.requests[-1][2]["labgate-timeout"] == "7"
        assert pool_of(other) is not pool_of(lab)


async def test_a_thousand_calls_at_once_keep_to_the_limit_and_their_order(gate: Gate) -> None:
    most, now = 0, 0
    lock = threading.Lock()

    def echo(params: Any) -> Any:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        with lock:
            now -= 1
        return params["x"]

    gate.add("jobs.echo", echo, params=[{"name": "x", "required": True}], **{"x-labgate": {"safe": True}})
    async with labgate.aconnect(gate.url) as lab:
        found = await labgate.gather(*(lab.jobs.echo(at) for at in range(1000)), limit=8)
        assert found == [*range(1000)]
        assert most <= 8
        assert len(pool_of(lab)._open) <= 8


async def test_more_calls_than_connections_wait_for_their_turn(gate: Gate) -> None:
    async with labgate.aconnect(gate.url) as lab:
        found = await asyncio.gather(*(lab.jobs.list_lanes() for _ in range(300)))
        assert found == [["a", "b"]] * 300
        assert len(pool_of(lab)._open) <= 64


async def test_the_first_error_ends_the_other_calls_and_what_has_not_begun(held: Held, gate: Gate) -> None:
    began = []

    async def behind() -> None:
        began.append(1)

    async with labgate.aconnect(gate.url) as lab:

        async def fails() -> None:
            await held.begun()
            raise KeyError("first")

        with pytest.raises(KeyError, match="first"):
            await labgate.gather(lab.jobs.slow(), fails(), behind(), limit=2)
        assert began == []
        assert not pool_of(lab)._open
        held.let.set()


async def test_errors_stand_in_their_place_when_asked_for(gate: Gate) -> None:
    def fails(_: Any) -> Any:
        raise ScriptedError(-32000, "not today")

    gate.answers["jobs.anything"] = fails
    async with labgate.aconnect(gate.url) as lab:
        call = asyncio.get_running_loop().create_future()
        call.cancel()
        found = await labgate.gather(
            lab.jobs.list_lanes(), lab.jobs.anything(), call, lab.jobs.list_lanes(), return_exceptions=True
        )
    assert found[0] == found[3] == ["a", "b"]
    assert isinstance(found[1], errors.RemoteError)
    assert isinstance(found[2], asyncio.CancelledError)


@pytest.mark.parametrize("limit", [0, -1, True, 2.0, None])
async def test_a_limit_that_is_none_is_refused_and_the_calls_are_forgotten(gate: Gate, limit: Any) -> None:
    async with labgate.aconnect(gate.url) as lab:
        with pytest.raises(ValueError, match="limit"):
            await labgate.gather(lab.jobs.list_lanes(), limit=limit)
        assert await labgate.gather() == []
        assert gate.calls() == []


@pytest.mark.parametrize("replies", [(), (b"HTTP/1.1 2",), (OK + b"Content-Length: 9\r\n\r\nhalf",)])
async def test_a_cancelled_call_closes_its_connection_whatever_has_come(replies: tuple[bytes, ...]) -> None:
    closed = threading.Event()
    with scripted(document, listening(*replies, closed=closed), answers(http(result("next")))) as url:
        async with labgate.aconnect(url) as lab:
            call = asyncio.create_task(lab.s.safe())
            while not pool_of(lab)._open or call.done():
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await asyncio.to_thread(closed.wait, PATIENCE)
            assert not pool_of(lab)._open
            assert await lab.s.safe() == "next"


async def test_a_cancelled_call_that_writes_goes_on_at_the_gate(held: Held) -> None:
    async with labgate.aconnect(held.url) as lab:
        call = asyncio.create_task(lab.jobs.write())
        await held.begun()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        held.let.set()
        while held.done != ["write"]:
            await asyncio.sleep(0.001)
        assert await lab.jobs.list_lanes() == ["a", "b"]


async def test_the_callers_own_timeout_ends_a_call(held: Held) -> None:
    async with labgate.aconnect(held.url) as lab:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await lab.jobs.slow()
        assert not pool_of(lab)._open
        held.let.set()


async def test_closing_the_client_ends_what_waits(held: Held) -> None:
    lab = await labgate.aconnect(held.url, retries=0)
    call = asyncio.create_task(lab.jobs.slow())
    await held.begun()
    await labgate.aclose(lab)
    with pytest.raises(errors.GateUnreachable):
        await call
    held.let.set()


async def test_a_kept_connection_that_the_gate_has_closed_is_not_used_for_a_write() -> None:
    with scripted(document, answers(http(result(1))), answers(http(result(2)))) as url:
        async with labgate.aconnect(url, retries=0) as lab:
            assert await lab.s.write() == 1
            line, _ = pool_of(lab).idle[0]
            while not line.ended:
                await asyncio.sleep(0.001)
            assert await lab.s.write() == 2


def arrived(pool: Any) -> bytes:
    """The first byte, or the end, that comes over an idle connection, left there; the event loop stands still meanwhile."""
    line, _ = pool.idle[0]
    with socket.socket(fileno=os.dup(line.transport.get_extra_info("socket").fileno())) as watched:
        watched.settimeout(PATIENCE)
        return watched.recv(1, socket.MSG_PEEK)


def test_an_end_that_the_loop_has_not_seen_is_noticed_before_a_write_leaves() -> None:
    still = threading.Event()

    def ends_later(connection: Any) -> None:
        answers(http(result(1)))(connection)
        still.wait(PATIENCE)

    with scripted(document, ends_later, answers(http(result(2)))) as url, asyncio.Runner() as loop:

        async def made() -> Any:
            return await labgate.aconnect(url, retries=0)

        lab = loop.run(made())
        assert loop.run(lab.s.write()) == 1
        still.set()
        assert arrived(pool_of(lab)) == b""  # the end has arrived, while the loop stood still
        assert loop.run(lab.s.write()) == 2
        loop.run(labgate.aclose(lab))


async def test_a_kept_connection_with_bytes_that_nobody_asked_for_is_not_used() -> None:
    answered = threading.Event()

    def talks(connection: Any) -> None:
        read_request(connection)
        connection.sendall(http(result(1)))
        answered.wait(PATIENCE)
        connection.sendall(http(result("a lie")))
        connection.recv(1)

    with scripted(document, talks, answers(http(result(2)))) as url:
        async with labgate.aconnect(url, retries=0) as lab:
            assert await lab.s.write() == 1
            answered.set()
            assert arrived(pool_of(lab)) == b"H"  # it is there, while the loop stood still
            assert await lab.s.write() == 2


@pytest.mark.parametrize("step", [1, 2, 7, 64])
async def test_a_reply_is_the_same_however_its_bytes_come(step: int) -> None:
    body = result("x" * 500)
    chunked = (
        OK
        + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x;e=1\r\n%b\r\n" % (len(piece), piece) for piece in (body[:9], body[9:100], body[100:]))
        + b"0\r\nTrailer: x\r\n\r\n"
    )
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"

    def slowly(connection: Any) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for reply in (http(body), interim + chunked):
            read_request(connection)
            for at in range(0, len(reply), step):
                connection.sendall(reply[at : at + step])

    with scripted(document, slowly) as url:
        async with labgate.aconnect(url) as lab:
            assert (await lab.s.safe(), await lab.s.write()) == ("x" * 500, "x" * 500)


async def test_a_reply_of_many_tls_records_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cert, key = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    wanted = "".join(map(str, range(200_000)))
    serves = over_tls(context, answers(http(result(wanted)), http(result("small"))))
    with scripted(over_tls(context, document), serves) as url:
        async with labgate.aconnect(url.replace("http://127.0.0.1", "https://localhost"), token="t") as lab:
            assert await lab.s.safe() == wanted
            assert await lab.s.safe() == "small"


async def test_news_that_a_reply_announces_come_without_anybody_waiting_for_them(gate: Gate) -> None:
    async with labgate.aconnect(gate.url) as lab:
        gate.add("jobs.added", 1)
        assert not hasattr(lab.jobs, "added")
        await lab.jobs.list_lanes()
        while not hasattr(lab.jobs, "added"):
            await asyncio.sleep(0.001)
        assert await lab.jobs.added() == 1
        assert gate.documents() == 2


async def test_a_missing_name_lets_the_client_look_while_other_things_go_on(gate: Gate) -> None:
    async with labgate.aconnect(gate.url) as lab:
        gate.add("jobs.added", 1)
        lab._session.link._next_look = 0.0
        with pytest.raises(NotFound):
            _ = lab["jobs.added"]
        while lab._session.link.catalog.text("jobs.added") is None:
            await asyncio.sleep(0.001)
        assert await lab["jobs.added"]() == 1


async def test_each_task_has_its_own_last_reply(gate: Gate) -> None:
    gate.add("jobs.text", lambda params: "x" * params["n"], params=[{"name": "n", "required": True}])
    async with labgate.aconnect(gate.url) as lab, labgate.aconnect(gate.url) as other:

        async def size(count: int) -> int:
            await lab.jobs.text(count)
            await asyncio.sleep(0.01)
            said = labgate.last(lab)
            assert said is not None
            return said.bytes

        sizes = await asyncio.gather(*(size(count) for count in range(20)))
        assert sizes == [*range(sizes[0], sizes[0] + 20)]
        assert labgate.last(lab) is None
        await lab.jobs.list_lanes()
        assert labgate.last(other) is None


async def test_warnings_point_at_the_line_that_awaits(gate: Gate) -> None:
    gate.reply_headers["Cache-Status"] = "labgate; hit; ttl=-5"
    gate.reply_headers["Warning"] = '299 - "soon gone"'
    async with labgate.aconnect(gate.url) as lab:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            await lab.jobs.list_lanes()
            await lab.jobs.list_lanes()
    assert [one.category for one in caught].count(StaleWarning) == 1
    assert {one.category for one in caught} == {StaleWarning, ServiceWarning}
    assert {one.filename for one in caught} == {__file__}


async def test_calls_of_a_batch_are_written_down_without_await(gate: Gate) -> None:
    async with labgate.aconnect(gate.url) as lab:
        async with labgate.batch(lab) as b:
            x, y = b.jobs.list_lanes(), b["jobs.get_job"]("P", "J")
            assert dir(b.jobs) == dir(lab.jobs)
        assert x.result() == ["a", "b"]
        assert y.result() == {"params": {"project_uid": "P", "job_uid": "J"}}
        assert len(gate.calls()) == 1
        with pytest.raises(errors.BatchNotSent):
            async with labgate.batch(lab) as b:
                b(timeout=3)


async def test_a_body_may_be_an_async_iterable(files: Gate) -> None:
    async def pieces(*parts: Any) -> Any:
        for part in parts:
            await asyncio.sleep(0)
            yield part

    async with labgate.aconnect(files.url) as lab:
        async with labgate.request(lab.files, "PUT", "/x", data=pieces(b"ab", b"", b"cde")) as response:
            assert await response.text() == "PUT /files/x 5"
        told = await labgate.upload(lab.files, "/x", pieces(b"1", b"22"), headers={"Content-Length": "3"})
        assert told.text() == "PUT /files/x 3"
        for parts, length, error in (
            ((b"1",), "3", SetupError),
            ((b"1234",), "3", SetupError),
            (("t",), "1", TypeError),
        ):
            with pytest.raises(error):
                await labgate.upload(lab.files, "/x", pieces(*parts), headers={"Content-Length": length})


async def test_a_response_in_use_has_a_connection_of_its_own_and_gives_it_back(files: Gate) -> None:
    def answer(asked: Any) -> None:
        asked.body()
        asked.reply(200, b"0123456789")

    files.service = answer
    async with labgate.aconnect(files.url) as lab:
        pool = pool_of(lab)
        async with labgate.request(lab.files, "GET", "/f") as response:
            assert await response.read(4) == b"0123"
            assert await lab.jobs.list_lanes() == ["a", "b"]
        assert (response.closed, len(pool._open), len(pool.idle)) == (True, 1, 1)
        response = await labgate.request(lab.files, "GET", "/f")
        assert b"".join([piece async for piece in response]) == b"0123456789"
        assert (response.closed, len(pool._open), len(pool.idle)) == (True, 1, 1)


async def test_a_response_that_nobody_closed_says_so_and_gives_up_its_turn(files: Gate) -> None:
    async with labgate.aconnect(files.url) as lab:
        held = [await labgate.request(lab.files, "GET", "/f")]
        line = held[0]._flow.lease.line  # type: ignore[union-attr]
        with pytest.warns(ResourceWarning, match="async with labgate"):
            held.clear()
        await line.closed()
        assert not pool_of(lab)._open
        assert pool_of(lab).turns._value == 64


async def test_a_cancelled_reading_of_a_volume_ends_all_its_parts(gate: Gate) -> None:
    voxels = Voxels(gate, np.zeros((128, 256, 512), np.uint8))
    began, let = threading.Semaphore(0), threading.Event()

    def waits(_: Any) -> bool:
        began.release()
        let.wait(PATIENCE)
        return False

    async with labgate.aconnect(gate.url) as lab:
        vol = await lab.dvid.volume("a1", "grayscale")
        np.testing.assert_array_equal(await vol[3, 5:7, ::4], voxels.array[3, 5:7, ::4])
        voxels.before = waits
        reading = asyncio.create_task(vol.read(workers=4))
        for _ in range(3):
            assert await asyncio.to_thread(began.acquire, timeout=PATIENCE)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert len(pool_of(lab)._open) == len(pool_of(lab).idle)
        let.set()
        with pytest.raises(TypeError, match=r"await vol\.write"):
            vol[0, 0, 0] = 1
        with pytest.raises(TypeError, match=r"await vol\.read"):
            np.asarray(vol)


def test_what_comes_faster_than_it_is_read_is_left_in_the_network() -> None:
    sent = bytes(range(256)) * (1 << 17)

    def floods(connection: Any) -> None:
        read_request(connection)
        connection.sendall(OK + b"Content-Length: %d\r\n\r\n" % len(sent) + sent)

    async def main(url: str) -> None:
        async with labgate.aconnect(url) as lab:
            async with labgate.request(lab, "GET", "/x") as response:
                line = response._flow.lease.line  # type: ignore[union-attr]
                while not line._held:
                    await asyncio.sleep(0.001)
                assert len(line.buffer) < 1 << 20
                room = np.empty(len(sent), np.uint8)
                assert await response.readinto(room) == len(sent)
                assert room.tobytes() == sent

    with scripted(document, floods) as url:
        asyncio.run(main(url))


async def test_bytes_that_come_in_between_stand_in_their_order() -> None:
    room = memoryview(bytearray(1024))
    line = Line(asyncio.get_running_loop(), room)
    line.connection_made(Still())
    wanted = bytearray(4)

    async def reads() -> None:
        assert await line.receive(memoryview(wanted)) == 4

    task = asyncio.create_task(reads())
    await asyncio.sleep(0)
    for data in (b"ab", b"cd", b"ef"):
        view = line.get_buffer(-1)
        view[: len(data)] = data
        line.buffer_updated(len(data))
    await task
    assert (bytes(wanted), bytes(line.buffer)) == (b"abcd", b"ef")


class Still:
    """A transport that does nothing."""

    def set_write_buffer_limits(self, **_: Any) -> None:
        """As it is."""

    def get_extra_info(self, _: str) -> None:
        """Nothing is known."""


async def test_ipython_awaits_at_its_top_level(gate: Gate) -> None:
    code = f"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for line in ("import labgate", "lab = await labgate.aconnect({gate.url!r}, token={TOKEN!r})",
             "lanes = await lab.jobs.list_lanes()", "await labgate.aclose(lab)"):
    shell.run_cell(line).raise_error()
print(json.dumps(shell.user_ns["lanes"]))
"""
    ended = await asyncio.to_thread(
        lambda: subprocess.run([sys.executable, "-c", "import json" + code], capture_output=True, text=True)
    )
    assert json.loads(ended.stdout.splitlines()[-1]) == ["a", "b"], ended.stderr


async def test_a_deprecated_method_warns_at_the_line_that_awaits_it(gate: Gate) -> None:
    gate.add("jobs.old", lambda params: params, params=[{"name": "x", "required": True}], deprecated=True)
    async with labgate.aconnect(gate.url) as lab:
        with pytest.warns(DeprecationWarning, match=r"jobs\.old.* is deprecated") as caught:
            assert await lab.jobs.old(1) == {"x": 1}
        assert [one.filename for one in caught] == [__file__]


def test_what_is_not_awaited_yet_says_how_a_client_is_had(gate: Gate) -> None:
    with pytest.raises(
        AttributeError, match=r"no client yet, and has no 'jobs': write `async with labgate\.aconnect"
    ):
        labgate.aconnect(gate.url).jobs  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(labgate.aconnect(gate.url), "_repr_html_")
