"""What becomes of a result that is made while it is sent, where it has to be whole, or is wanted as a numpy file?"""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import numpy as np
from msgspec.structs import replace

from gateway.core import arrays
from gateway.core.faults import TooLarge
from gateway.core.method import Method
from gateway.core.reply import Composed, InBlocks, Reply, Whole
from gateway.doors.encodings import JSON, Encoding

BLOCKS: Final = b"application/x-labgate-blocks"
"""The media type of an array that comes block by block."""

MOST: Final = 256 << 20
"""Bytes that are put into JSON or msgpack; larger arrays travel as numpy files, which nobody has to gather."""
_LARGE: Final = 1 << 20


async def gathered(reply: Reply, method: Method, writing: Encoding = JSON) -> Reply:
    """The reply with its result whole; one that was not is in this encoding now. Raises `TooLarge`, and what its pieces raise."""
    made = reply.composed
    if made is None:
        return reply
    if made.length > MOST:
        await made.pieces.aclose()
        raise TooLarge(
            f"The result of {method.name!r} has {made.length} bytes, and at most {MOST} are put into JSON or msgpack: "
            f"ask for it by its plain address with format={'npy' if made.dtype else 'arrow'}, or for less at once.",
            limit=MOST,
        )
    data = await whole(made)
    body = (
        _said(made, data, writing)
        if len(data) < _LARGE
        else await asyncio.to_thread(_said, made, data, writing)
    )
    return replace(reply, body=Whole(body), composed=None)


async def whole(made: Composed) -> bytes:
    """All of it. Raises what its pieces raise."""
    async with aclosing(made.pieces):
        pieces = [piece async for piece in made.pieces]
    if len(pieces) == 1 and isinstance(pieces[0], bytes):
        return pieces[0]
    return b"".join(pieces)


def _said(made: Composed, data: bytes, writing: Encoding) -> bytes:
    if not made.dtype:
        return writing.binary(data)
    return writing.array(arrays.array(made.dtype, list(made.shape), data))


def as_file(made: Composed) -> tuple[int, AsyncGenerator[bytes | memoryview]]:
    """The array as a numpy file, format 1.0: its length, and its pieces."""
    head = io.BytesIO()
    described = {"descr": np.dtype(made.dtype).str, "fortran_order": False, "shape": made.shape}
    np.lib.format.write_array_header_1_0(head, described)
    return len(head.getvalue()) + made.length, _file(head.getvalue(), made.pieces)


def as_blocks(made: Composed, blocks: InBlocks) -> tuple[int, AsyncGenerator[bytes | memoryview]]:
    """The array block by block behind a head that says which: the length of its JSON in four bytes, little-endian, and the JSON."""
    said = {"dtype": made.dtype, "start": blocks.start, "shape": made.shape, "block": blocks.block}
    text = json.dumps(said, separators=(",", ":")).encode()
    head = len(text).to_bytes(4, "little") + text
    return len(head) + made.length, _file(head, blocks.pieces)


async def _file(
    head: bytes, pieces: AsyncGenerator[bytes | memoryview]
) -> AsyncGenerator[bytes | memoryview]:
    async with aclosing(pieces):
        yield head
        async for piece in pieces:
            yield piece
