"""Bodies whose addresses lead elsewhere: every address does, and no other byte changes."""

import json

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.led_back import can_be_led, json_led, media_type, msgpack_led

OWN, GATE = b"http://up:1/", b"https://gate.test/tiled/"


def lead(value: bytes) -> bytes | None:
    return GATE + value[len(OWN) :] if value.startswith(OWN) else None


def led(value):
    """What a decoded value is with its addresses led elsewhere."""
    if isinstance(value, str):
        found = lead(value.encode("utf-8", "surrogatepass"))
        return value if found is None else found.decode("utf-8", "surrogatepass")
    if isinstance(value, list):
        return [led(one) for one in value]
    return {led(key): led(one) for key, one in value.items()} if isinstance(value, dict) else value


URLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80).map(lambda rest: OWN.decode() + rest)
TEXTS = st.text(max_size=40, alphabet=st.characters(exclude_categories=["Cs"])) | URLS
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.booleans() | st.none()
JSON = st.recursive(
    NUMBERS | TEXTS, lambda one: st.lists(one, max_size=20) | st.dictionaries(TEXTS, one, max_size=20)
)
BINARY = st.binary(max_size=300) | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=20))
PACKED = st.recursive(
    NUMBERS | TEXTS | BINARY | st.binary(max_size=40).map(lambda more: OWN + more),
    lambda one: st.lists(one, max_size=20) | st.dictionaries(TEXTS, one, max_size=20),
)


@given(JSON, st.booleans())
def test_in_json_every_text_that_is_an_address_leads_elsewhere(value, ascii_only) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert json.loads(json_led(body, lead)) == led(value)
    assert json_led(body, lambda _: None) is body


@given(PACKED)
def test_in_msgpack_every_text_that_is_an_address_leads_elsewhere_and_no_binary_data_does(value) -> None:
    body = msgpack.packb(value)
    assert msgpack.unpackb(msgpack_led(body, lead), strict_map_key=False) == led(value)
    assert msgpack_led(body, lambda _: None) is body


@pytest.mark.parametrize(
    "written",
    [
        rb'"http:\/\/up:1\/a"',
        rb'"\u0068ttp://up:1/a"',
        rb'"http\u003a//up:1/a"',
    ],
)
def test_an_address_behind_escapes_is_one(written) -> None:
    assert json_led(b"[" + written + b"]", lead) == b'["https://gate.test/tiled/a"]'


def test_what_json_says_beside_addresses_stays_byte_for_byte() -> None:
    odd = rb'{"a":1e400,"b":NaN, "c" : 1180591620717411303424,"c":-0.0,"d":"\ud800\/\u00e9","e":"h\u0074"}'
    assert json_led(odd, lead) is odd
    assert (
        json_led(odd[:-1] + b',"u":"http://up:1/"}', lead) == odd[:-1] + b',"u":"https://gate.test/tiled/"}'
    )


@pytest.mark.parametrize(
    "body", [b'{"a": "http://up:1/', b'["a\\"]', b'["\\', '["http://up:1/"]'.encode("utf-16"), rb'["h\q"]']
)
def test_json_of_which_nobody_can_tell_the_texts_is_refused(body) -> None:
    with pytest.raises(ValueError, match=r".+"):
        json_led(body, lead)


@pytest.mark.parametrize("length", [1, 19, 20, 31, 243, 244, 255, 65520, 65535, 65536])
def test_a_text_may_outgrow_the_form_of_its_length(length) -> None:
    text = OWN + b"y" * (length - len(OWN))
    body = msgpack.packb([text.decode(), "after"])
    assert msgpack.unpackb(msgpack_led(body, lead)) == [lead(text).decode(), "after"]


@given(st.binary(max_size=60).map(lambda some: some + msgpack.packb(OWN.decode())))
def test_bytes_that_are_no_msgpack_are_refused_or_stay_as_long_as_they_are_read(body) -> None:
    try:
        made = msgpack_led(body, lead)
    except ValueError:
        return
    assert len(made) >= len(body)


@pytest.mark.parametrize(
    "body", [b"\xd9", b"\xda\x00", b"\xa5abc", b"\xc1", b"\xdb\xff\xff\xff\xffa", b"\xcb1"]
)
def test_msgpack_that_is_cut_or_none_is_refused(body) -> None:
    with pytest.raises(ValueError, match="it is cut"):
        msgpack_led(b"\x92" + msgpack.packb(OWN.decode()) + body, lead)


def test_a_text_without_an_end_takes_no_longer_than_its_length_asks() -> None:
    with pytest.raises(ValueError, match="cut within a text"):
        json_led(b'"' + b'\\"' * (1 << 20), lead)


@pytest.mark.parametrize(
    ("said", "yes"),
    [
        (b"application/json", True),
        (b"Application/JSON; charset=utf-8", True),
        (b"application/vnd.api+json", True),
        (b"application/x-msgpack", True),
        (b"application/octet-stream", False),
        (b"application/json-seq", False),
        (b"text/html", False),
        (b"", False),
    ],
)
def test_only_json_and_msgpack_are_read(said, yes) -> None:
    assert can_be_led(media_type(said)) is yes
