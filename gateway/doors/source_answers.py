"""How is a partition written for Intake's clients, whether it is there or on its way?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from gateway.core import arrays
from gateway.core.intake.answers import before_array_data, before_data
from gateway.core.intake.encodings import PLAIN, compressed
from gateway.core.intake.refusals import Refusal
from gateway.core.reply import Composed, Fields
from gateway.doors.gathering import MOST
from gateway.wire.answer import Answer, StreamAnswer

KIND: Final[Fields] = (
    (b"Content-Type", b"application/msgpack"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Vary", b"Authorization, Labgate-Token, source-id"),
)
NOT_STORED: Final[Fields] = (*KIND, (b"Cache-Control", b"no-store"))


async def table_answer(stream: bytes, compression: str, fields: Fields) -> Answer:
    """The answer to a read that gives a table."""
    return await _whole(before_data("dataframe", len(stream)) + stream, compression, fields)


async def array_answer(
    found: arrays.Array | Composed, compression: str, fields: Fields
) -> Answer | StreamAnswer:
    """The answer to a read that gives an array; one that is made while it is sent is not gathered unless it is compressed.

    Raises Refusal for one that is too large.
    """
    if isinstance(found, Composed):
        if compression == PLAIN:
            try:
                head = _before(arrays.array(found.dtype, [0], b"").dtype_name, found.shape, found.length)
            except Refusal:
                await found.pieces.aclose()
                raise
            length = len(head) + found.length
            return StreamAnswer(200, None, (*NOT_STORED, *fields), _pieces(head, found), length)
        found = await _gathered(found)
    body = _before(found.dtype_name, found.shape, len(found.data)) + found.data
    return await _whole(body, compression, fields)


async def _whole(body: bytes, compression: str, fields: Fields) -> Answer:
    if compression != PLAIN:
        body = await asyncio.to_thread(compressed, body, compression)
    return Answer(200, None, (*NOT_STORED, *fields), body)


def _before(dtype: str | list[Any], shape: tuple[int, ...], length: int) -> bytes:
    try:
        return before_array_data(dtype, shape, length)
    except ValueError as problem:
        raise Refusal(413, f"{problem}: it has to be cut into smaller ones") from problem


async def _pieces(head: bytes, made: Composed) -> AsyncGenerator[bytes | memoryview]:
    async with aclosing(made.pieces):
        yield head
        async for piece in made.pieces:
            yield piece


async def _gathered(made: Composed) -> arrays.Array:
    async with aclosing(made.pieces):
        if made.length > MOST:
            raise Refusal(413, f"a partition of {made.length} bytes is not compressed: take it as it is")
        data = b"".join([piece async for piece in made.pieces])
    return arrays.array(made.dtype, list(made.shape), data)
