"""How does an array travel in JSON and in msgpack, and how is it said as plain lists?

In JSON an array is `{"$ndarray": {"base64", "dtype", "shape"}}`, in msgpack the map that the msgpack-numpy
package uses; its bytes are in C order in both. A dtype is numpy's `dtype.str`, for a structured one its
`descr`. When reading, names like `float32` are taken too (CryoSPARC 5 writes them); objects are refused always.
"""

import base64
import binascii
import json
import math
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import orjson

from gateway.core import scanner

Form = Literal["lists", "ndarray"]
"""How a service wants arrays: as nested lists of numbers, or as `$ndarray`."""


class NotSayable(ValueError):  # noqa: N818 - names the situation, as everywhere in core
    """The value cannot be said in the encoding asked for without changing it; the text says why."""


class Array(NamedTuple):
    """An array whose parts were found to fit together: `len(data)` is what `dtype` and `shape` make."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    data: bytes

    @property
    def dtype_name(self) -> str | list[Any]:
        """The dtype as it is written: `dtype.str`, or the `descr` of a structured one."""
        return self.dtype.str if self.dtype.names is None else self.dtype.descr


_DTYPE_NAME = re.compile(
    r"[<>|=]?[biufcmMSUV][0-9]{1,9}(?:\[[0-9]{0,9}[A-Za-z]{1,7}\])?"
    r"|bool|[|]?O8?|object|u?int(?:8|16|32|64)|float(?:16|32|64)|complex(?:64|128)"
    r"|(?:datetime|timedelta)64(?:\[[0-9]{0,9}[A-Za-z]{1,7}\])?"
)
_MOST_DIMENSIONS: Final = 64
_MOST_EMPTY_LISTS: Final = 65_536
_DEEPEST_DESCR: Final = 16
_DEEPEST_FORM: Final = 3 + 2 * _DEEPEST_DESCR
_MARK = re.compile(rb'\{[ \t\n\r]*+"\$ndarray"[ \t\n\r]*+:[ \t\n\r]*+')
_END = re.compile(rb"[ \t\n\r]*+\}")


# --- reading ---------------------------------------------------------------------------------------------


def array(dtype: object, shape: object, data: bytes) -> Array:
    """The array of these parts, as they were read from a document.

    Raises NotSayable when the dtype is none or holds Python objects, and when the parts do not fit.
    """
    known = _dtype(dtype)
    if (
        not isinstance(shape, list | tuple)
        or len(shape) > _MOST_DIMENSIONS
        or not all(type(length) is int and 0 <= length <= sys.maxsize for length in shape)
    ):
        raise NotSayable("an array's shape must be a list of lengths")
    if len(data) != known.itemsize * math.prod(shape):
        raise NotSayable("an array has not as many bytes as its dtype and shape say")
    return Array(known, tuple(shape), data)


def from_json(form: object) -> Array | None:
    """The array of what stands behind `$ndarray`; None when it is something else, with other members."""
    if not isinstance(form, dict) or form.keys() != {"base64", "dtype", "shape"}:
        return None
    return array(form["dtype"], form["shape"], unbase64(form["base64"]))


def from_msgpack(members: Mapping[str, Any]) -> Array | None:
    """The array of a msgpack-numpy map, or its scalar as one without dimensions; None when it is another map."""
    data = members.get("data")
    if not isinstance(data, bytes) or "type" not in members:
        return None
    if members.get("kind") in (b"O", "O"):
        raise NotSayable("an array of pickled objects is never read")
    if members["nd"] is True and members.keys() - {"kind"} == {"nd", "type", "shape", "data"}:
        return array(members["type"], members["shape"], data)
    if members["nd"] is False and members.keys() == {"nd", "type", "data"}:
        return array(members["type"], (), data)
    return None


def unbase64(text: object) -> bytes:
    """The bytes of a base64 text (RFC 4648, section 4, with padding)."""
    if not isinstance(text, str):
        raise NotSayable("the member base64 must be a string")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NotSayable("the member base64 holds no base64") from None


# --- writing ---------------------------------------------------------------------------------------------


def binary_as_json(data: bytes) -> bytes:
    """Bytes as `$binary`."""
    return b'{"$binary":{"base64":"%b"}}' % base64.b64encode(data)


def as_json(array: Array) -> bytes:
    """The array as `$ndarray`."""
    return b'{"$ndarray":{"base64":"%b","dtype":%b,"shape":%b}}' % (
        base64.b64encode(array.data),
        orjson.dumps(array.dtype_name),
        orjson.dumps(array.shape),
    )


def as_msgpack(array: Array) -> dict[bytes, object]:
    """The array as the map that msgpack-numpy makes."""
    name = array.dtype_name
    kind = b"" if isinstance(name, str) else b"V"
    return {b"nd": True, b"type": name, b"kind": kind, b"shape": array.shape, b"data": array.data}


def as_lists(array: Array) -> bytes:
    """The array as nested JSON lists, an array without dimensions as its one value.

    Every number reads back as exactly the same value, float16 and float32 too: they are written with the
    digits of their float64. Raises NotSayable for what has no JSON number or text (complex, times, bytes,
    records, longdouble).
    """
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "biufU" or size == 0 or (kind == "f" and size > 8):
        raise NotSayable(f"an array of dtype {array.dtype.str} cannot be said as lists of numbers")
    if 0 in array.shape and math.prod(array.shape[: array.shape.index(0)]) > _MOST_EMPTY_LISTS:
        raise NotSayable("an array without elements would be too many empty lists")
    values: np.ndarray[Any, Any] = np.ndarray(array.shape, array.dtype, buffer=array.data)
    if kind == "U":
        return _texts_as_lists(values)
    if kind == "f":
        values = values.astype(np.float64)
    elif kind == "b":
        values = values.view(np.uint8) != 0
    else:
        values = values.astype(array.dtype.newbyteorder("="))
    text = orjson.dumps(values.reshape(array.shape or 1), option=orjson.OPT_SERIALIZE_NUMPY)
    if kind == "f":
        text = name_nonfinite(text, values[~np.isfinite(values)].tolist())
    return text if array.shape else text[1:-1]


def name_nonfinite(text: bytes, nonfinite: Iterable[float]) -> bytes:
    """`text`, numbers only, with the names of these numbers for the nulls that orjson writes instead."""
    names = iter([spelled_nonfinite(number) for number in nonfinite])
    return re.sub(rb"null", lambda _: next(names), text)


def spelled_nonfinite(number: float) -> bytes:
    """The literal for NaN or an infinity, as Python's `json` writes it."""
    if math.isnan(number):
        return b"NaN"
    return b"Infinity" if number > 0 else b"-Infinity"


