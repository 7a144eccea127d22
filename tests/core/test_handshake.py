"""What RFC 6455 section 4.2 asks of whoever answers a handshake, and where a page's token stands."""

import base64

import pytest

from gateway.core.faults import BadRequest, Unauthenticated
from gateway.core.handshake import handshake, with_token

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ASKED = (
    (b"Upgrade", b"WebSocket"),
    (b"Connection", b"keep-alive, Upgrade"),
    (b"Sec-WebSocket-Key", KEY),
    (b"Sec-WebSocket-Version", b"13"),
)


def offer(*protocols):
    return tuple((b"Sec-WebSocket-Protocol", one.encode()) for one in protocols)


def shown(token):
    return "labgate.bearer." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def test_the_key_is_answered_as_the_rfc_s_own_example_is():
    assert handshake(ASKED).fields == (
        (b"Upgrade", b"websocket"),
        (b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    )


def test_the_first_known_subprotocol_is_chosen_and_never_a_token():
    found = handshake((*ASKED, *offer(f"{shown('t')}, labgate.msgpack", "labgate.json")))
    assert found.protocol == "labgate.msgpack"
    assert found.fields[-1] == (b"Sec-WebSocket-Protocol", b"labgate.msgpack")
    for offered in ("graphql-ws", shown("t")):
        with pytest.raises(BadRequest, match=r"labgate\.json"):
            handshake((*ASKED, *offer(offered)))


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (b"Upgrade", b"websocket, h2c", 400),
        (b"Sec-WebSocket-Version", b"8", 426),
        (b"Sec-WebSocket-Version", b"", 426),
        (b"Sec-WebSocket-Key", b"c2hvcnQ=", 400),
        (b"Sec-WebSocket-Key", b"not base64!", 400),
        (b"Sec-WebSocket-Key", b"", 400),
    ],
)
def test_a_handshake_that_is_none_is_refused(name, value, status):
    with pytest.raises(BadRequest) as refused:
        handshake((*(one for one in ASKED if one[0] != name), (name, value)))
    assert (refused.value.status, refused.value.name) == (status, "BadRequest")


def test_two_keys_are_no_key():
    with pytest.raises(BadRequest):
        handshake((*ASKED, (b"Sec-WebSocket-Key", KEY)))


def test_the_token_of_a_subprotocol_becomes_a_field():
    fields = (*ASKED, *offer("labgate.json", shown("abc.def_~+/==")))
    assert with_token(fields) == (*fields, (b"Labgate-Token", b"abc.def_~+/=="))
    same = (*ASKED, *offer(shown("abc")), (b"Authorization", b"Bearer abc"))
    assert with_token(same) == same
    assert with_token(ASKED) == ASKED


@pytest.mark.parametrize(
    "fields",
    [
        offer("labgate.bearer."),
        offer("labgate.bearer.!!"),
        offer("labgate.bearer.YWJjA"),
        offer(shown("two words")),
        offer(shown("a"), shown("b")),
        (*offer(shown("a")), (b"Authorization", b"Bearer b")),
        (*offer(shown("a")), (b"Labgate-Token", b"b")),
    ],
)
def test_what_is_no_token_or_two_is_refused(fields):
    with pytest.raises(Unauthenticated):
        with_token(fields)
