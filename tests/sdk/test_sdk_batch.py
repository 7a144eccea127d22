"""Does a batch send one request, and give each call its own outcome?"""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

import labgate
from labgate.errors import BadReply, BatchNotSent, GateUnreachable, NotFound, TooLarge, Unauthenticated
from tests.sdk.conftest import Gate, http, read_request, scripted


def test_many_calls_are_one_request_with_an_outcome_each(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    del gate.answers["jobs.enqueue_job"]
    with labgate.batch(lab) as b:
        one = b.jobs.get_job("P1", job_uid="J1")
        two = b.jobs.enqueue_job("J2")
        three = b["jobs.list_lanes"]()
        assert gate.calls() == []
        assert not one.done()
    assert len(gate.calls()) == 1
    assert one.result() == {"params": {"project_uid": "P1", "job_uid": "J1"}}
    assert one.exception() is None
    assert isinstance(two.exception(), NotFound)
    assert two.exception().method == "jobs.enqueue_job"
    with pytest.raises(NotFound):
        two.result()
    assert three.result() == ["a", "b"]
    assert one.done()
    assert two.done()
    assert [repr(handle).rpartition(" ")[2] for handle in (one, two)] == ["done>", "failed>"]


def test_a_wrong_call_fails_at_its_own_line_and_then_nothing_is_sent(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    handles = []

    def write_down() -> None:
        with labgate.batch(lab) as b:
            handles.append(b.jobs.list_lanes())
            b.jobs.get_job("P1")

    with pytest.raises(TypeError, match="job_uid"):
        write_down()
    assert gate.calls() == []
    with pytest.raises(BatchNotSent, match="never sent"):
        handles[0].result()
    assert not handles[0].done()


def test_a_value_that_cannot_be_sent_fails_at_its_own_line(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    with pytest.raises(TypeError, match="cannot be sent"), labgate.batch(lab) as b:
        b.jobs.enqueue_job(object())
    assert gate.calls() == []


def test_an_outcome_that_is_yet_to_come_is_no_argument(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    with (
        pytest.raises(TypeError, match=r"cannot be sent; .*give handle\.result\(\)"),
        labgate.batch(lab) as b,
    ):
        b.jobs.enqueue_job(b.jobs.list_lanes())

    async def awaited() -> None:
        async with labgate.aconnect(gate.url) as lab:
            forgotten = lab.jobs.list_lanes()
            with pytest.raises(TypeError, match="cannot be sent; await it first"):
                await lab.jobs.enqueue_job(forgotten)
            await forgotten

    asyncio.run(awaited())
    assert [call["method"] for call in gate.calls()] == ["jobs.list_lanes"]


def test_an_outcome_before_the_end_of_the_block_is_a_clear_error(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    with labgate.batch(lab) as b:
        handle = b.jobs.list_lanes()
        for ask in (handle.result, handle.exception):
            with pytest.raises(BatchNotSent, match="behind it"):
                ask()


def test_an_empty_batch_sends_nothing(gate: Gate) -> None:
    with labgate.batch(labgate.connect(gate.url)):
        pass
    assert gate.calls() == []


def test_a_batch_is_used_once_and_has_one_set_of_options(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    batch = labgate.batch(lab(timeout=5))
    with batch as b:
        b.jobs.list_lanes()
        with pytest.raises(BatchNotSent, match="before"):
            b(timeout=7)
    with pytest.raises(BatchNotSent, match="ended"):
        b.jobs.list_lanes()
    with pytest.raises(BatchNotSent, match="used before"), batch:
        pass
    assert gate.requests[-1][2]["labgate-timeout"] == "5"


def test_an_array_anywhere_makes_the_whole_batch_msgpack(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    with labgate.batch(lab) as b:
        one, two, three = b.jobs.anything(x=np.arange(2)), b.jobs.anything(big=2**70), b.jobs.list_lanes()
    assert "msgpack" in gate.requests[-1][2]["content-type"]
    assert one.result()["x"].tolist() == [0, 1]
    assert two.result() == {"big": 2**70}
    assert three.result() == ["a", "b"]


def test_what_is_changed_after_the_call_was_written_down_is_sent_as_it_was(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    value = [1]
    with labgate.batch(lab) as b:
        handle = b.jobs.enqueue_job(value)
        value.append(2)
    assert handle.result() == {"job_uid": [1]}


def test_a_batch_without_an_answer_fails_as_a_whole_and_every_handle_says_so(gate: Gate) -> None:
    lab = labgate.connect(gate.url, retries=0)
    gate.token = "another"
    with pytest.raises(Unauthenticated), labgate.batch(lab) as b:
        handle = b.jobs.list_lanes()
    assert isinstance(handle.exception(), Unauthenticated)
    assert handle.done()


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-32007,"message":"at most 1 call","data":{"fault":"TooLarge"}}}',
            TooLarge,
        ),
        (b'{"jsonrpc":"2.0","id":null,"result":1}', BadReply),
        (b"7", BadReply),
        (None, GateUnreachable),
    ],
)
def test_a_batch_over_a_limit_or_without_a_list_of_answers_is_a_clear_error(
    reply: bytes | None, kind: type
) -> None:
    document = b'{"openrpc": "1", "methods": [{"name": "s.f", "params": []}]}'

    def script(connection) -> None:
        read_request(connection)
        connection.sendall(http(document))
        read_request(connection)
        if reply is not None:
            connection.sendall(http(reply))

    with scripted(script) as url:
        lab = labgate.connect(url)
        with pytest.raises(kind) as caught, labgate.batch(lab) as b:
            handles = [b.s.f(), b.s.f()]
        assert all(handle.exception() is caught.value for handle in handles)
        if kind is TooLarge:
            assert "at most 1 call" in str(caught.value)
            assert "2 calls" in str(caught.value)
        if kind is GateUnreachable:
            assert caught.value.maybe_executed is True


def test_an_answer_that_is_left_out_is_that_calls_own_failure() -> None:
    document = b'{"openrpc": "1", "methods": [{"name": "s.f", "params": []}]}'

    def script(connection) -> None:
        read_request(connection)
        connection.sendall(http(document))
        read_request(connection)
        connection.sendall(
            http(b'[{"jsonrpc":"2.0","id":1,"result":"second"}, 7, {"id": true, "result": 0}]')
        )

    with scripted(script) as url:
        lab = labgate.connect(url)
        with labgate.batch(lab) as b:
            one, two = b.s.f(), b.s.f()
    assert isinstance(one.exception(), BadReply)
    assert one.exception().maybe_executed is True
    assert two.result() == "second"


def test_a_batch_without_its_block_says_how_it_is_begun(gate: Gate) -> None:
    with pytest.raises(AttributeError, match=r"no 'jobs': write `with labgate\.batch\(lab\) as b:`"):
        labgate.batch(labgate.connect(gate.url)).jobs  # type: ignore[attr-defined]  # noqa: B018

    async def awaited() -> None:
        async with labgate.aconnect(gate.url) as lab:
            with pytest.raises(AttributeError, match="no 'jobs': write `async with labgate"):
                labgate.batch(lab).jobs  # type: ignore[attr-defined]  # noqa: B018

    asyncio.run(awaited())
