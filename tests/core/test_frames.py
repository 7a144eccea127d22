"""What RFC 6455 section 5 asks of whoever reads a client's frames."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.frames import (
    NO_STATUS,
    NO_TEXT,
    PROTOCOL_ERROR,
    TOO_BIG,
    Broken,
    Closing,
    FrameReader,
    Message,
    Ping,
    Pong,
    closing,
    head_of,
    unmasked,
)

MASK = b"\x11\x80\xff\x00"


def frame(opcode, data=b"", *, last=True, mask=MASK, reserved=0, length=None):
    """A client's frame; `length` writes it as one that is given."""
    first = bytes([(0x80 if last else 0) | reserved | opcode])
    bit = 0x80 if mask else 0
    size = len(data)
    if length is not None:
        said = length
    elif size < 126:
        said = bytes([bit | size])
    elif size < 65536:
        said = bytes([bit | 126]) + struct.pack(">H", size)
    else:
        said = bytes([bit | 127]) + struct.pack(">Q", size)
    return first + said + (mask + unmasked(data, mask) if mask else data)


def read(*pieces, most=1 << 20):
    reader = FrameReader(most)
    return [event for piece in pieces for event in reader.feed(piece)]


def fails(data, most=1 << 20):
    reader = FrameReader(most)
    with pytest.raises(Broken) as broken:
        list(reader.feed(data))
    assert list(reader.feed(frame(1, b"after"))) == []
    return broken.value.code


@given(st.lists(st.binary(max_size=300), max_size=5), st.binary(min_size=4, max_size=4), st.data())
def test_messages_are_the_same_however_their_bytes_are_cut(messages, mask, data):
    sent = b"".join(frame(2, one, mask=mask) for one in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=10)))
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert read(*pieces) == [Message(one, text=False) for one in messages]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_003])
def test_every_length_is_read_and_written(size):
    data = bytes(range(256)) * (size // 256 + 1)
    data = data[:size]
    assert read(frame(2, data)) == [Message(data, text=False)]
    assert head_of(2, size) + data == frame(2, data, mask=b"")


def test_a_message_may_come_in_parts_with_control_frames_between_them():
    parts = frame(1, "ä".encode()[:1], last=False) + frame(9, b"?") + frame(0, last=False)
    parts += frame(10) + frame(0, "ä".encode()[1:]) + frame(1, b"next")
    assert read(parts) == [Ping(b"?"), Pong(), Message("ä".encode(), text=True), Message(b"next", text=True)]


@pytest.mark.parametrize(
    "data",
    [
        frame(1, b"bare", mask=b""),
        frame(1, b"x", reserved=0x40),
        frame(1, b"x", reserved=0x10),
        *(frame(opcode) for opcode in (3, 7, 11, 15)),
        frame(0, b"nothing has begun"),
        frame(1, last=False) + frame(1, b"another"),
        frame(9, last=False),
        frame(9, b"x" * 126),
        frame(8, b"\x03"),
        *(frame(8, struct.pack(">H", code)) for code in (0, 999, 1004, 1005, 1006, 1015, 2000, 2999, 5000)),
        frame(1, b"x", length=bytes([0x80 | 126]) + struct.pack(">H", 1)),
        frame(1, b"x", length=bytes([0x80 | 127]) + struct.pack(">Q", 1)),
        frame(2, b"x", length=bytes([0x80 | 127]) + struct.pack(">Q", 1 << 63)),
    ],
)
def test_what_breaks_the_protocol_fails_the_connection(data):
    assert fails(data) == PROTOCOL_ERROR


@pytest.mark.parametrize("data", [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xf4\x90\x80\x80", b"\xc0\xaf"])
def test_text_is_utf_8_and_so_is_the_reason_of_a_close(data):
    assert fails(frame(1, data)) == NO_TEXT
    assert fails(frame(8, struct.pack(">H", 1000) + data)) == NO_TEXT
    assert read(frame(2, data)) == [Message(data, text=False)]


def test_a_message_too_long_is_refused_by_what_it_says_of_its_length():
    head = bytes([0x82, 0x80 | 127]) + struct.pack(">Q", 1 << 40)
    assert fails(head, most=10) == TOO_BIG
    assert fails(frame(2, b"x" * 6, last=False) + frame(0, b"x" * 5), most=10) == TOO_BIG
    assert read(frame(2, b"x" * 10), most=10) == [Message(b"x" * 10, text=False)]


def test_nothing_counts_after_a_close():
    assert read(frame(8, struct.pack(">H", 3000) + b"bye") + frame(1, b"more")) == [Closing(3000)]
    assert read(frame(8)) == [Closing(NO_STATUS)]


@given(st.text(), st.sampled_from([1000, 1001, 1008, 1011]))
def test_a_close_frame_is_short_and_its_reason_is_text(reason, code):
    said = closing(code, reason.encode("utf-8", "replace").decode())
    assert len(said) <= 127
    assert said[2:4] == struct.pack(">H", code)
    assert reason.encode("utf-8", "replace").decode().startswith(said[4:].decode("utf-8"))
