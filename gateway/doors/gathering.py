"""What becomes of a result that is made while it is sent, where it has to be whole, or is wanted as a numpy file?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from hashlib import blake2b
from typing import Final

import numpy as np
from msgspec.structs import replace

from gateway.core import arrays
from gateway.core.faults import TooLarge
from gateway.core.method import Method
from gateway.core.reply import Composed, InBlocks, Reply, Whole
from gateway.doors.encodings import JSON, Encoding
from gateway.doors.forms import npy_head

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
    head = npy_head(np.dtype(made.dtype), made.shape)
    return len(head) + made.length, _file(head, made.pieces)


async def at_hand(
    made: Composed,
) -> tuple[bytes, int, AsyncGenerator[bytes | memoryview]]:
    """The array as a numpy file that is in memory: what tells it from any other (see `told_apart`), its length, and its pieces."""
    length, pieces = as_file(made)
    held = [piece async for piece in pieces]
    tag = await asyncio.to_thread(told_apart, held) if length > _LARGE else told_apart(held)
    return tag, length, _a_little_at_a_time(held)


def told_apart(pieces: Iterable[bytes | memoryview]) -> bytes:
    """The strong entity tag of a body in these pieces."""
    found = blake2b(digest_size=12)
    for piece in pieces:
        found.update(piece)
    return b'"%b"' % found.hexdigest().encode()


def as_blocks(made: Composed, blocks: InBlocks) -> tuple[int, AsyncGenerator[bytes | memoryview]]:
    """The array block by block behind a head that says which: the length of its JSON in four bytes, little-endian, and the JSON."""
    said = {"dtype": made.dtype, "start": blocks.start, "shape": made.shape, "block": blocks.block}
    text = json.dumps(said, separators=(",", ":")).encode()
    head = len(text).to_bytes(4, "little") + text
    return len(head) + made.length, _file(head, blocks.pieces)


async def _a_little_at_a_time(held: list[bytes | memoryview]) -> AsyncGenerator[bytes | memoryview]:
    """The same in pieces that a slow caller's connection holds without much of memory."""
    for piece in held:
        with memoryview(piece) as view:
            for start in range(0, len(view), _LARGE):
                yield view[start : start + _LARGE]


async def _file(
    head: bytes, pieces: AsyncGenerator[bytes | memoryview]
) -> AsyncGenerator[bytes | memoryview]:
    async with aclosing(pieces):
        yield head
        async for piece in pieces:
            yield piece


async def counted(
    pieces: AsyncIterator[bytes | memoryview], count: Callable[[int], None]
) -> AsyncIterator[bytes | memoryview]:
    """The pieces; each is counted when it is asked for."""
    try:
        async for piece in pieces:
            count(len(piece))
            yield piece
    finally:
        aclose = getattr(pieces, "aclose", None)
        if aclose is not None:
            await aclose()
