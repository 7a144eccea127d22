"""Is a recorded run the same run again, without a gate, without secrets, and without guessing?"""

from __future__ import annotations

import gc
import multiprocessing
import os
import socket
import stat
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labgate
from labgate import testing
from labgate._codec import Encoder
from labgate.errors import (
    BadReply,
    Error,
    Forbidden,
    GateUnreachable,
    Locked,
    NotFound,
    NotRecorded,
    RemoteError,
    SetupError,
)
from labgate.testing import BrokenRecording
from labgate.testing._masking import Masks
from labgate.testing._questions import question_of
from labgate.testing._serving import Asked
from labgate.testing._tape import Tape
from tests.sdk.conftest import Gate

make_gate = testing.make_gate
RANDOM = np.random.default_rng(5).integers(0, 255, (70, 80, 90), np.uint8)


def entries(limit: int = 100, offset: int = 0) -> dict:
    return {"items": [*range(25)][offset : offset + limit], "length": 25}


@pytest.fixture
def lab(make_gate):
    """A client of a gate that has something of everything."""
    counted = iter(range(100))
    page = {"size": "limit", "offset": "offset", "items": "items"}
    gate = make_gate(
        {"fly1/seg": {"roots": [1, 2]}},
        files={
            "stats": lambda uid: {"uid": uid, "mean": 0.1 + 0.2, "ü": "\ud800", "big": 2**70},
            "array": testing.method(lambda n: np.arange(n, dtype=np.float32), safe=True, result="array"),
            "sum": lambda array: float(array.sum()),
            "bytes": lambda: b"\0\xff" * 3000,
            "entries": testing.method(entries, safe=True, page=page),
            "count": lambda: next(counted),
            "locked": testing.method(lambda: None),
            "remote": testing.method(lambda: None),
            "/map.mrc": bytes(range(256)) * 2000,
        },
        dvid={"volume": testing.volume(RANDOM)},
    )
    gate.fail("files.locked", Locked("version 7 is locked"))
    gate.fail("files.remote", RemoteError("slots", code=422, data={"slots": ["a"]}))
    return gate.lab


def analysis(lab, folder: Path) -> list[object]:
    """A run that uses everything; what it found, in values that can be compared."""
    found: list[object] = [lab.files.stats("J1"), lab.files.stats(uid="J2")]
    found.append(lab.files.array(50_000).tolist())
    found.append(lab.files.sum(np.ones((3, 4))))
    found.append(lab.files.bytes())
    found += [lab.files.count() for _ in range(3)]
    found.append([*labgate.pages(lab.files.entries, page_size=10)])
    with labgate.batch(lab) as many:
        x, y = many.files.stats("J3"), many.files.locked()
    found += [x.result(), type(y.exception())]
    for method in (lab.files.locked, lab.files.remote):
        try:
            method()
        except Error as error:
            found.append((type(error), error.code, error.message, error.data))
    volume = lab.dvid.volume("main", "grayscale")
    found.append(repr(volume))
    found.append(volume[3:60, 2:70, :].tolist())
    found.append(volume.read(workers=4).tolist())
    with labgate.request(lab.files, "GET", "/map.mrc") as answer:
        found += [answer.status, answer.headers["Content-Type"], answer.read()]
    target = folder / "map.mrc"
    labgate.download(lab.files, "/map.mrc", to=target)
    found.append(target.read_bytes())
    target.unlink()
    found.append(lab(datastack="fly1").seg.roots())
    found.append(labgate.whoami(lab).subject)
    found.append([row.name for row in labgate.methods(lab)])
    return found


@contextmanager
def no_network(monkeypatch: pytest.MonkeyPatch):
    """Whoever connects to anything is found out."""

    def refuse(*_: object) -> None:
        raise AssertionError("a replay went to the network")

    with monkeypatch.context() as patched:
        patched.setattr(socket.socket, "connect", refuse)
        patched.setattr(socket, "getaddrinfo", refuse)
        yield


