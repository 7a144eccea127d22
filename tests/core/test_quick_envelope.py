"""The quick look at a call says what the full reading says, or nothing."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core import rpc_mount
from gateway.core.envelope import Request, Single, read
from gateway.core.quick_envelope import usual_call

TEXTS = st.text('ab"\\{}[]:, \té\ud800', max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
MEMBERS = st.dictionaries(
    st.sampled_from(["jsonrpc", "method", "params", "id", "x"]),
    st.one_of(st.just("2.0"), VALUES),
    max_size=5,
)
CALLS = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": TEXTS},
    optional={
        "params": st.lists(VALUES) | st.dictionaries(TEXTS, VALUES),
        "id": st.integers() | TEXTS | VALUES,
    },
)


@st.composite
def bodies(draw):
    body = json.dumps(
        draw(st.one_of(CALLS, MEMBERS, st.lists(CALLS, max_size=2))),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
        ensure_ascii=draw(st.booleans()),
    ).encode("utf-8", "surrogatepass")
    at = draw(st.integers(0, len(body)))
    extra = draw(st.sampled_from([b"", b"", b"", b'"', b"\\", b" ", b"\xff", b'"id":1,', b"}"]))
    return body[:at] + extra + body[at:]


@given(bodies(), st.sampled_from([4, 8, 512]))
@example(b'{"jsonrpc":"2.0","method":"a.b","id":1,"id":1}', 512)
@example(b'{"jsonrpc":"2.0","method":"a.b","id":"1","x":1}', 512)
@example(b'{"jsonrpc":"2.0","method":"a.b","id":-}', 512)
@example(b'{"jsonrpc":"2.0","method":"a.b","id":-Infinity}', 512)
@example(b'{"jsonrpc":"2.0","method":"a.b","\\u0069d":1,"id":2}', 512)
def test_what_is_read_quickly_is_what_is_read_fully(body, depth):
    quick = usual_call(body, depth)
    if quick is not None:
        method, params, token = quick
        assert read(body, max_depth=depth) == Single(Request(method, params or None, token))


@given(bodies(), st.sampled_from([4, 8, 512]))
@example(b'{"jsonrpc":"2.0","method":"a.b","params":[1],"id":1}', 512)
@example(b'{"jsonrpc":"2.0","method":"a.b","params":["7"],"id":"7"}', 512)
@example(b'{"jsonrpc":"2.0","method":"a.b","id":"7","params":[{"a":[]}]}', 4)
def test_a_body_through_a_mount_is_read_quickly_as_it_is_read_fully(body, depth):
    if usual_call(body, depth) is None:
        return
    # Nothing in an array is read quickly.
    (quick,), (full,) = (
        rpc_mount.read(one, max_batch=10, max_depth=most).calls
        for one, most in ((body, depth), (b"[" + body + b"]", depth + 1))
    )
    assert quick == replace(full, at=full.at - 1)


@pytest.mark.parametrize("depth", [3, 100])
def test_usual_calls_are_read_quickly_as_deep_as_they_may_be(depth):
    params = b"[" * (depth - 1) + b"]" * (depth - 1)
    body = b'{"jsonrpc": "2.0", "method": "jobs.get", "params": %b, "id": 1}' % params
    assert usual_call(body, depth) == ("jobs.get", params, b"1")
    assert usual_call(body, depth - 1) is None


@pytest.mark.parametrize("params", [b"", b',"params":{"a":"b","c":[1,2.5e3,null]}', b',"params":[]'])
@pytest.mark.parametrize("token", [b"1", b"-7", b'"x"', b'"00000000-0000-4000-8000-000000000000"'])
def test_usual_calls_are_read_quickly(params, token):
    body = b'{"jsonrpc": "2.0", "method": "jobs.get"%b, "id": %b}' % (params, token)
    assert usual_call(body, 512) == ("jobs.get", params.removeprefix(b',"params":'), token)
