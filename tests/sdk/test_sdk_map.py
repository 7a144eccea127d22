"""One method for very many items: are all of them called once, in order, lazily, and does nothing stay behind?"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import labgate
from labgate._pace import Pace
from labgate.errors import DeadlineExceeded, GateUnreachable, RemoteError, SetupError
from tests.sdk.conftest import Gate, ScriptedError

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def sums(gate: Gate) -> Gate:
    """A gate whose `sums.double` reads and `sums.note` writes."""
    gate.noted = []  # type: ignore[attr-defined]
    number = [{"name": "x", "required": True}, {"name": "y", "schema": {"type": "integer"}}]

    def double(params: Any) -> Any:
        if params["x"] == "bad":
            raise ScriptedError(7, "no such x")
        if isinstance(params["x"], dict):
            return params["x"]
        return 2 * params["x"] + params.get("y", 0)

    def note(params: Any) -> Any:
        gate.noted.append(params["x"])  # type: ignore[attr-defined]
        return len(gate.noted)  # type: ignore[attr-defined]

    gate.add("sums.double", double, params=number, **{"x-labgate": {"safe": True}})
    gate.add("sums.note", note, params=number)
    return gate


@pytest.fixture
def lab(sums: Gate) -> Any:
    return labgate.connect(sums.url)


def workers_left() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "labgate.map"]


def test_pairs_come_in_the_order_of_the_items_each_with_its_own_result(sums: Gate, lab: Any) -> None:
    pairs = list(labgate.map(lab.sums.double, range(2000)))
    assert pairs == [(x, 2 * x) for x in range(2000)]
    assert len(sums.calls()) < 500  # most of them travelled together
    assert workers_left() == []


def test_unordered_pairs_are_the_same_pairs(lab: Any) -> None:
    pairs = labgate.map(lab.sums.double, range(500), ordered=False, workers=4)
    assert sorted(pairs) == [(x, 2 * x) for x in range(500)]


def test_the_first_call_that_is_over_comes_first_where_order_does_not_matter(sums: Gate, lab: Any) -> None:
    free = threading.Event()
    inner = sums.answers["sums.double"]
    sums.answers["sums.double"] = lambda params: (params["x"] == 0 and free.wait(60), inner(params))[1]
    pairs = labgate.map(lab.sums.double, range(20), ordered=False, workers=4)
    first, _ = next(pairs)
    assert first != 0
    free.set()
    assert len(list(pairs)) == 19


def test_an_item_is_the_first_argument_a_dict_names_and_a_tuple_positions(lab: Any) -> None:
    items = [1, {"x": 1, "y": 5}, {"y": 1, "x": 2}, (4,), ({"a": 1},)]
    pairs = list(labgate.map(lab.sums.double, items))
    assert [result for _, result in pairs] == [2, 7, 5, 8, {"a": 1}]
    assert [item for item, _ in pairs] == items


def test_a_result_that_is_none_is_a_result(gate: Gate) -> None:
    gate.add("sums.nothing", None, params=[{"name": "x"}], **{"x-labgate": {"safe": True}})
    assert list(labgate.map(labgate.connect(gate.url).sums.nothing, [1, 2])) == [(1, None), (2, None)]


def test_the_first_error_ends_the_loop_and_names_the_item(lab: Any) -> None:
    items = [*range(50), "bad", *range(50)]
    seen: list[Any] = []
    with pytest.raises(RemoteError, match="no such x") as told:
        seen.extend(item for item, _ in labgate.map(lab.sums.double, items))
    assert seen == list(range(50))
    assert any("item 50" in note and "'bad'" in note for note in told.value.__notes__)
    assert workers_left() == []


def test_errors_stand_in_the_place_of_their_results_or_are_left_out(lab: Any) -> None:
    items = [1, "bad", 3, "bad", 5]
    pairs = list(labgate.map(lab.sums.double, items, errors="yield"))
    assert [item for item, _ in pairs] == items
    assert [type(result).__name__ for _, result in pairs] == [
        "int",
        "RemoteError",
        "int",
        "RemoteError",
        "int",
    ]
    assert list(labgate.map(lab.sums.double, items, errors="skip")) == [(1, 2), (3, 6), (5, 10)]


def test_an_item_that_is_no_argument_is_an_error_of_its_own(lab: Any) -> None:
    items = [1, {"z": 1}, (1, 2, 3), 4] * 10
    pairs = list(labgate.map(lab.sums.double, items, errors="yield"))
    assert [type(result).__name__ for _, result in pairs] == ["int", "TypeError", "TypeError", "int"] * 10
    with pytest.raises(TypeError):
        list(labgate.map(lab.sums.double, items))


def test_items_are_taken_as_they_are_needed_and_by_the_caller_s_own_thread(lab: Any) -> None:
    taken = 0
    threads = set()

    def endless() -> Iterator[int]:
        nonlocal taken
        for taken in itertools.count():
            threads.add(threading.current_thread())
            yield taken

    pairs = labgate.map(lab.sums.double, endless(), workers=2)
    for expected in range(3000):
        assert next(pairs) == (expected, 2 * expected)
    # What is ahead is some batches, however fast the items come.
    assert taken < 3000 + (2 * 2 + 2) * Pace.MOST
    pairs.close()  # type: ignore[attr-defined]
    assert threads == {threading.current_thread()}
    assert workers_left() == []


def test_nothing_is_taken_or_sent_before_the_first_pair_is_asked_for(sums: Gate, lab: Any) -> None:
    before = len(sums.requests)
    items = iter(range(5))
    pairs = labgate.map(lab.sums.double, items)
    assert (len(sums.requests), next(items)) == (before, 0)
    assert next(iter(pairs)) == (1, 2)


def test_an_error_of_the_items_ends_the_loop_and_leaves_nothing_behind(lab: Any) -> None:
    def broken() -> Iterator[int]:
        yield from range(10)
        raise LookupError("my own")

    with pytest.raises(LookupError, match="my own"):
        list(labgate.map(lab.sums.double, broken()))
    assert workers_left() == []


@pytest.mark.parametrize("how", ["close", "interrupt"])
def test_who_leaves_the_loop_ends_the_reads_that_are_under_way(sums: Gate, lab: Any, how: str) -> None:
    begun, free = threading.Semaphore(0), threading.Event()
    inner = sums.answers["sums.double"]

    def slow(params: Any) -> Any:
        if params["x"]:
            begun.release()
            free.wait(100)
        return inner(params)

    sums.answers["sums.double"] = slow
    pairs = labgate.map(lab.sums.double, range(100), workers=3)
    assert next(pairs) == (0, 0)
    for _ in range(2):
        assert begun.acquire(timeout=60)
    if how == "close":
        pairs.close()  # type: ignore[attr-defined]
    else:
        with pytest.raises(KeyboardInterrupt):
            pairs.throw(KeyboardInterrupt)  # type: ignore[attr-defined]
    assert not free.is_set()
    assert workers_left() == []
    free.set()


def interrupted(sums: Gate, code: str) -> None:
    """See that a program ends by Ctrl-C while its calls are under way, and says that it heard of it."""
    begun, free = threading.Event(), threading.Event()

    def slow(_: Any) -> None:
        begun.set()
        free.wait(100)

    sums.answers["sums.double"] = slow
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as program:
        try:
            assert begun.wait(60)
            program.send_signal(signal.SIGINT)
            assert program.communicate(timeout=60)[0] == "interrupted\n"
        finally:
            program.kill()
            free.set()
    assert program.returncode == 0


def test_ctrl_c_ends_a_program_that_waits_for_its_calls(sums: Gate) -> None:
    interrupted(
        sums,
        f"""
