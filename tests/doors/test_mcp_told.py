"""What an agent is told of results: text cut to size, pictures of arrays, heads of tables."""

import base64
import json
import struct
import zlib

import numpy as np
import pytest

from gateway.core.arrays import array, as_json
from gateway.core.reply import Composed, Reply, Whole
from gateway.core.verdict import Pass
from gateway.doors.mcp_results import told_of, tool_result
from gateway.doors.pictures import EDGE, has_picture, picture


def pixels(data):
    """The pixels of a PNG file that has no filters."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    columns, rows, bits, colour = struct.unpack(">IIBB", data[16:26])
    assert bits == 8
    start = data.index(b"IDAT") + 4
    (length,) = struct.unpack(">I", data[start - 8 : start - 4])
    lines = np.frombuffer(zlib.decompress(data[start : start + length]), np.uint8).reshape(rows, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape((rows, columns) if colour == 0 else (rows, columns, 3))


def reply(raw):
    return Reply("result", Whole(raw), Pass("test"))


def composed(values):
    async def pieces():
        yield values.tobytes()

    made = Composed(values.nbytes, pieces(), values.dtype.str, values.shape)
    return Reply("result", Whole(b""), Pass("test"), composed=made)


def said(told, link=None, *, is_object=False):
    return json.loads(b"{%b}" % tool_result(told, link, is_object=is_object))


def test_a_picture_is_the_middle_plane_of_an_array():
    values = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    assert (pixels(picture(values)) == values[1]).all()
    scaled = pixels(picture(values.astype(np.float32) * 5e36))
    assert (scaled[0, 0], scaled[-1, -1]) == (0, 255)
    assert not pixels(picture(np.full((2, 2), np.nan))).any()
    colours = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    assert (pixels(picture(colours)) == colours[..., :3]).all()


def test_labels_have_colours_of_their_own_and_nothing_is_black():
    labels = np.array([[0, 1], [2, 2**63]], np.uint64)
    shown = pixels(picture(labels))
    assert not shown[0, 0].any()
    assert len({tuple(one) for one in shown.reshape(-1, 3)}) == 4


def test_a_large_plane_is_shown_small():
    assert max(pixels(picture(np.zeros((3000, 1000), np.uint16))).shape) <= EDGE
    assert not has_picture(np.zeros(5))
    assert not has_picture(np.zeros((0, 5)))
    assert not has_picture(np.zeros((5, 5), np.complex64))


async def test_an_array_is_told_by_its_shape_and_shown():
    values = np.arange(10_000, dtype="<u2").reshape(100, 100)
    for one in (composed(values), reply(as_json(array("<u2", [100, 100], values.tobytes())))):
        told = await told_of(one, 1000, "array")
        text, image, more, link = said(told, "http://gate/x")["content"]
        assert json.loads(text["text"]) == {"dtype": "<u2", "shape": [100, 100], "min": 0, "max": 9999}
        assert (image["type"], image["mimeType"]) == ("image", "image/png")
        assert pixels(base64.b64decode(image["data"])).shape == (100, 100)
        assert "20000 bytes" in more["text"]
        assert link["uri"] == "http://gate/x"
    few = await told_of(composed(np.array([1, 2], "<i4")), 1000, "array")
    assert json.loads(few.text)["values"] == [1, 2]
    assert len(said(few)["content"]) == 1


async def test_a_table_is_told_by_its_first_rows():
    rows = [{"id": one, "name": f"n{one}"} for one in range(1000)]
    told = await told_of(reply(json.dumps(rows).encode()), 200, "table")
    assert told.text.startswith("id,name\r\n0,n0\r\n1,n1")
    assert len(told.text) <= 200
    assert told.text.rstrip("\r").splitlines()[-1].count(",") == 1
    assert told.size > 0


@pytest.mark.parametrize(
    ("raw", "structured"),
    [
        (b'{"a":1}', {"a": 1}),
        (b"[1]", None),
        (b'{"a":NaN}', None),
        (b'{"a":"\\ud800"}', None),
        (b'{"a":"' + b"x" * 5000 + b'"}', None),
    ],
)
async def test_an_object_that_every_reader_takes_is_structured(raw, structured):
    told = await told_of(reply(raw), 1000, None)
    assert said(told).get("structuredContent") == structured
    assert len(said(told)["content"][0]["text"]) <= 1000
    # What was promised is an object in any case: clients refuse anything else.
    assert isinstance(said(told, is_object=True)["structuredContent"], dict)


async def test_the_digits_of_a_structured_result_stay_as_they_were_written():
    told = await told_of(reply(b'{"a":1e2,"b":-0.0,"c":18446744073709551615}'), 1000, None)
    assert b'"structuredContent":{"a":1e2,"b":-0.0,"c":18446744073709551615}' in tool_result(
        told, None, is_object=False
    )


async def test_what_is_too_large_to_be_looked_at_is_not_read():
    read = []

    async def pieces():
        read.append(1)
        yield b""

    made = Composed(1 << 40, pieces(), "|u1", (1 << 20, 1 << 20))
    told = await told_of(Reply("result", Whole(b""), Pass("test"), composed=made), 1000, "array")
    assert not read
    assert "too large" in told.text
