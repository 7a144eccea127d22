"""Laws of answers that are packed within: they unfold to no more than an answer may be, however the room is used up."""

import binascii
import gzip
import json

import pytest

from gateway.dialects.cave.answering import _each_unpacked, _unpacked

BOMB = gzip.compress(json.dumps("x" * 100_000).encode(), mtime=0)
ROOM = 100


def packed(text: str) -> str:
    return binascii.hexlify(gzip.compress(text.encode(), mtime=0)).decode()


def test_what_fits_is_unfolded() -> None:
    body = json.dumps({"a": packed("[1]"), "b": packed("{}"), "async": False}).encode()
    assert json.loads(_each_unpacked(body, ROOM)) == {"a": [1], "b": {}, "async": False}


@pytest.mark.parametrize("used", range(ROOM - 4, ROOM + 4))
def test_no_part_unfolds_to_more_than_the_room_that_others_have_left(used: int) -> None:
    # A text that is no hexadecimal stays as it is, and takes its room.
    other = "z" * (used - 2)
    body = json.dumps({"a": other, "b": binascii.hexlify(BOMB).decode()}).encode()
    with pytest.raises(ValueError, match="too large"):
        _each_unpacked(body, ROOM)


@pytest.mark.parametrize("room", [-2, -1, 0, 1, ROOM])
def test_nothing_unfolds_beyond_the_room_that_there_is(room: int) -> None:
    with pytest.raises(ValueError, match="too large"):
        _unpacked(BOMB, room)
