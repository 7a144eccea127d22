"""How does a table become an Arrow IPC stream, without any of its values being changed?"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from gateway.core.arrays import NotSayable, unbase64
from gateway.core.faults import Unrepresentable

_DIGITS: Final = 17
"""A number of so many significant digits may have been written from a double, and names it."""
_ADVICE: Final = "ask for format=json"


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


_BINARY: Final = b'{"$binary":'
_STREAM: Final = b"\xff\xff\xff\xff"
"""What an Arrow IPC stream begins with."""


def is_stream(data: bytes) -> bool:
    """Whether the bytes begin as an Arrow IPC stream does."""
    return data.startswith(_STREAM)


def stream_in(raw: bytes) -> bytes | None:
    """The Arrow IPC stream that a result in JSON is already, None for another result."""
    if not raw.startswith(_BINARY):
        return None
    form = json.loads(raw)["$binary"]
    try:
        data = unbase64(form["base64"]) if isinstance(form, dict) and form.keys() == {"base64"} else b""
    except NotSayable:
        return None
    return data if is_stream(data) else None


def stream_as_csv(stream: bytes) -> bytes:
    """Such a stream as CSV (RFC 4180). Raises `Unrepresentable` for columns that CSV cannot hold."""
    try:
        import pyarrow
        import pyarrow.csv
    except ImportError as error:
        raise Unrepresentable(
            "This gate cannot read Arrow: install it with the extra `labgate-gateway[arrow]`, or ask for format=arrow."
        ) from error
    sink = pyarrow.BufferOutputStream()
    try:
        pyarrow.csv.write_csv(pyarrow.ipc.open_stream(stream).read_all(), sink)
    except (pyarrow.ArrowException, ValueError) as error:
        raise Unrepresentable("The table holds what csv cannot say; ask for format=arrow.") from error
    return bytes(sink.getvalue())


def as_arrow(raw: bytes) -> bytes:
    """A table as an Arrow IPC stream: one that is one already, a list of objects, a list of lists of one length, or an object
    of columns.

    Each column has one type: booleans, integers of 64 bits, doubles, texts, or lists of these. What no such type
    holds as it is raises `Unrepresentable`, as it does when pyarrow is not installed.
    """
    stream = stream_in(raw)
    if stream is not None:
        return stream
    try:
        import pyarrow
    except ImportError as error:
        raise Unrepresentable(
            "This gate has no Arrow: install it with the extra `labgate-gateway[arrow]`, or ask for format=csv."
        ) from error
    value = json.loads(raw, parse_float=_Number, parse_int=_Number, parse_constant=_Number)
    columns = {name: _array(pyarrow, name, values) for name, values in _columns(value).items()}
    try:
        table = pyarrow.table(columns)
    except UnicodeEncodeError as error:
        raise Unrepresentable(f"The name of a column is no text that Arrow can hold; {_ADVICE}.") from error
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def _columns(value: Any) -> Mapping[str, list[Any]]:
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        names = dict.fromkeys(name for row in value for name in row)
        return {name: [row.get(name) for row in value] for name in names}
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        if all(len(row) == len(value[0]) for row in value):
            return {str(at): list(column) for at, column in enumerate(zip(*value, strict=True))}
    elif isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        if len({len(column) for column in value.values()}) == 1:
            return value
    elif value == []:
        return {}
    raise Unrepresentable(f"The result is no table, so it cannot be had as arrow; {_ADVICE}.")


def _array(pyarrow: Any, name: str, values: list[Any]) -> Any:
    kind, read = _type(pyarrow, name, values)
    try:
        return pyarrow.array([None if value is None else read(value) for value in values], kind)
    except UnicodeEncodeError as error:
        raise _unfit(name, "holds what is no character") from error


def _type(pyarrow: Any, name: str, values: Iterable[Any]) -> tuple[Any, Callable[[Any], Any]]:
    """The one type of all the values, and how one of them is read."""
    there = [value for value in values if value is not None]
    kinds = {type(value) for value in there}
    if len(kinds) > 1:
        raise _unfit(name, "mixes values of several kinds")
    match kinds.pop() if kinds else None:
        case None:
            return pyarrow.null(), _same
        case kind if kind is bool:
            return pyarrow.bool_(), _same
        case kind if kind is str:
            return pyarrow.string(), _same
        case kind if kind is _Number:
            return _number_type(pyarrow, name, there)
        case kind if kind is list:
            inner, read = _type(pyarrow, name, (one for value in there for one in value))
            return pyarrow.list_(inner), lambda value: [None if one is None else read(one) for one in value]
    raise _unfit(name, "holds objects")


def _number_type(pyarrow: Any, name: str, written: list[str]) -> tuple[Any, Callable[[str], Any]]:
    if not all(_is_integer(one) for one in written):
        for one in written:
            if not _is_double(one):
                raise _unfit(name, f"holds {one[:40]}, which no double says exactly")
        return pyarrow.float64(), float
    # Python reads no number of thousands of digits; twenty are beyond 64 bits already.
    if all(len(one) <= 20 for one in written):
        least, most = min(map(int, written)), max(map(int, written))
        if least >= -(2**63) and most < 2**63:
            return pyarrow.int64(), int
        if least >= 0 and most < 2**64:
            return pyarrow.uint64(), int
    raise _unfit(name, "holds integers beyond 64 bits")


def _is_integer(written: str) -> bool:
    return written != "-0" and written.removeprefix("-").isdecimal()


def _is_double(written: str) -> bool:
    if written in ("NaN", "Infinity", "-Infinity"):
        return True
    double = float(written)
    digits = written.lstrip("-").lower().partition("e")[0].replace(".", "").strip("0")
    if not digits:
        return True
    if math.isinf(double) or double == 0.0:
        return False
    # Fewer digits name a double, or were written from one; an integer means itself.
    if len(digits) <= _DIGITS and not _is_integer(written):
        return True
    return Decimal(written) == Decimal(double)


def _same(value: Any) -> Any:
    return value


def _unfit(name: str, what: str) -> Unrepresentable:
    return Unrepresentable(f"The column {name[:80]!r} {what}, so it cannot be had as arrow; {_ADVICE}.")