import labgate
try:
    list(labgate.map(labgate.connect({sums.url!r}).sums.double, range(100)))
except KeyboardInterrupt:
    print("interrupted")
""",
    )


def test_ctrl_c_while_a_worker_is_about_to_begin_ends_the_call(
    sums: Gate, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, starts = threading.Event(), itertools.count(1)
    inner, start = sums.answers["sums.double"], threading.Thread.start

    def slow(params: Any) -> Any:
        begun.set()
        return inner(params)

    def interrupted(thread: threading.Thread) -> None:
        if thread.name == "labgate.map" and next(starts) == 3:
            assert begun.wait(60)
            raise KeyboardInterrupt
        start(thread)

    sums.answers["sums.double"] = slow
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(labgate.map(lab.sums.double, range(100)))
    assert next(starts) == 4
    assert workers_left() == []


def test_each_write_is_made_once_and_those_under_way_come_to_their_end(sums: Gate, lab: Any) -> None:
    noted: list[Any] = sums.noted  # type: ignore[attr-defined]
    assert [item for item, _ in labgate.map(lab.sums.note, range(300))] == list(range(300))
    assert sorted(noted) == list(range(300))
    noted.clear()
    begun, free = threading.Event(), threading.Event()
    inner = sums.answers["sums.note"]

    def slow(params: Any) -> Any:
        begun.set()
        free.wait(100)
        return inner(params)

    sums.answers["sums.note"] = slow
    pairs = labgate.map(lab.sums.note, [1], workers=2)
    asked = threading.Thread(target=lambda: next(pairs, None))
    asked.start()
    assert begun.wait(60)
    free.set()
    asked.join(60)
    pairs.close()  # type: ignore[attr-defined]
    assert noted == [1]


def test_with_one_worker_writes_are_made_one_after_the_other(sums: Gate, lab: Any) -> None:
    pairs = list(labgate.map(lab.sums.note, range(40), workers=1))
    assert pairs == [(at, at + 1) for at in range(40)]
    assert all(isinstance(call, dict) for call in sums.calls())


def test_a_write_whose_answer_was_lost_is_not_sent_again_by_a_gate_without_keys(
    sums: Gate, lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.sdk.conftest import Handler

    answer = Handler._answer

    def lost(self: Handler, *args: Any, **kwargs: Any) -> None:
        if len(sums.noted) >= 3:  # type: ignore[attr-defined]
            self.connection.close()
            raise OSError
        answer(self, *args, **kwargs)

    monkeypatch.setattr(Handler, "_answer", lost)
    with pytest.raises(GateUnreachable) as told:
        list(labgate.map(lab.sums.note, range(50), workers=1))
    assert told.value.maybe_executed
    assert sums.noted == [0, 1, 2]  # type: ignore[attr-defined]


def test_the_time_for_all_of_it_ends_the_loop(sums: Gate, lab: Any) -> None:
    free = threading.Event()
    sums.answers["sums.double"] = lambda _: free.wait(100)
    with pytest.raises(DeadlineExceeded, match=r"within 0\.2 s"):
        list(labgate.map(lab.sums.double, range(10), timeout=0.2))
    free.set()
    assert workers_left() == []


def test_large_results_travel_alone(gate: Gate) -> None:
    gate.add("sums.raw", "x", params=[{"name": "x"}], **{"x-labgate": {"safe": True, "result": "bytes"}})
    assert len(list(labgate.map(labgate.connect(gate.url).sums.raw, range(20)))) == 20
    assert len(gate.calls()) == 20


def test_progress_is_told_of_every_call_and_of_how_many(lab: Any) -> None:
    told: list[tuple[int, int | None]] = []
    list(labgate.map(lab.sums.double, [1, "bad", 3], errors="skip", progress=lambda *one: told.append(one)))
    assert told == [(1, 3), (2, 3), (3, 3)]
    told.clear()
    list(labgate.map(lab.sums.double, iter([1, 2]), progress=lambda *one: told.append(one)))
    assert told == [(1, None), (2, None)]


def test_options_of_the_client_hold_for_every_call(sums: Gate, lab: Any) -> None:
    view = lab(headers={"X-Mine": "yes"}, defaults={"y": 100})
    assert list(labgate.map(view.sums.double, [1, 2])) == [(1, 102), (2, 104)]
    posts = [headers for verb, _, headers, _ in sums.requests if verb == "POST"]
    assert {headers["x-mine"] for headers in posts} == {"yes"}


@pytest.mark.parametrize("method", [len, "double", None, labgate.last])
def test_what_is_no_method_of_a_client_is_refused(method: Any) -> None:
    with pytest.raises(TypeError, match="like lab"):
        labgate.map(method, [1])


def test_what_cannot_be_meant_is_refused_at_once(lab: Any) -> None:
    for wrong in ({"workers": 0}, {"workers": True}, {"errors": "ignore"}, {"timeout": 0}):
        with pytest.raises(ValueError, match=r"workers|errors|timeout"):
            labgate.map(lab.sums.double, [1], **wrong)
    with pytest.raises(SetupError, match="one call"):
        labgate.map(lab(idempotency_key="k").sums.double, [1])


def test_batches_grow_while_they_come_back_soon_and_shrink_where_they_take_long() -> None:
    pace = Pace(Pace.MOST)
    sizes = []
    for _ in range(10):
        sizes.append(pace.size)
        pace.took(pace.size, 0.001, 100)
    assert sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 256]
    pace.took(256, 1.0, 100)
    assert pace.size == 19
    pace.took(19, 0.1, 100)
    assert pace.size == 19
    pace.took(19, 0.01, 8 << 20)
    assert pace.size == 1
    pace.at_most(3)
    for _ in range(5):
        pace.took(pace.size, 0.001, 100)
    assert pace.size == 3
