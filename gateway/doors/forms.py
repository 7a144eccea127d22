"""In which forms can a bare result be had: JSON as it is, a table as CSV or Arrow, bytes, an array as a numpy file?"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from msgspec import Struct

from gateway.core.arrays import Array, NotSayable, binary_as_json, from_json, unbase64
from gateway.core.faults import Unrepresentable
from gateway.doors.arrow import as_arrow, is_stream, stream_as_csv, stream_in

LARGE = 1 << 20
"""Bytes of a result beyond which another form of it is made beside the event loop."""


class Form(Struct, frozen=True):
    """One form: its content type, and what makes it of a result in JSON, or of bytes that never were in JSON.

    `write` and `of_bytes` raise `Unrepresentable`.
    `heavy` = even a small result takes long enough to be made beside the event loop.
    """

    content_type: bytes
    write: Callable[[bytes], bytes]
    of_bytes: Callable[[bytes], bytes]
    heavy: bool = False


class _Token(str):
    """A number as it was written: its digits are not ours to change."""

    __slots__ = ()


def as_csv(raw: bytes) -> bytes:
    """A table as CSV (RFC 4180): an Arrow IPC stream, a list of objects, a list of lists, or an object of columns."""
    stream = stream_in(raw)
    if stream is not None:
        return stream_as_csv(stream)
    value = json.loads(raw, parse_float=_Token, parse_int=_Token, parse_constant=_Token)
    out = io.StringIO(newline="")
    csv.writer(out).writerows([[_cell(one) for one in row] for row in _rows(value)])
    return out.getvalue().encode("utf-8", "surrogatepass")


def _rows(value: Any) -> Iterable[Iterable[Any]]:
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        names = list(dict.fromkeys(name for row in value for name in row))
        return [names, *([row.get(name) for name in names] for row in value)]
    if isinstance(value, list) and all(isinstance(row, list) for row in value):
        return value
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        columns = list(value.values())
        if all(len(column) == len(columns[0]) for column in columns):
            return [list(value), *zip(*columns, strict=True)]
    raise Unrepresentable("The result is no table, so it cannot be had as csv; ask for format=json.")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _as_json(value)


def _as_json(value: Any) -> str:
    """What stands within a cell as JSON again, its numbers as they were written."""
    if isinstance(value, _Token):
        return value
    if isinstance(value, list):
        return "[" + ",".join(map(_as_json, value)) + "]"
    if isinstance(value, dict):
        members = (f"{json.dumps(name, ensure_ascii=False)}:{_as_json(one)}" for name, one in value.items())
        return "{" + ",".join(members) + "}"
    return json.dumps(value, ensure_ascii=False)


def as_npy(raw: bytes) -> bytes:
    """An array as a numpy file, format 1.0: `$ndarray`, or nested lists of numbers that make a box."""
    value = json.loads(raw)
    try:
        if isinstance(value, dict) and set(value) == {"$ndarray"}:
            found = from_json(value["$ndarray"])
        else:
            array: np.ndarray[Any, Any] = np.array(value)
            found = Array(array.dtype, array.shape, array.tobytes())
    except (ValueError, TypeError, OverflowError) as error:
        raise _no_array() from error
    if found is None or found.dtype.kind not in "biufc":
        raise _no_array()
    return b"".join((npy_head(found.dtype, found.shape), found.data))


def npy_head(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """What a numpy file, format 1.0, begins with; the array's bytes follow, slowest axis first."""
    head = io.BytesIO()
    described = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(head, described)
    return head.getvalue()


def as_bytes(raw: bytes) -> bytes:
    """The bytes that stand in JSON as `$binary`."""
    value = json.loads(raw)
    if not isinstance(value, dict) or value.keys() != {"$binary"} or not isinstance(value["$binary"], dict):
        raise Unrepresentable("The result is no bytes, so it cannot be had as bytes; ask for format=json.")
    try:
        return unbase64(value["$binary"].get("base64"))
    except NotSayable as error:
        raise Unrepresentable(f"The result's bytes cannot be read: {error}.") from error


def _csv_of(data: bytes) -> bytes:
    if not is_stream(data):
        raise _no_table("csv")
    return stream_as_csv(data)


def _arrow_of(data: bytes) -> bytes:
    if not is_stream(data):
        raise _no_table("arrow")
    return data


def _npy_of(_: bytes) -> bytes:
    raise _no_array()


def _no_table(form: str) -> Unrepresentable:
    return Unrepresentable(f"The result is no table, so it cannot be had as {form}; ask for format=bytes.")


def _no_array() -> Unrepresentable:
    return Unrepresentable(
        "The result is no array of numbers, so it cannot be had as npy; ask for format=json."
    )


def _same(raw: bytes) -> bytes:
    return raw


FORMS = {
    "json": Form(b"application/json", _same, binary_as_json),
    "csv": Form(b"text/csv; charset=utf-8", as_csv, _csv_of),
    "arrow": Form(b"application/vnd.apache.arrow.stream", as_arrow, _arrow_of, heavy=True),
    "bytes": Form(b"application/octet-stream", as_bytes, _same),
    "npy": Form(b"application/x-npy", as_npy, _npy_of),
}
"""Every form by the name that `format=` has."""
