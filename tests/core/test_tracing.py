"""What is recorded of a request: which requests, their steps, and that nothing is kept of others."""

import asyncio
from itertools import count
from random import Random

import pytest

from gateway.core.faults import DeadlineExceeded
from gateway.core.tracing import NEVER, Passing, Span, Tracer, current, step, within

PARENT = (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
UNSAMPLED = (PARENT[0], PARENT[1][:-1] + b"0")


def made(sample: float = 1.0, seed: int = 1):
    ended: list[Span] = []
    clock = count(1_000).__next__
    return Tracer(ended.append, sample, clock, Random(seed).randbytes), ended


def test_the_part_that_is_recorded_is_the_one_that_was_asked_for():
    tracer, _ = made(0.1)
    found = sum(isinstance(tracer.begin("x", ()), Span) for _ in range(20_000))
    assert 1_800 < found < 2_200


def test_whoever_answers_without_asking_takes_one_off_and_the_same_requests_are_recorded():
    asks, _ = made(0.2, seed=7)
    takes, _ = made(0.2, seed=7)
    pick = Random(3)
    for _ in range(2_000):
        began = isinstance(asks.begin("x", ()), Span)
        if takes.left <= 0 or pick.random() < 0.5:
            assert isinstance(takes.begin("x", ()), Span) == began
        else:
            takes.left -= 1
            assert not began


@pytest.mark.parametrize(("sample", "recorded"), [(0.0, False), (1.0, True)])
def test_none_and_all(sample, recorded):
    tracer, _ = made(sample)
    assert all(isinstance(tracer.begin("x", ()), Span) == recorded for _ in range(100))


def test_a_caller_who_records_is_recorded_here_too_and_one_who_does_not_is_not():
    tracer, _ = made(0.0)
    left = tracer.left
    found = tracer.begin("x", (PARENT,))
    assert isinstance(found, Span)
    assert (found.context.trace, found.parent) == (
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00f067aa0ba902b7",
    )
    assert found.context.span != found.parent
    passed = made(1.0)[0].begin("x", (UNSAMPLED,))
    assert isinstance(passed, Passing)
    assert passed.step("y").fields() == (UNSAMPLED,)
    assert tracer.left == left, "they are no part of the draw"


def test_without_a_collector_nothing_is_recorded_and_the_trace_is_passed_on_as_it_came():
    tracer = Tracer(None, 1.0, lambda: 0, Random(1).randbytes)
    assert tracer.begin("x", ()) is None
    assert tracer.left == NEVER - 1
    passed = tracer.begin("x", (PARENT,))
    assert isinstance(passed, Passing)
    assert passed.fields() == (PARENT,)
    assert tracer.begin("x", ((b"X", b"1"),)) is None


def test_where_callers_traces_end_a_request_is_drawn_as_any_other_and_a_link_leads_from_its_trace():
    ended: list[Span] = []
    tracer = Tracer(ended.append, 0.2, lambda: 1, Random(5).randbytes, continues=False)
    plain = Tracer(ended.append, 0.2, lambda: 1, Random(5).randbytes)
    state = (b"tracestate", b"lab=1")
    for at in range(500):
        found = tracer.begin("x", (PARENT if at % 2 else UNSAMPLED, state))
        alike = plain.begin("x", ())
        assert not isinstance(found, Passing)
        assert (found is None) == (alike is None)
        if isinstance(found, Span):
            assert (found.parent, found.context.state) == (None, b"")
            assert found.context.trace != PARENT[1][3:35].decode()
            (link,) = found.links
            assert link.fields() == (PARENT if at % 2 else UNSAMPLED, state)
    assert Tracer(None, 1.0, lambda: 0, Random(1).randbytes, continues=False).begin("x", (PARENT,)) is None


def test_whether_a_traces_id_was_drawn_by_chance_is_said_and_stays_so_down_to_the_service():
    own = made()[0].begin("x", ())
    assert own.step("y").step("z").fields()[0][1].endswith(b"-03")
    for flags in (b"01", b"03"):
        theirs = made(0.0)[0].begin("x", ((PARENT[0], PARENT[1][:-2] + flags),))
        assert theirs.step("y").fields()[0][1].endswith(b"-" + flags)


def test_steps_stand_below_the_one_in_which_they_are_done_and_end_with_their_blocks():
    tracer, ended = made()
    root = tracer.begin("root", ())
    with within(root), step("outer") as outer:
        outer.set("said", 1)
        outer.set("unsaid", None)
        with step("inner", "client"):
            pass
    assert current.get() is None
    root.end()
    inner, outer, root = ended
    assert [one.name for one in ended] == ["inner", "outer", "root"]
    assert inner.parent == outer.context.span
    assert outer.parent == root.context.span
    assert root.parent is None
    assert len({one.context.trace for one in ended}) == 1
    assert outer.attributes == {"said": 1}
    assert outer.started <= inner.started < inner.ended <= outer.ended


def test_a_step_that_fails_says_by_which_fault_and_the_first_end_counts():
    tracer, ended = made()
    root = tracer.begin("root", ())
    with within(root), pytest.raises(DeadlineExceeded), step("trip"):
        raise DeadlineExceeded("late")
    assert ended[0].failure == "DeadlineExceeded"
    root.end("gone")
    root.end()
    assert (len(ended), ended[1].failure) == (2, "gone")


async def test_what_a_task_begins_belongs_to_the_step_that_began_the_task():
    tracer, ended = made()
    root = tracer.begin("root", ())

    async def work():
        with step("below"):
            await asyncio.sleep(0)

    with within(root):
        task = asyncio.create_task(work())
    await task
    assert ended[0].parent == root.context.span


def test_where_nothing_is_recorded_a_step_is_nothing():
    with step("x") as nothing:
        nothing.set("a", 1)
        nothing.link(None)
        assert nothing.fields() == ()
        assert current.get() is None