@pytest.mark.parametrize("order", ["request", "strict"])
def test_a_replayed_run_finds_what_the_recorded_one_found_without_a_network(
    lab, tmp_path, monkeypatch, order
) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        first = analysis(recorded, tmp_path)
    with no_network(monkeypatch), testing.replay(file, order) as replayed:
        assert str(replayed._session.link.address) == str(lab._session.link.address)
        second = analysis(replayed, tmp_path)
    assert second == first


def test_a_run_can_be_replayed_again_and_again(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        first = [recorded.files.count(), recorded.files.count()]
    for _ in range(2):
        with testing.replay(file) as replayed:
            assert [replayed.files.count(), replayed.files.count()] == first
            assert replayed.files.count() == first[-1]  # asked more often than then


def test_what_was_not_asked_is_an_error_that_names_the_closest_that_was(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        recorded.files.stats("J1")
        recorded.files.bytes()
        recorded.dvid.volume("main", "gray")[0:2, 0:2, 0:2]
    with testing.replay(file) as replayed:
        with pytest.raises(NotRecorded, match=r'files\.stats \{"uid": "J9"\} was not asked.*"uid":"J1"'):
            replayed.files.stats("J9")
        with pytest.raises(NotRecorded, match="not asked"):
            replayed.dvid.volume("main", "gray")[0:2, 0:2, 0:3]
        with pytest.raises(NotRecorded, match=r"GET /files/map\.mrc"):
            labgate.request(replayed.files, "GET", "/map.mrc")
        with pytest.raises(NotRecorded, match=r"batch of 1: files\.stats"):
            with labgate.batch(replayed) as many:
                many.files.stats("J8")


def test_the_strict_order_is_that_of_the_recording_whole(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        recorded.files.stats("J1")
        recorded.files.stats("J2")
    with testing.replay(file, "strict") as replayed:
        with pytest.raises(NotRecorded, match=r'too early: files\.stats \{"uid":"J1"\}'):
            replayed.files.stats("J2")
        replayed.files.stats("J1")
        replayed.files.stats("J2")
        with pytest.raises(NotRecorded, match="once more than the 1 times"):
            replayed.files.stats("J2")
    with pytest.raises(NotRecorded, match=r'ended before this was asked: files\.stats \{"uid":"J2"\}'):
        with testing.replay(file, "strict") as replayed:
            replayed.files.stats("J1")
    with pytest.raises(SetupError, match="request and strict"):
        testing.replay(file, "loose")


def test_the_strict_order_lets_go_on_at_once_what_went_on_at_once(make_gate, tmp_path) -> None:
    meeting = threading.Barrier(2)

    def meet(number: int) -> int:
        meeting.wait(60)
        return number

    file = tmp_path / "run.labgate"
    with testing.record(file, make_gate(a={"meet": meet}).lab) as recorded:
        threads = [threading.Thread(target=recorded.a.meet, args=(number,)) for number in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    for order in ((1, 2), (2, 1)):
        with testing.replay(file, "strict") as replayed:
            assert [replayed.a.meet(number) for number in order] == [*order]


def test_calls_are_found_in_whatever_company_they_were_asked(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        with labgate.batch(recorded) as many:
            many.files.stats("J1")
            many.files.array(2000)
            many.files.locked()
        recorded.files.stats("J4")
    with testing.replay(file) as replayed:
        assert replayed.files.stats("J1")["uid"] == "J1"
        assert replayed.files.array(2000).shape == (2000,)
        with labgate.batch(replayed) as many:
            alone, again, array, locked, never = (
                many.files.stats("J4"),
                many.files.stats("J1"),
                many.files.array(2000),
                many.files.locked(),
                many.files.stats("J9"),
            )
        assert (alone.result()["uid"], again.result()["uid"]) == ("J4", "J1")
        assert array.result().tolist() == [*range(2000)]
        assert isinstance(locked.exception(), Locked)
        assert isinstance(never.exception(), NotRecorded)
    with testing.replay(file, "strict") as replayed:
        with pytest.raises(NotRecorded):
            replayed.files.stats("J1")
        with labgate.batch(replayed) as many:
            many.files.stats("J1")
            many.files.array(2000)
            many.files.locked()
        replayed.files.stats("J4")


def test_a_map_over_many_items_is_replayed_however_it_groups_them(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    uids = [f"J{number}" for number in range(300)]
    with testing.record(file, lab) as recorded:
        first = [found["uid"] for _, found in labgate.map(recorded.files.stats, uids, workers=4)]
    with testing.replay(file) as replayed:
        for workers in (1, 3, 8):
            found = labgate.map(replayed.files.stats, uids, workers=workers)
            assert [one["uid"] for _, one in found] == first == uids


def test_json_and_msgpack_ask_the_same(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    with testing.record(file, lab) as recorded:
        assert recorded.files.sum(array) == 15
    code = (
        "import sys; sys.modules['msgpack'] = None\n"
        "import numpy as np, labgate.testing\n"
        f"with labgate.testing.replay({str(file)!r}) as lab:\n"
        "    print(lab.files.sum(np.arange(6, dtype=np.int16).reshape(2, 3)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "was not asked" not in done.stderr
    assert "15" in done.stdout or "msgpack package is not installed" in done.stderr


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8).filter(str.isascii), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["uid", "array", "token"]), VALUES, max_size=3), st.integers(0, 9))
def test_a_question_is_the_same_however_it_is_written(params, number) -> None:
    encoder = Encoder()
    call = {"jsonrpc": "2.0", "id": number, "method": "files.stats", "params": params}
    turned = {
        "params": dict(reversed(params.items())),
        "method": "files.stats",
        "id": number + 1,
        "jsonrpc": "2.0",
    }
    written = [
        ("application/json", encoder.encode_json(call)),
        ("application/json", encoder.encode_json(turned)),
        ("application/msgpack", encoder.encode_msgpack(call)),
    ]
    keys = {
        question_of(Asked("POST", "/rpc", b"", {"content-type": kind}, body), Masks()).key
        for kind, body in written
    }
    assert len(keys) == 1
    other = encoder.encode_json({**call, "params": {**params, "level": 77}})
    assert question_of(Asked("POST", "/rpc", b"", {}, other), Masks()).key not in keys
    elsewhere = question_of(Asked("POST", "/rpc?datastack=fly1", b"", {}, written[0][1]), Masks())
    assert elsewhere.key not in keys


def test_tokens_and_secrets_are_not_in_the_file(gate: Gate, tmp_path) -> None:
    gate.token = None
    jwt = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLXNpZ25hdHVyZQ"
    secrets = [
        "token-of-the-client",
        "license-1234",
        "hunter2-hunter2",
        "answer-of-the-gate",
        jwt,
        "in-the-query",
    ]
    gate.add("keys.make", {"token": "answer-of-the-gate", "text": f"take {jwt} with you", "name": "ok"})
    gate.add("keys.check", lambda params: {"echo": params}, params=[{"name": "password"}, {"name": "user"}])
    gate.add("keys.page", None)
    file = tmp_path / "run.labgate"
    lab = labgate.connect(gate.url, token="token-of-the-client", headers={"License-ID": "license-1234"})
    gate.service = lambda asked: asked.reply(200, b"token-of-the-client license-1234")
    gate.about = {"namespaces": {"files": {"mount": "/files"}, "keys": {}}}
    labgate.refresh(lab)

    def run(lab) -> object:
        made = lab.keys.make()
        lab.keys.check("hunter2-hunter2", user="ada")
        with labgate.request(lab.files, "GET", "/a", query={"token": "in-the-query"}) as answer:
            answer.read()
        return made["name"]

    with testing.record(file, lab) as recorded:
        assert run(recorded) == "ok"
    written = file.read_bytes()
    assert not [secret for secret in secrets if secret.encode() in written]
    tape = Tape(str(file))
    assert not [one for one in tape.exchanges for secret in secrets if secret.encode() in tape.body(one)]
    tape.close()
    with testing.replay(file) as replayed:
        assert run(replayed) == "ok"


def test_a_large_secret_answer_in_msgpack_is_masked_too(make_gate, tmp_path) -> None:
    def answer() -> dict:
        return {"api_key": "k" * 40, "array": np.zeros(5000)}

    gate = make_gate(keys={"answer": testing.method(answer, safe=True, result="array")})
    file = tmp_path / "run.labgate"
    with testing.record(file, gate.lab) as recorded:
        assert recorded.keys.answer()["api_key"] == "k" * 40
    with testing.replay(file) as replayed:
        found = replayed.keys.answer()
    assert found["api_key"] == "*" * 40
    assert found["array"].shape == (5000,)


def test_the_file_is_its_owners_and_its_head_is_text(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        recorded.files.stats("J1")
        recorded.files.array(100_000)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    head = file.read_bytes().split(b'{"end":')[0]
    assert head.isascii()
    lines = head.decode().splitlines()
    assert lines[0] == "labgate-recording 1"
    assert '"call":"files.stats","params":{"uid":"J1"}' in lines[3]
    assert file.stat().st_size < 400_000 / 2  # the array's bytes are compressed


def test_equal_bodies_are_kept_once(make_gate, tmp_path) -> None:
    body = np.random.default_rng(1).bytes(200_000)
    gate = make_gate(a={"blob": lambda n: body})
    file = tmp_path / "run.labgate"
    with testing.record(file, gate.lab) as recorded:
        for number in range(5):
            recorded.a.blob(number)
    assert file.stat().st_size < 500_000


def test_a_file_of_another_version_is_refused_clearly(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        recorded.files.stats("J1")
    file.write_bytes(file.read_bytes().replace(b"labgate-recording 1", b"labgate-recording 2", 1))
    with pytest.raises(BrokenRecording, match="version 2, and this labgate reads version 1"):
        testing.replay(file)
    file.write_text("something else\n")
    with pytest.raises(BrokenRecording, match="no recording"):
        testing.replay(file)
    with pytest.raises(SetupError, match="No such file"):
        testing.replay(tmp_path / "nothing")


def test_a_truncated_or_changed_file_is_found_out_wherever_it_ends(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        recorded.files.stats("J1")
        recorded.files.array(3000)
    whole = file.read_bytes()
    broken = tmp_path / "broken.labgate"
    for length in {*range(0, len(whole), 97), len(whole) - 1}:
        broken.write_bytes(whole[:length])
        with pytest.raises(BrokenRecording):
            testing.replay(broken)
    broken.write_bytes(whole.replace(b'"uid":"J1"', b'"uid":"J7"', 1))
    with pytest.raises(BrokenRecording, match="changed"):
        testing.replay(broken)
    broken.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with testing.replay(broken) as replayed, pytest.raises(NotRecorded, match=r"cannot be read|changed"):
        replayed.files.array(3000)


def test_a_connection_that_was_cut_is_cut_again(gate: Gate, tmp_path) -> None:
    gate.add("jobs.cut", None)

    def cut(asked) -> None:
        asked.send_response(200)
        asked.send_header("Content-Length", "1000")
        asked.end_headers()
        asked.wfile.write(b"x" * 10)
        asked.close_connection = True

    gate.about = {"namespaces": {"files": {"mount": "/files"}}}
    gate.service = cut
    file = tmp_path / "run.labgate"

    def run(lab) -> tuple[type, str]:
        with labgate.request(lab.files, "GET", "/a") as answer:
            assert answer.read(10) == b"x" * 10
            with pytest.raises(Error) as caught:
                answer.read()
        return type(caught.value), caught.value.message

    with testing.record(file, labgate.connect(gate.url)) as recorded:
        first = run(recorded)
    with testing.replay(file) as replayed:
        assert run(replayed) == first


def test_a_write_without_an_answer_is_one_again(make_gate, tmp_path) -> None:
    gate = make_gate(a={"write": lambda: 1})
    gate.cut("a.write")
    file = tmp_path / "run.labgate"
    with testing.record(file, gate.lab) as recorded, pytest.raises(GateUnreachable) as first:
        recorded.a.write()
    assert len(gate.calls) == 1
    with testing.replay(file) as replayed, pytest.raises(GateUnreachable) as second:
        replayed.a.write()
    assert first.value.maybe_executed
    assert second.value.maybe_executed


def test_a_gate_that_is_away_is_told_as_such_while_a_run_is_recorded(make_gate, tmp_path) -> None:
    gate = make_gate(a={"write": lambda: 1})
    with testing.record(tmp_path / "run.labgate", gate.lab) as recorded:
        gate.stop()
        with pytest.raises(GateUnreachable) as caught:
            recorded(retries=0).a.write()
    assert not caught.value.maybe_executed or "cannot be reached" not in caught.value.message


def test_an_error_in_the_run_leaves_a_file_all_the_same(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"

    def broken() -> None:
        with testing.record(file, lab) as recorded:
            recorded.files.stats("J1")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    with testing.replay(file) as replayed:
        assert replayed.files.stats("J1")["uid"] == "J1"


def test_the_recorded_client_itself_goes_on_unrecorded(lab, tmp_path) -> None:
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        recorded.files.stats("J1")
        lab.files.stats("J2")
        with pytest.raises(SetupError, match="recorded or replayed already"):
            testing.record(tmp_path / "b", recorded).__enter__()
    with testing.replay(file) as replayed, pytest.raises(NotRecorded):
        replayed.files.stats("J2")
    with pytest.raises(SetupError, match="no folder"):
        testing.record(tmp_path / "none" / "run.labgate", lab)
    with pytest.raises(TypeError, match="options"):
        testing.record(file, lab, timeout=3)


def test_bound_parameters_are_bound_again(make_gate, tmp_path) -> None:
    gate = make_gate(m={"query": lambda table, version=None: version})
    file = tmp_path / "run.labgate"
    with testing.record(file, gate.lab(version=943)) as recorded:
        assert recorded.m.query("a") == 943
    with testing.replay(file) as replayed:
        assert replayed.m.query("a") == 943


def test_a_refusal_to_connect_is_recorded(gate: Gate, tmp_path) -> None:
    lab = labgate.connect(gate.url)
    file = tmp_path / "run.labgate"
    with testing.record(file, lab) as recorded:
        gate.token = "another"
        with pytest.raises(Error) as first:
            recorded.jobs.get_job("P1", "J1")
    with testing.replay(file) as replayed, pytest.raises(type(first.value)) as second:
        replayed.jobs.get_job("P1", "J1")
    assert second.value.http_status == first.value.http_status == 401


SCRIPT = """\
import labgate
lab = labgate.connect({url}, token="token-of-the-script")
print(lab.files.stats("J1")["uid"], lab.dvid.volume("main", "g")[0:2, 0:2, 0:2].sum())
"""


def script(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_a_script_is_recorded_and_replayed_by_the_environment_alone(lab, tmp_path) -> None:
    url = str(lab._session.link.address)
    file = str(tmp_path / "run.labgate")
    first = script(SCRIPT.format(url=repr(url)), LABGATE_RECORD=file)
    assert first.returncode == 0, first.stderr
    for replays in (file, f"strict:{file}"):
        second = script(SCRIPT.format(url="'https://gate.nowhere.invalid'"), LABGATE_REPLAY=replays)
        assert (second.stdout, second.stderr) == (first.stdout, "")
    unnamed = script("import labgate\nprint(labgate.connect().files.stats('J1')['uid'])", LABGATE_REPLAY=file)
    assert unnamed.stdout == "J1\n"
    assert b"token-of-the-script" not in Path(file).read_bytes()
    both = script(SCRIPT.format(url=repr(url)), LABGATE_REPLAY=file, LABGATE_RECORD=file)
    assert "both set" in both.stderr


def test_an_async_client_is_recorded_and_replayed_by_the_environment(lab, tmp_path) -> None:
    url = str(lab._session.link.address)
    file = str(tmp_path / "run.labgate")
    code = (
        "import asyncio, labgate\n"
        "async def main():\n"
        "    async with labgate.aconnect({url!r}, token='t') as lab:\n"
        "        one = await lab.files.stats('J1')\n"
        "        vol = await lab.dvid.volume('main', 'g')\n"
        "        part = await vol.read((0, 0, 0), (70, 80, 90))\n"
        "        print(one['uid'], part.sum(), await asyncio.gather(*(lab.files.array(n) for n in range(3))))\n"
        "asyncio.run(main())"
    )
    first = script(code.format(url=url), LABGATE_RECORD=file)
    assert first.returncode == 0, first.stderr
    second = script(code.format(url="https://gate.nowhere.invalid"), LABGATE_REPLAY=file)
    assert (second.stdout, second.stderr) == (first.stdout, "")
    # What one kind of client has recorded, the other finds.
    with testing.replay(file) as replayed:
        assert replayed.files.stats("J1")["uid"] == "J1"


def test_programs_that_a_recorded_one_starts_leave_its_file_alone(lab, tmp_path) -> None:
    url = str(lab._session.link.address)
    file = tmp_path / "run.labgate"
    inner = f"import labgate; print(labgate.connect({url!r}).files.stats('J2')['uid'])"
    outer = (
        f"import labgate, subprocess, sys\nlab = labgate.connect({url!r})\n"
        f"subprocess.run([sys.executable, '-c', {inner!r}], check=True)\nlab.files.stats('J1')"
    )
    done = script(outer, LABGATE_RECORD=str(file))
    assert done.returncode == 0, done.stderr
    with testing.replay(file) as replayed:
        replayed.files.stats("J1")
        with pytest.raises(NotRecorded):
            replayed.files.stats("J2")


def _in_a_child(lab, queue) -> None:
    queue.put(lab.files.stats("J1")["uid"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_works_on_in_both(lab, tmp_path) -> None:
    context = multiprocessing.get_context("fork")
    file = tmp_path / "run.labgate"

    def from_a_child(lab) -> str:
        queue = context.SimpleQueue()
        child = context.Process(target=_in_a_child, args=(lab, queue))
        child.start()
        child.join(60)
        assert child.exitcode == 0
        return queue.get()

    with testing.record(file, lab) as recorded:
        recorded.files.stats("J1")
        assert from_a_child(recorded) == "J1"
    with testing.replay(file, "strict") as replayed:
        assert replayed.files.stats("J1")["uid"] == "J1"
    with testing.replay(file) as replayed:
        assert from_a_child(replayed) == "J1"


def test_a_client_that_is_interrupted_ends_its_call_at_the_gate(make_gate, tmp_path) -> None:
    gate = make_gate(a={"slow": testing.method(lambda: 1, safe=True)})
    gate.hold("a.slow")
    with testing.record(tmp_path / "run.labgate", gate.lab) as recorded:
        with pytest.raises(Error, match=r"within 0\.3 s"):
            recorded(timeout=0.3).a.slow()
        gate.recover()
        assert recorded.a.slow() == 1
    with testing.replay(tmp_path / "run.labgate", "strict") as replayed:
        assert replayed.a.slow() == 1


def test_many_threads_are_recorded_each_its_own(make_gate, tmp_path) -> None:
    def work(lab) -> list[object]:
        wrong: list[object] = []

        def one(number: int) -> None:
            wrong.extend(at for at in range(15) if lab.a.echo([number, at]) != [number, at])

        threads = [threading.Thread(target=one, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(100)
        return wrong

    file = tmp_path / "run.labgate"
    with testing.record(file, make_gate(a={"echo": lambda value: value}).lab) as recorded:
        assert work(recorded) == []
    with testing.replay(file, "strict") as replayed:
        assert work(replayed) == []


def test_no_thread_and_no_socket_is_left_behind(lab, tmp_path) -> None:
    lab.files.stats("J1")
    gc.collect()  # what earlier tests have left is not this one's
    before = set(threading.enumerate())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with testing.record(tmp_path / "run.labgate", lab) as recorded:
            recorded.files.stats("J1")
        with testing.replay(tmp_path / "run.labgate") as replayed:
            replayed.files.stats("J1")
        del recorded, replayed
        gc.collect()
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
    assert {
        one.name
        for one in set(threading.enumerate()) - before
        if "_speak" in one.name or "_pass_on" in one.name
    } == set()


def test_the_errors_of_a_recording_are_labgates_own() -> None:
    assert issubclass(NotRecorded, Error)
    assert issubclass(BrokenRecording, SetupError)
    assert not issubclass(NotRecorded, (NotFound, Forbidden, BadReply))
