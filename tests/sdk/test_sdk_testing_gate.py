"""Is a scripted gate one for a client: its list, its answers, its faults, its wire?"""

from __future__ import annotations

import inspect
import pickle  # noqa: TID251 - what is sent to other processes
import subprocess
import sys
import threading
import urllib.request
import warnings
from typing import Any

import numpy as np
import pytest

import labgate
from labgate import testing
from labgate.errors import (
    BadReply,
    DeadlineExceeded,
    Error,
    Forbidden,
    GateUnreachable,
    InvalidParams,
    Locked,
    NeedsDatastack,
    NotFound,
    RateLimited,
    RemoteError,
    RemoteNotFound,
    SetupError,
    Truncated,
    Unauthenticated,
    UnknownDatastack,
)
from labgate.testing import ScriptedGate

make_gate = testing.make_gate


def get_statistics(uid: str, level: int = 0, mask: list | None = None) -> dict:
    """The statistics of an image.

    They are of its finest level.
    """
    return {"uid": uid, "mean": 3.5, "level": level}


def test_functions_and_values_are_methods_of_a_real_client() -> None:
    gate = testing.gate(files={"get_statistics": get_statistics, "version": "1.2"})
    with gate as lab:
        assert lab.files.get_statistics("J1", level=2) == {"uid": "J1", "mean": 3.5, "level": 2}
        assert lab.files.version() == "1.2"
        assert dir(lab) == ["files"]
    assert gate.calls == [
        ("files.get_statistics", {"uid": "J1", "level": 2}),
        ("files.version", None),
    ]
    assert gate.calls_of("files.version") == [None]


def test_the_list_has_the_signatures_types_and_docstrings_of_the_functions(make_gate) -> None:
    lab = make_gate(files={"get_statistics": get_statistics}).lab
    function = lab.files.get_statistics
    assert str(inspect.signature(function)) == "(uid: str, level: int = 0, mask: list | None = None) -> dict"
    assert function.__doc__.startswith("The statistics of an image.\n\nThey are of its finest level.")
    assert labgate.methods(lab)[0].summary == "The statistics of an image."


def test_a_wrong_argument_is_an_error_before_anything_is_sent(make_gate) -> None:
    gate = make_gate(files={"get_statistics": get_statistics})
    with pytest.raises(TypeError, match="uid"):
        gate.lab.files.get_statistics()
    assert gate.calls == []


def test_arguments_that_a_function_does_not_take_are_invalid_params(make_gate) -> None:
    lab = make_gate(files={"one": testing.method(lambda a: a, params=[{"name": "b", "schema": {}}])}).lab
    with pytest.raises(InvalidParams, match=r"'b'|'a'"):
        lab.files.one(b=1)


def test_arrays_bytes_and_large_numbers_go_both_ways(make_gate) -> None:
    def double(array: np.ndarray) -> np.ndarray:
        return array * 2

    lab = make_gate(files={"double": double, "echo": lambda value: value}).lab
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = lab.files.double(array)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array * 2)
    for value in (b"\0\xff", 2**80, {"a": [1, None, float("inf")]}, "ü\ud800"):
        assert lab.files.echo(value) == value