def to_upstream(params: bytes, form: Form) -> bytes:
    """The JSON `params` as a service wants its arrays; with `lists`, only the spans of `$ndarray` change.

    Raises NotSayable when an array is malformed or has no form as lists.
    """
    if form == "ndarray" or b'"$ndarray"' not in params:
        return params
    parts: list[bytes] = []
    done = at = 0
    # The mark cannot stand within a string, where its quotes would be escaped.
    while mark := _MARK.search(params, at):
        at = mark.end()
        end = scanner.value_end(params, at)
        after = _END.match(params, end)
        found = _parsed_form(params[at:end]) if after is not None else None
        if after is not None and found is not None:
            parts += (params[done : mark.start()], as_lists(found))
            done = at = after.end()
    return b"".join((*parts, params[done:]))


def _parsed_form(form: bytes) -> Array | None:
    if not scanner.depth_within(form, _DEEPEST_FORM):
        return None
    try:
        value = json.loads(form.decode(), object_pairs_hook=_object)
    except ValueError:  # a member twice, or an integer with thousands of digits
        return None
    return from_json(value)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given twice")
    return members


def _texts_as_lists(values: np.ndarray[Any, Any]) -> bytes:
    # numpy would make strings of any numbers, and fail on those that are no characters.
    codes = np.frombuffer(values.tobytes(), np.dtype(np.uint32).newbyteorder(values.dtype.byteorder))
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise NotSayable("an array of texts holds what is no character")
    return orjson.dumps(values.tolist())


# --- dtypes ----------------------------------------------------------------------------------------------


def _dtype(name: object) -> np.dtype[Any]:
    try:
        known: np.dtype[Any] = np.dtype(_spec(name, 0))
    except NotSayable:
        raise
    except (TypeError, ValueError, OverflowError, SyntaxError):
        raise NotSayable("an array's dtype is not known") from None
    if known.hasobject:
        raise NotSayable("an array of Python objects is never read")
    return known


def _spec(name: object, level: int) -> Any:
    """What numpy is given: a name that fits the pattern, or fields of such; nothing else of a document."""
    if isinstance(name, bytes):
        name = name.decode("latin-1")
    if isinstance(name, str):
        if _DTYPE_NAME.fullmatch(name) is None:
            raise NotSayable("an array's dtype is not known")
        return name
    if not isinstance(name, list) or not name or level == _DEEPEST_DESCR:
        raise NotSayable("an array's dtype is not known")
    return [_field(field, level + 1) for field in name]


def _field(field: object, level: int) -> tuple[Any, ...]:
    if not isinstance(field, list | tuple) or len(field) not in (2, 3):
        raise NotSayable("a field of an array's dtype must be a name, a dtype and perhaps a shape")
    title = field[0].decode() if isinstance(field[0], bytes) else field[0]
    if not isinstance(title, str):
        raise NotSayable("a field of an array's dtype must have a name")
    kind = _spec(field[1], level)
    if len(field) == 2:
        return title, kind
    shape = field[2] if isinstance(field[2], list | tuple) else [field[2]]
    if not all(type(length) is int and length >= 0 for length in shape):
        raise NotSayable("a field of an array's dtype has a shape that is none")
    return title, kind, tuple(shape)
