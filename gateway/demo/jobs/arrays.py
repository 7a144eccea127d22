"""How do pixels travel in JSON? As nested lists, or as `{"$ndarray": {"base64", "dtype", "shape"}}`."""

import base64
import binascii
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from gateway.demo.jobs.errors import InvalidParamsError

Pixels = npt.NDArray[Any]

_KINDS = "biuf"
_WANTED = 'pixels must be nested lists of numbers or {"$ndarray": {"base64", "dtype", "shape"}}'


def encode(pixels: Pixels, form: str) -> Any:
    """`pixels` as JSON: form `lists` is readable, form `ndarray` is compact and exact."""
    if form == "lists":
        return pixels.tolist()
    if form == "ndarray":
        text = base64.b64encode(np.ascontiguousarray(pixels).tobytes()).decode("ascii")
        return {"$ndarray": {"base64": text, "dtype": pixels.dtype.str, "shape": list(pixels.shape)}}
    raise InvalidParamsError(f"form must be lists or ndarray, not {form!r}")


def decode(value: Any) -> Pixels:
    """The array that a caller sent, in either form; only booleans, integers and floats."""
    if isinstance(value, dict):
        return _from_ndarray(value.get("$ndarray"))
    try:
        array = np.array(value)
    except (ValueError, OverflowError):  # ragged lists, integers beyond 64 bit
        raise InvalidParamsError(_WANTED) from None
    if array.dtype.kind not in _KINDS:
        raise InvalidParamsError(_WANTED)
    return array


def _from_ndarray(parts: Any) -> Pixels:
    if not isinstance(parts, dict):
        raise InvalidParamsError(_WANTED)
    text, name, shape = parts.get("base64"), parts.get("dtype"), _shape(parts.get("shape"))
    if not isinstance(text, str) or not isinstance(name, str) or shape is None:
        raise InvalidParamsError(_WANTED)
    try:
        dtype = np.dtype(name)
        data = base64.b64decode(text, validate=True)
    except (TypeError, ValueError, SyntaxError, binascii.Error):
        raise InvalidParamsError(_WANTED) from None
    if dtype.kind not in _KINDS or len(data) != dtype.itemsize * math.prod(shape):
        raise InvalidParamsError("the bytes of $ndarray do not fit its dtype and shape")
    return np.frombuffer(data, dtype).reshape(shape)


def _shape(lengths: Any) -> tuple[int, ...] | None:
    if isinstance(lengths, list) and all(type(length) is int and length >= 0 for length in lengths):
        return tuple(lengths)
    return None
