"""What becomes of a method's result that is a partition of a source: an array, or a table?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from gateway.core import arrays, scanner
from gateway.core.faults import Unrepresentable
from gateway.core.intake.refusals import Refusal
from gateway.core.reply import Reply
from gateway.doors.arrow import as_arrow, is_stream

_OFF_THE_LOOP: Final = 1 << 18
_STATUS: Final[Mapping[Any, int]] = {-32602: 400, -32601: 404}


def check(reply: Reply, method: str) -> None:
    """Raises Refusal where the service answered with an error."""
    if reply.kind == "error":
        said = json.loads(reply.body.data)
        code, message = (said.get("code"), said.get("message")) if isinstance(said, dict) else (None, None)
        raise Refusal(_STATUS.get(code, 502), f"{method}: {message}")


async def array_in(raw: bytes, items: str, method: str) -> arrays.Array:
    """The array that a result in JSON is, or that its member `items` is. Raises Refusal."""
    return await _apart(raw, lambda: _array(_meant(raw, items, method), method))


async def table_in(raw: bytes, items: str, method: str) -> bytes:
    """The table that a result is, or its member, as an Arrow stream. Raises Refusal."""

    def made() -> bytes:
        try:
            return as_arrow(_meant(raw, items, method))
        except Unrepresentable as problem:
            raise Refusal(502, f"{method}: {problem.message.partition(';')[0]}") from problem

    return await asyncio.to_thread(made)


def stream_of(data: bytes, method: str) -> bytes:
    """The bytes that a result is, if they are an Arrow stream. Raises Refusal."""
    if not is_stream(data):
        raise Refusal(502, f"the result of {method} is no table that can be read")
    return data


async def _apart(raw: bytes, make: Callable[[], arrays.Array]) -> arrays.Array:
    return await asyncio.to_thread(make) if len(raw) > _OFF_THE_LOOP else make()


def count_in(raw: bytes, total: str, method: str) -> int:
    """The number of all rows, which a member of a result says. Raises Refusal."""
    said = scanner.member(raw, total)
    count = json.loads(said) if said is not None else None
    if type(count) is not int or count < 0:
        raise Refusal(502, f"{method} does not say how many rows there are: it has no number `{total}`")
    return count


def columns_of(stream: bytes) -> Mapping[str, str]:
    """The columns of an Arrow stream with numpy's names of their types; none where this gate has no Arrow. Raises Refusal."""
    try:
        import pyarrow
    except ImportError:
        return {}
    try:
        schema = pyarrow.ipc.open_stream(stream).schema
    except (pyarrow.ArrowException, OSError) as problem:
        raise Refusal(502, "the table is no Arrow stream that can be read") from problem
    return {name: _type_name(kind) for name, kind in zip(schema.names, schema.types, strict=True)}


def _type_name(kind: Any) -> str:
    try:
        return str(np.dtype(kind.to_pandas_dtype()).name)
    except (NotImplementedError, TypeError):
        return "object"


def _meant(raw: bytes, items: str, method: str) -> bytes:
    if not items:
        return raw
    found = scanner.member(raw, items)
    if found is None:
        raise Refusal(502, f"the result of {method} has no member `{items}`")
    return found


def _array(raw: bytes, method: str) -> arrays.Array:
    try:
        value = json.loads(raw)
        if isinstance(value, dict) and value.keys() == {"$ndarray"}:
            found = arrays.from_json(value["$ndarray"])
        else:
            found = _of_lists(value)
    except (ValueError, TypeError, OverflowError, RecursionError):
        found = None
    if found is None:
        raise Refusal(502, f"the result of {method} is no array of numbers")
    return found


def _of_lists(value: Any) -> arrays.Array | None:
    made: np.ndarray[Any, Any] = np.array(value)
    if made.dtype.kind not in "biufc":
        return None
    return arrays.Array(made.dtype, made.shape, made.tobytes())
