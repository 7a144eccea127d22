"""Header fields through a mount: as they were sent, but for those that are named here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.passing import connection_names, of_reply, of_request

OF_ONE_CONNECTION = [
    *(b"Connection", b"Keep-Alive", b"Proxy-Authenticate", b"Proxy-Authentication-Info"),
    *(b"Proxy-Authorization", b"Proxy-Connection", b"TE", b"Trailer", b"Transfer-Encoding", b"Upgrade"),
]
WRITTEN_BY_THE_GATE = [
    *(b"Forwarded", b"Host", b"Labgate-Timeout", b"Labgate-Token", b"Via", b"X-Forwarded-For"),
    *(b"X-Forwarded-Host", b"X-Forwarded-Port", b"X-Forwarded-Prefix", b"X-Forwarded-Proto"),
    *(b"X-Real-IP", b"X-Request-Id"),
]
OF_THE_WHOLE_ORIGIN = [
    *(b"Access-Control-Allow-Credentials", b"Access-Control-Allow-Headers", b"Access-Control-Allow-Methods"),
    *(b"Access-Control-Allow-Origin", b"Access-Control-Allow-Private-Network"),
    *(b"Access-Control-Expose-Headers", b"Access-Control-Max-Age", b"Alt-Svc", b"Clear-Site-Data"),
    *(b"Labgate-Catalog", b"Public-Key-Pins", b"Service-Worker-Allowed", b"Strict-Transport-Security"),
]
LEADING_SOMEWHERE = [b"Location", b"Content-Location", b"Refresh", b"Set-Cookie"]

NOT_UPSTREAM = {name.lower() for name in OF_ONE_CONNECTION + WRITTEN_BY_THE_GATE}
NOT_BACK = {name.lower() for name in OF_ONE_CONNECTION + OF_THE_WHOLE_ORIGIN}

OTHERS = [
    *(b"Accept", b"Authorization", b"Cookie", b"Content-Length", b"Content-Type", b"ETag", b"Expect"),
    *(b"Idempotency-Key", b"Origin", b"Range", b"Server", b"Vary", b"X", b"X-Via", b"Hosts"),
]
NAMES = st.one_of(
    st.sampled_from([*OF_ONE_CONNECTION[1:], *WRITTEN_BY_THE_GATE, *OF_THE_WHOLE_ORIGIN, *OTHERS]),
    st.text("aX-.~!", min_size=1, max_size=6).map(str.encode),
)
CASES = st.sampled_from([bytes.lower, bytes.upper, bytes.title, bytes])
VALUES = st.binary(max_size=8).filter(lambda value: not set(value) & set(b"\r\n\0"))
FIELDS = st.lists(
    st.tuples(st.tuples(NAMES, CASES).map(lambda pair: pair[1](pair[0])), VALUES), max_size=12
).map(tuple)


def request(fields, **said):
    return of_request(tuple(fields), **{"credential_in": None, "underscores": False, **said})


def stays(name, value):
    return value


# --- what is left out, and nothing else ----------------------------------------------------------------------


@given(FIELDS)
def test_nothing_of_a_request_but_the_named_fields_is_left_out_and_the_rest_is_as_it_was_sent(fields):
    assert request(fields) == tuple(field for field in fields if field[0].lower() not in NOT_UPSTREAM)


@given(FIELDS)
def test_nothing_of_a_reply_but_the_named_fields_is_left_out_and_the_rest_is_as_it_was_sent(fields):
    assert of_reply(fields, stays) == [field for field in fields if field[0].lower() not in NOT_BACK]


@pytest.mark.parametrize("name", OF_ONE_CONNECTION + WRITTEN_BY_THE_GATE)
def test_each_named_field_ends_at_the_gate_on_the_way_there(name):
    assert request([(name, b"x"), (b"A", b"b"), (name.upper(), b"y")]) == ((b"A", b"b"),)


@pytest.mark.parametrize("name", OF_ONE_CONNECTION + OF_THE_WHOLE_ORIGIN)
def test_each_named_field_ends_at_the_gate_on_the_way_back(name):
    assert of_reply(((name, b"x"), (b"A", b"b"), (name.upper(), b"y")), stays) == [(b"A", b"b")]


@given(FIELDS, st.lists(st.tuples(NAMES, CASES), max_size=3), st.integers(0, 12), st.booleans())
def test_fields_that_connection_names_end_here_wherever_it_stands(fields, named, at, apart):
    named = [case(name) for name, case in named if name.lower() != b"content-length"]
    lines = [(b"cOnnection", name) for name in named] if apart else [(b"Connection", b" ,".join(named))]
    sent = (*fields[:at], *lines, *fields[at:])
    gone = {name.lower() for name in named}
    there = [field for field in fields if field[0].lower() not in NOT_UPSTREAM | gone]
    back = [field for field in fields if field[0].lower() not in NOT_BACK | gone]
    assert request(sent) == tuple(there)
    assert of_reply(sent, stays) == back
    assert connection_names(sent) == gone


@pytest.mark.parametrize("connection", [b"content-length", b"close, Content-Length", b"CONTENT-LENGTH,x"])
def test_no_connection_field_takes_away_the_length_that_frames_a_body(connection):
    fields = ((b"Content-Length", b"3"), (b"Connection", connection))
    assert request(fields) == fields[:1]
    assert of_reply(fields, stays) == [*fields[:1]]
    assert of_reply(fields[::-1], stays) == [*fields[:1]]


# --- what depends --------------------------------------------------------------------------------------------


def test_the_field_with_the_gates_credential_is_taken_out_and_no_other_credential():
    sent = ((b"Authorization", b"Bearer ours"), (b"X-Api-Key", b"theirs"), (b"Cookie", b"theirs=1"))
    assert request(sent, credential_in=b"authorization") == sent[1:]
    assert request(sent) == sent


def test_with_a_labgate_token_authorization_is_the_upstreams():
    sent = ((b"Labgate-Token", b"ours"), (b"authorization", b"Basic dGhlaXJz"))
    assert request(sent) == sent[1:]


def test_names_with_an_underscore_pass_only_where_the_service_allows_them():
    sent = ((b"X_Api", b"1"), (b"X-Api", b"2"), (b"_", b"3"))
    assert request(sent) == sent[1:2]
    assert request(sent, underscores=True) == sent
    assert of_reply(sent, stays) == [*sent]


def test_the_services_own_fields_replace_the_callers():
    sent = ((b"X-Api-Key", b"guess"), (b"Accept", b"*/*"))
    assert request(sent, replaced={b"x-api-key"}) == sent[1:]


def test_an_upgrade_passes_only_where_it_is_one():
    sent = (
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade, X"),
        (b"X", b"1"),
        (b"Sec-WebSocket-Key", b"k"),
    )
    assert request(sent) == sent[3:]
    assert request(sent, upgrades=True) == (sent[0], sent[3])
    assert of_reply(sent, stays) == [sent[3]]
    assert of_reply(sent, stays, upgrades=True) == [sent[0], sent[3]]


def test_connection_names_nothing_where_it_is_empty_or_odd():
    assert connection_names(((b"Connection", b""), (b"connection", b' ,, "" \xff '))) == frozenset()


@pytest.mark.parametrize("name", LEADING_SOMEWHERE)
def test_a_field_that_leads_somewhere_is_moved_in_its_place_or_left_out(name):
    sent = ((b"A", b"1"), (name.upper(), b"/x"), (b"B", b"2"), (name, b"/drop"))

    def moved(asked, value):
        assert asked == name.lower()
        return None if value == b"/drop" else b"/m" + value

    assert of_reply(sent, moved) == [sent[0], (name.upper(), b"/m/x"), sent[2]]


def test_a_field_that_ends_here_is_never_moved():
    def moved(name, value):
        raise AssertionError(name)

    assert of_reply(((b"Connection", b"location"), (b"Location", b"/x")), moved) == []