def test_a_batch_has_an_outcome_for_each_call(make_gate) -> None:
    gate = make_gate(files={"get_statistics": get_statistics, "version": "1.2"})
    gate.fail("files.version", NotFound("gone"))
    with labgate.batch(gate.lab) as many:
        good, bad = many.files.get_statistics("J1"), many.files.version()
    assert good.result()["mean"] == 3.5
    assert isinstance(bad.exception(), NotFound)
    assert sum(verb == "POST" for verb, _ in gate.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        NotFound("no such file"),
        Forbidden("not you"),
        Unauthenticated("who?"),
        RateLimited("slowly", retry_after=7.0),
        DeadlineExceeded("late", maybe_executed=True),
        Locked("it is locked"),
        Truncated("cut", data={"limit": 5}),
        RemoteError("the service's own", code=422, data={"slots": ["a"]}),
        RemoteNotFound("never heard of it", code=-32601),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_on_demand_is_the_same_error_at_the_callers(make_gate, error: Error) -> None:
    gate = make_gate(files={"version": "1.2"})
    gate.fail("files.version", error)
    with pytest.raises(type(error)) as caught:
        gate.lab(retries=0).files.version()
    assert type(caught.value) is type(error)
    assert caught.value.message == error.message
    assert caught.value.code == error.code
    assert caught.value.retry_after == error.retry_after
    assert caught.value.maybe_executed == error.maybe_executed


def test_what_a_function_raises_is_a_services_own_error_and_is_kept(make_gate) -> None:
    def broken() -> None:
        raise KeyError("J1")

    gate = make_gate(files={"broken": broken})
    with pytest.raises(RemoteError, match="KeyError: 'J1'"):
        gate.lab.files.broken()
    assert [type(error) for error in gate.raised] == [KeyError]


def test_an_answer_that_cannot_be_sent_is_told_to_the_caller_and_kept(make_gate) -> None:
    gate = make_gate(
        files={
            "odd": testing.method(object, params=[]),
            "half": lambda: "\ud800",
            "tile": lambda: np.zeros(2),
        }
    )
    with pytest.raises(RemoteError, match=r"files\.odd answered what cannot be sent"):
        gate.lab.files.odd()
    assert [type(error) for error in gate.raised] == [TypeError]
    with labgate.batch(gate.lab) as many:
        odd, half, tile = many.files.odd(), many.files.half(), many.files.tile()
    assert isinstance(odd.exception(), RemoteError)
    assert half.result() == "\ud800"
    assert tile.result().shape == (2,)


def test_a_function_may_raise_the_errors_of_a_gate(make_gate) -> None:
    def locked() -> None:
        raise Locked("version 7 is locked")

    gate = make_gate(files={"write": locked})
    with pytest.raises(Locked, match="version 7"):
        gate.lab.files.write()
    assert gate.raised == []


def test_trouble_ends_after_as_many_calls_as_were_named(make_gate) -> None:
    gate = make_gate(files={"version": "1.2"})
    gate.fail("files.version", NotFound("gone"), times=2)
    outcomes = []
    for _ in range(3):
        try:
            outcomes.append(gate.lab.files.version())
        except NotFound:
            outcomes.append("failed")
    assert outcomes == ["failed", "failed", "1.2"]


def test_a_cut_write_may_have_been_carried_out_and_is_not_sent_again(make_gate) -> None:
    done = []
    gate = make_gate(files={"write": lambda: done.append(1), "read": testing.method(lambda: 7, safe=True)})
    gate.cut("files.write")
    with pytest.raises(GateUnreachable) as caught:
        gate.lab.files.write()
    assert caught.value.maybe_executed
    assert done == [1]
    gate.cut("files.read", times=1)
    assert gate.lab.files.read() == 7
    assert len(gate.calls_of("files.read")) == 2


def test_what_is_no_answer_is_a_bad_reply(make_gate) -> None:
    gate = make_gate(files={"version": "1.2"})
    gate.fail("files.version", BadReply("html"))
    with pytest.raises(BadReply, match="no JSON-RPC answer"):
        gate.lab.files.version()


def test_a_held_answer_runs_into_the_callers_deadline_or_comes_when_it_is_let_go(make_gate) -> None:
    gate = make_gate(files={"version": testing.method("1.2", safe=True)})
    release = gate.hold("files.version")
    with pytest.raises(DeadlineExceeded):
        gate.lab(timeout=0.2).files.version()
    found: list[str] = []
    waiting = threading.Thread(target=lambda: found.append(gate.lab.files.version()))
    waiting.start()
    release()
    waiting.join(60)
    assert found == ["1.2"]


def test_a_delay_is_waited_for_and_ends_with_the_gate() -> None:
    gate = testing.gate(files={"version": testing.method("1.2", safe=True)}).start()
    gate.delay("files.version", 3600)
    with pytest.raises(DeadlineExceeded):
        gate.lab(timeout=0.2).files.version()
    gate.stop()  # would take an hour otherwise
    assert repr(gate).endswith("not running>")


def test_a_misspelt_method_in_a_test_is_told_at_once(make_gate) -> None:
    gate = make_gate(files={"get_statistics": get_statistics})
    with pytest.raises(ValueError, match=r"did you mean files\.get_statistics"):
        gate.fail("files.get_statistic", NotFound("gone"))
    with pytest.raises(TypeError, match="KeyError"):
        gate.fail("files.get_statistics", KeyError("x"))
    with pytest.raises(TypeError, match="'sfae'"):
        testing.method(1, sfae=True)


def test_methods_come_and_go_and_clients_learn_of_it(make_gate) -> None:
    gate = make_gate(files={"version": "1.2"})
    assert dir(gate.lab.files) == ["version"]
    gate.add("files", "new", lambda a, *, b=2: a + b)
    assert labgate.refresh(gate.lab).added == ("files.new",)
    assert gate.lab.files.new(1) == 3
    gate.remove("files", "new")
    gate.lab.files.version()  # its reply names the new list
    with pytest.raises(AttributeError):
        _ = gate.lab.files.new


def test_services_of_a_datastack_are_there_when_it_is_named(make_gate) -> None:
    lab = make_gate({"fly1/seg": {"roots": [1, 2]}}, info={"datastacks": ["fly1"]}).lab
    with pytest.raises(NeedsDatastack) as caught:
        _ = lab.seg
    assert caught.value.datastacks == ("fly1",)
    assert lab(datastack="fly1").seg.roots() == [1, 2]
    assert lab(datastack="fly1").info.datastacks() == ["fly1"]
    with pytest.raises(UnknownDatastack):
        lab(datastack="fly2")


def test_an_array_stands_for_a_volume(make_gate) -> None:
    array = np.arange(40**3, dtype=np.uint16).reshape(40, 40, 40)
    lab = make_gate(dvid={"volume": testing.volume(array, offset=(0, -8, 4), resolution=(40, 4, 4))}).lab
    volume = lab.dvid.volume("main", "grayscale")
    assert (volume.shape, volume.offset, volume.resolution) == ((40, 40, 40), (0, -8, 4), (40.0, 4.0, 4.0))
    np.testing.assert_array_equal(volume[2:9, -8:10, 5:6], array[2:9, 0:18, 1:2])
    np.testing.assert_array_equal(volume.read(workers=3), array)
    assert not volume[-3:0, -8:0, 4:6].any()
    with pytest.raises(ValueError, match="axes"):
        testing.volume(np.zeros((2, 2), np.uint8))


def test_paths_of_a_service_answer_plain_http_and_downloads_go_on(make_gate, tmp_path) -> None:
    def echo(asked) -> dict:
        return {"verb": asked.verb, "length": len(asked.body)}

    body = bytes(range(256)) * 50
    lab = make_gate(files={"/map.mrc": body, "/note": "ü", "/echo": echo}).lab
    with labgate.request(lab.files, "GET", "/note") as answer:
        assert answer.text() == "ü"
    with labgate.request(lab.files, "PUT", "/echo", data=iter([b"ab", b"c"])) as answer:
        assert answer.json() == {"verb": "PUT", "length": 3}
    part = {"Range": "bytes=10-19"}
    with labgate.request(lab.files, "GET", "/map.mrc", headers=part) as answer:
        assert (answer.status, answer.read()) == (206, body[10:20])
    labgate.download(lab.files, "/map.mrc", to=tmp_path / "map.mrc")
    assert (tmp_path / "map.mrc").read_bytes() == body
    with pytest.raises(NotFound):
        labgate.request(lab.files, "GET", "/nothing")


def test_pages_are_gone_through(make_gate) -> None:
    def entries(limit: int = 100, offset: int = 0) -> dict:
        return {"items": [*range(250)][offset : offset + limit], "length": 250}

    page = {"size": "limit", "offset": "offset", "items": "items"}
    lab = make_gate(data={"entries": testing.method(entries, safe=True, page=page)}).lab
    assert list(labgate.pages(lab.data.entries, page_size=40)) == [*range(250)]


def test_an_async_function_is_awaited(make_gate) -> None:
    async def answer(a: int) -> int:
        return a + 1

    assert make_gate(files={"answer": answer}).lab.files.answer(1) == 2


def test_positional_only_parameters_are_sent_by_position(make_gate) -> None:
    gate = make_gate(maths={"power": lambda a, b=2, /: a**b})
    assert gate.lab.maths.power(3) == 9
    assert gate.calls == [("maths.power", [3])]


def test_twenty_threads_are_answered_each_its_own(make_gate) -> None:
    lab = make_gate(files={"echo": lambda value: value}).lab
    wrong: list[object] = []

    def work(number: int) -> None:
        wrong.extend(at for at in range(20) if lab.files.echo([number, at]) != [number, at])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert wrong == []


def test_other_programs_can_ask_it_too(make_gate) -> None:
    gate = make_gate(files={"version": "1.2"})
    body = b'{"jsonrpc":"2.0","id":"x","method":"files.version"}'
    asked = urllib.request.Request(f"{gate.url}/rpc", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert answer.read() == b'{"jsonrpc":"2.0","id":"x","result":"1.2"}'


def test_its_client_can_be_pickled_while_it_runs(make_gate) -> None:
    lab = make_gate(files={"version": "1.2"}).lab
    assert pickle.loads(pickle.dumps(lab.files.version))() == "1.2"


def test_whoami_and_options_work_as_at_a_gate(make_gate) -> None:
    gate = make_gate(files={"find": lambda table, version=None: version})
    assert labgate.whoami(gate.lab).subject == "scripted"
    assert gate.lab(version=943).files.find("a") == 943
    assert gate.connect(timeout=9).files.find("a") is None


def test_nothing_of_the_users_environment_reaches_it(make_gate, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("LABGATE_TOKEN", "the-users-own")
    monkeypatch.setenv("LABGATE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen: list[str] = []
    gate = make_gate(files={"/seen": lambda asked: seen.append(asked.fields["authorization"]) or "ok"})
    labgate.request(gate.lab.files, "GET", "/seen").read()
    assert seen == ["Bearer token-of-a-scripted-gate"]
    assert not (tmp_path / "cache").exists()


def test_a_gate_that_does_not_run_says_so() -> None:
    gate = ScriptedGate({"files": {"version": "1.2"}})
    with pytest.raises(SetupError, match="does not run"):
        _ = gate.lab
    with gate as lab:
        assert lab.files.version() == "1.2"
    with pytest.raises(GateUnreachable):
        lab(retries=0).files.version()
    with gate as lab:
        assert lab.files.version() == "1.2"


def test_no_thread_and_no_socket_is_left_behind() -> None:
    before = set(threading.enumerate())
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with testing.gate(files={"version": "1.2"}) as lab:
            lab.files.version()
        del lab
    for thread in set(threading.enumerate()) - before:
        thread.join(30)
    assert set(threading.enumerate()) <= before


def test_importing_it_needs_neither_pytest_nor_numpy() -> None:
    code = (
        "import sys, labgate.testing\nwith labgate.testing.gate(a={'b': 1}) as lab:\n    assert lab.a.b() == 1\n"
        "assert not {'pytest', 'numpy', 'asyncio'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_public_names_are_sorted_and_each_of_them_is_there() -> None:
    assert list(testing.__all__) == sorted(testing.__all__)
    assert all(
        getattr(testing, name) is not None
        for name in testing.__all__
        if "ecord" not in name and "epl" not in name
    )
    with pytest.raises(AttributeError):
        _ = testing.nothing


def test_what_came_is_written_to_the_lists_that_a_test_has_put_there() -> None:
    gate = ScriptedGate({"files": {"version": "1.2"}})
    with gate as lab:
        lab.files.version()
        gate.calls, gate.requests = [], []
        lab.files.version()
        assert [call.method for call in gate.calls] == ["files.version"]
        assert gate.requests == [("POST", "/rpc")]


@pytest.mark.parametrize(
    ("services", "words"),
    [
        ({"files": 3}, r"the service 'files' is its methods by their names, like \{'get': 1\}, not int"),
        ({"files": lambda: 1}, "the service 'files' is its methods by their names"),
        ({"files": {3: 1}}, "the name of a method is a text, not 3"),
        ({3: {"get": 1}}, "the name of a service is a text, not 3"),
        ({"files": {"": 1}}, "the name of a method is empty"),
        ({"": {"get": 1}}, "the name of a service is empty"),
    ],
)
def test_what_is_no_service_is_refused_by_its_name(services: Any, words: str) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        testing.gate(services)
