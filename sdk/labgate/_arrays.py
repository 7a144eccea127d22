"""How does a numpy array travel, and what makes a valid one of what arrives? Imported only where there are arrays."""

from __future__ import annotations

import base64
import binascii
import math
import re
import threading

from labgate.errors import BadReply, MissingExtra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

_MOST_DIMENSIONS = 64
_MOST_NPY_HEADER = 64 * 1024
_LENGTH_OF_LENGTH = {1: 2, 2: 4, 3: 4}  # by the format's version
_USUAL_NPY = re.compile(
    r"\{'descr': '([^'\\]{1,100})', 'fortran_order': (True|False), 'shape': \(((?:[0-9]{1,18}, ?)*(?:[0-9]{1,18})?)\),? ?\}"
)
"""As numpy writes it for types without fields."""
_PARSING = threading.Lock()
"""CPython before 3.11.5 fails when several threads parse at once (cpython#106905)."""


def parts_of(array: np.ndarray[Any, Any]) -> tuple[str | list[Any], list[int], memoryview | bytes]:
    """The array's dtype, shape, and bytes in C order, whatever its own order, strides or byte order are.

    The dtype is numpy's `dtype.str`, or for structured arrays its `descr`.

    Raises:
        TypeError: it holds Python objects, which have no bytes of their own, or masked values, which are no values.
    """
    import numpy as np

    if isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise TypeError("an array with masked values cannot be sent: fill them with filled()")
    dtype = array.dtype
    if dtype.hasobject:
        raise TypeError(
            "an array of Python objects cannot be sent: give it a number or text dtype with astype()"
        )
    shape = list(array.shape)
    flat = np.ascontiguousarray(array).reshape(-1)
    # Buffers know no datetime64; a view as bytes of the same memory does.
    data: memoryview | bytes = flat.view(np.uint8).data if flat.size and dtype.itemsize else b""
    return (dtype.str if dtype.names is None else _as_lists(dtype.descr)), shape, data


def json_form(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """The array as the gate's JSON has it: `{"$ndarray": {"base64", "dtype", "shape"}}`."""
    dtype, shape, data = parts_of(array)
    return {"$ndarray": {"base64": base64.b64encode(data).decode("ascii"), "dtype": dtype, "shape": shape}}


def msgpack_form(array: np.ndarray[Any, Any]) -> dict[bytes, Any]:
    """The array as the map that the msgpack-numpy package uses."""
    dtype, shape, data = parts_of(array)
    kind = b"" if isinstance(dtype, str) else b"V"
    return {b"nd": True, b"type": dtype, b"kind": kind, b"shape": shape, b"data": data}


def from_json(form: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The array of what stands behind `$ndarray`: base64, dtype and shape."""
    try:
        data = base64.b64decode(form["base64"], validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise BadReply("an array in the reply is malformed: its base64 is broken") from error
    return build(form["dtype"], form["shape"], data)


def from_msgpack(form: dict[Any, Any]) -> Any:
    """The array or numpy scalar of a msgpack-numpy map, whose keys may be text or bytes."""
    named = {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in form.items()}
    kind = named.get("kind")
    if kind in (b"O", "O"):
        raise BadReply("an array in the reply holds pickled objects, which are never read")
    if named.get("nd") is True:
        return build(named.get("type"), named.get("shape"), named.get("data"))
    return build(named.get("type"), [], named.get("data"))[()]


def from_npy(body: bytes | bytearray) -> np.ndarray[Any, Any]:
    """The array of a numpy file (formats 1.0 to 3.0), which is a reply's whole body.

    Raises:
        BadReply: it is none, or holds Python objects.
        MissingExtra: numpy is not installed.
    """
    try:
        header, start = npy_header(body)
        descr, backwards, shape = header["descr"], header["fortran_order"] is True, list(header["shape"])
    except (ValueError, TypeError, LookupError, SyntaxError, MemoryError, RecursionError) as error:
        raise BadReply("the reply is no numpy file that can be read") from error
    dtype = _as_lists(descr) if isinstance(descr, list) else descr
    array = build(dtype, shape[::-1] if backwards else shape, memoryview(body)[start:])
    return array.T if backwards else array


def npy_header(body: bytes | bytearray) -> tuple[dict[str, Any], int]:
    """What stands before a numpy file's data, and where they begin.

    Raises:
        ValueError, TypeError, LookupError, SyntaxError, MemoryError, RecursionError: it is none.
    """
    end = npy_end(body)
    start = 8 + _LENGTH_OF_LENGTH[body[6]]
    text = body[start:end].decode("utf-8" if body[6] == 3 else "latin-1").strip()
    usual = _USUAL_NPY.fullmatch(text)
    if usual is not None:
        shape = tuple(int(one) for one in usual[3].split(",") if one.strip())
        return {"descr": usual[1], "fortran_order": usual[2] == "True", "shape": shape}, end
    import ast

    with _PARSING:
        return ast.literal_eval(text), end


def npy_end(start: bytes | bytearray) -> int:
    """Where a numpy file's data begin, told by its first twelve bytes.

    Raises:
        ValueError, LookupError: it is none.
    """
    first = 8 + _LENGTH_OF_LENGTH[start[6]]
    end = first + int.from_bytes(start[8:first], "little")
    if start[:6] != b"\x93NUMPY" or end > _MOST_NPY_HEADER:
        raise ValueError("no numpy file")
    return end


def build(dtype: object, shape: object, data: object) -> np.ndarray[Any, Any]:
    """A writable array with memory of its own.

    Raises:
        BadReply: dtype, shape and length do not fit together.
        MissingExtra: numpy is not installed.
    """
    try:
        import numpy as np
    except ImportError as error:
        raise MissingExtra("the reply holds an array, and numpy is not installed") from error
    try:
        kind = np.dtype(_as_tuples(dtype))  # type: ignore[call-overload]
    except (TypeError, ValueError, SyntaxError, OverflowError, RecursionError) as error:
        raise BadReply("an array in the reply has a dtype that numpy does not know") from error
    if kind.hasobject:
        raise BadReply("an array in the reply holds Python objects, which are never read")
    if not (
        isinstance(shape, list)
        and len(shape) <= _MOST_DIMENSIONS
        and all(type(length) is int and length >= 0 for length in shape)
        and isinstance(data, (bytes, memoryview))
        and len(data) == kind.itemsize * math.prod(shape)
    ):
        raise BadReply("an array in the reply is malformed: dtype, shape and length do not fit together")
    array: np.ndarray[Any, Any] = np.empty(shape, dtype=kind)
    if data:
        array.reshape(-1).view(np.uint8)[:] = np.frombuffer(data, dtype=np.uint8)
    return array


def _as_lists(descr: Any) -> list[Any]:
    return [_as_lists(part) if isinstance(part, (list, tuple)) else part for part in descr]


def _as_tuples(dtype: object) -> object:
    """A structured dtype's `descr` as numpy wants it back: its fields as tuples."""
    if isinstance(dtype, bytes):
        return dtype.decode("latin-1")
    if isinstance(dtype, list):
        return [tuple(_field(part) for part in field) for field in dtype if isinstance(field, list)]
    return dtype if isinstance(dtype, str) else ()


def _field(part: object) -> object:
    if isinstance(part, list):
        # Either a nested descr or a sub-array's shape.
        return tuple(part) if all(type(length) is int for length in part) else _as_tuples(part)
    return part.decode("latin-1") if isinstance(part, bytes) else part
