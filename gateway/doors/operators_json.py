"""How do operators say something in JSON, and get it?"""

from __future__ import annotations

from typing import Any

import orjson

from gateway.core.faults import BadRequest, UnsupportedMediaType
from gateway.doors.asked import Asked
from gateway.wire.answer import Answer
from gateway.wire.body import read_body


async def json_body(asked: Asked, most: int, how: str) -> bytes:
    """The body of a request, at most so many bytes; `how` begins the sentence for who sends it as something else."""
    # A page can have a browser send other types without asking the gate first.
    if asked.request.content_type != "application/json":
        raise UnsupportedMediaType(f"{how} by `Content-Type: application/json`.")
    return await read_body(asked.request, most)


async def json_said(asked: Asked, most: int, how: str) -> Any:
    """What the body says."""
    body = await json_body(asked, most, how)
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise BadRequest(f"The body is no JSON: {error}.") from error


def json_answer(value: object) -> Answer:
    """The value for people and programs alike: indented, and kept by nobody."""
    body = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return Answer(200, None, ((b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")), body)
