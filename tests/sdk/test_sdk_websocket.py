"""The client's half of the WebSocket protocol, against the gate's half in one process."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import frames as gate
from gateway.core.handshake import handshake
from labgate._websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    TOO_BIG,
    BrokenFrames,
    Frames,
    frame,
    is_accepted,
    new_key,
    question,
)
from labgate._wire import Head

PROTOCOL = "labgate.json"


def cut(data, at):
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


@given(st.lists(st.tuples(st.booleans(), st.text(max_size=200)), max_size=5), st.data())
def test_what_one_half_sends_the_other_reads(messages, data):
    sent = b"".join(frame(TEXT if text else BINARY, one.encode()) for text, one in messages)
    pieces = cut(sent, sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8))))
    reader = gate.FrameReader(1 << 20)
    assert [event for piece in pieces for event in reader.feed(piece)] == [
        gate.Message(one.encode(), text=text) for text, one in messages
    ]
    back = b"".join(
        gate.head_of(gate.TEXT if text else gate.BINARY, len(one.encode())) + one.encode()
        for text, one in messages
    )
    pieces = cut(back, sorted(data.draw(st.lists(st.integers(0, len(back)), max_size=8))))
    client = Frames()
    assert [found for piece in pieces for found in client.feed(piece)] == [
        (TEXT if text else BINARY, one.encode()) for text, one in messages
    ]


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_every_length_goes_both_ways(size):
    data = b"x" * size
    assert list(gate.FrameReader(1 << 20).feed(frame(BINARY, data))) == [gate.Message(data, text=False)]
    assert list(Frames().feed(gate.head_of(gate.BINARY, size) + data)) == [(BINARY, data)]


def test_control_frames_go_both_ways():
    assert list(Frames().feed(gate.head_of(gate.PING, 1) + b"?" + gate.closing(1001, "bye"))) == [
        (PING, b"?"),
        (CLOSE, b"\x03\xe9bye"),
    ]
    sent = frame(PONG, b"!") + frame(PING, b"?") + frame(CLOSE, b"\x03\xe8")
    assert list(gate.FrameReader(9).feed(sent)) == [gate.Pong(), gate.Ping(b"?"), gate.Closing(1000)]


def test_a_message_in_parts_is_one():
    parts = b"\x01\x02ab" + b"\x89\x00" + b"\x00\x01c" + b"\x80\x00"
    assert list(Frames().feed(parts)) == [(PING, b""), (TEXT, b"abc")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x81aaaax", PROTOCOL_ERROR),
        (b"\xc1\x01x", PROTOCOL_ERROR),
        (b"\x83\x00", PROTOCOL_ERROR),
        (b"\x80\x00", PROTOCOL_ERROR),
        (b"\x01\x00\x81\x00", PROTOCOL_ERROR),
        (b"\x09\x00", PROTOCOL_ERROR),
        (b"\x89\x7e\x00\x80", PROTOCOL_ERROR),
        (b"\x82\x7f\x00\x00\x01\x00\x00\x00\x00\x00", TOO_BIG),
    ],
)
def test_what_is_no_frame_of_a_gate_s_is_refused(data, code):
    with pytest.raises(BrokenFrames) as broken:
        list(Frames().feed(data))
    assert broken.value.code == code


def test_the_handshake_of_one_half_is_the_other_s():
    key = new_key()
    lines = question(key, PROTOCOL).split(b"\r\n")
    fields = tuple(tuple(line.split(b": ", 1)) for line in lines if line)
    answer = [*handshake(fields).fields, (b"Connection", b"Upgrade")]
    told = [(name.lower(), value) for name, value in answer]
    assert is_accepted(Head(b"1", 101, b"", told), key, PROTOCOL)
    assert not is_accepted(Head(b"1", 101, b"", told), new_key(), PROTOCOL)
    for missing in range(len(told)):
        assert not is_accepted(Head(b"1", 101, b"", told[:missing] + told[missing + 1 :]), key, PROTOCOL)
