"""The fields of W3C Trace Context, level 2: what is taken, what begins a trace anew, and what is sent on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.trace_context import TraceContext, context_of, state_of, without_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01".encode()


def of(value: bytes, *states: bytes) -> TraceContext | None:
    return context_of(((b"TraceParent", value), *((b"tracestate", one) for one in states)))


def test_the_ids_and_whether_it_is_recorded_are_read_whatever_the_case_of_the_name():
    assert of(GOOD) == TraceContext(TRACE, SPAN, True)
    assert of(GOOD[:-2] + b"00") == TraceContext(TRACE, SPAN, False)
    assert of(GOOD[:-2] + b"02") == TraceContext(TRACE, SPAN, False, random=True)
    assert of(GOOD[:-2] + b"fd") == TraceContext(TRACE, SPAN, True), "other flags are nothing to this level"
    assert of(b" " + GOOD + b"\t") == TraceContext(TRACE, SPAN, True)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        GOOD[:-1],
        GOOD + b"0",
        GOOD.upper(),
        GOOD.replace(b"-", b"_"),
        GOOD + b"-more",
        b"ff" + GOOD[2:],
        b"ff" + GOOD[2:] + b"-more",
        b"cc" + GOOD[2:] + b".more",
        b"00-" + b"0" * 32 + GOOD[35:],
        GOOD[:36] + b"0" * 16 + b"-01",
        b"\xff" * 55,
    ],
)
def test_what_is_no_traceparent_begins_a_trace_anew_and_its_tracestate_is_nothing(value):
    assert of(value, b"a=1") is None


def test_two_of_them_are_none():
    assert context_of(((b"traceparent", GOOD), (b"traceparent", GOOD))) is None


def test_of_a_later_version_the_first_four_parts_are_read():
    assert of(b"cc" + GOOD[2:]) == of(b"cc" + GOOD[2:] + b"-what the future will be") == of(GOOD)


def test_tracestate_is_one_list_however_many_fields_there_are_and_keeps_its_order():
    found = of(GOOD, b"rojo=00f067aa0ba902b7 ,,", b"\tt61rcwkgmze@system=a b:c/d")
    assert found is not None
    assert found.state == b"rojo=00f067aa0ba902b7,t61rcwkgmze@system=a b:c/d"
    assert found.fields() == ((b"traceparent", GOOD), (b"tracestate", found.state))


@pytest.mark.parametrize(
    "state",
    [
        b"a",
        b"a=",
        b"=1",
        b"A=1",
        b"a=1,a=2",
        b"a=\xff",
        b"a=1=2",
        b"@a=1",
        b",".join(b"k%d=1" % one for one in range(33)),
    ],
)
def test_a_tracestate_that_is_none_is_left_out_and_the_trace_goes_on(state):
    assert of(GOOD, state) == TraceContext(TRACE, SPAN, True)


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=80)), max_size=4))
def test_no_fields_break_it_and_what_is_sent_is_read_again_as_it_was(fields):
    assert without_context(((b"Traceparent", b"x"), (b"TRACESTATE", b"y"), (b"X", b"1"))) == ((b"X", b"1"),)
    found = context_of((*fields, (b"traceparent", GOOD)))
    if found is not None:
        assert context_of(found.fields()) == found
    assert isinstance(state_of([value for _, value in fields]), bytes)
