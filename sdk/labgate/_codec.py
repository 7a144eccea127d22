"""How do Python values become the bytes of a request, and a reply's bytes Python values?"""

from __future__ import annotations

import base64
import binascii
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence, Set

from labgate.errors import BadReply, MissingExtra

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Hook = Callable[[Any], Any]

JSON = b"application/json"
MSGPACK = b"application/msgpack"
NPY = b"application/x-npy"
_INT64 = -(2**63), 2**64 - 1
_MOST_DIGITS = 400  # of a decimal that is whole; Decimal("1E+999999") would be a very long text
# What is given in place of what it will bring.
_INSTEAD = {
    "Handle": "its outcome comes at the end of its batch: give handle.result() to a call behind that",
    "coroutine": "await it first",
}
_TOO_DEEP = "the arguments are nested too deeply, or contain themselves"
_DEEPEST = 300  # levels of nesting; the gate refuses deeper ones, and Python's own stack ends before long


class _NeedsMsgpack(Exception):
    """The value holds bytes or arrays, which msgpack carries as they are."""


class Encoder:
    """Writes arguments: as JSON, or as msgpack when they hold bytes or arrays and msgpack is installed.

    `hook` is asked first about a value that JSON does not know; it returns something simpler or raises TypeError.
    """

    __slots__ = ("_hook", "_json", "_json_with_binary")

    def __init__(self, hook: Hook | None = None) -> None:
        self._hook = hook
        self._json = json.JSONEncoder(separators=(",", ":"), default=self._no_binary).encode
        self._json_with_binary = json.JSONEncoder(separators=(",", ":"), default=self.simple_or_binary).encode

    def encode(self, value: object) -> tuple[bytes, bool]:
        """The value's bytes, and whether they are msgpack rather than JSON.

        Raises:
            TypeError, ValueError: the value cannot be sent.
        """
        try:
            return self._json(value).encode("ascii"), False
        except _NeedsMsgpack:
            pass
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None
        try:
            return self.encode_msgpack(value), True
        except MissingExtra:
            return self.encode_json(value), False

    def encode_json(self, value: object) -> bytes:
        """The value as JSON, whatever it is.

        Raises:
            TypeError, ValueError: the value cannot be sent.
        """
        try:
            return self._json_with_binary(value).encode("ascii")
        except RecursionError:
            raise ValueError(_TOO_DEEP) from None

    def encode_msgpack(self, value: object) -> bytes:
        """The value as msgpack.

        Raises:
            MissingExtra: the msgpack package is not installed.
            TypeError, ValueError: the value cannot be sent.
        """
        try:
            import msgpack
        except ImportError as error:
            raise MissingExtra("msgpack is not installed") from error
        packed: bytes = msgpack.packb(self._tree(value, 0), use_bin_type=True)
        return packed

    def _no_binary(self, value: object) -> object:
        if isinstance(value, (bytes, bytearray, memoryview)) or _is_array(value):
            raise _NeedsMsgpack
        return self._simpler(value)

    def simple_or_binary(self, value: Any) -> object:
        """JSON's `default`: bytes and arrays in the gate's own form, other values as `simpler` says."""
        if isinstance(value, (bytes, bytearray, memoryview)):
            return {"$binary": {"base64": base64.b64encode(bytes(value)).decode("ascii")}}
        if _is_array(value):
            from labgate._arrays import json_form

            return json_form(value)
        return self._simpler(value)

    def _tree(self, value: Any, depth: int) -> object:
        """The value as msgpack writes it: text keys, arrays as maps, integers of any size."""
        kind = type(value)
        if kind is str or kind is float or kind is bool or value is None or kind is bytes:
            return value
        if depth > _DEEPEST:
            raise ValueError(_TOO_DEEP)
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)
        if isinstance(value, int):
            return int(value) if _INT64[0] <= value <= _INT64[1] else _big(int(value))
        if isinstance(value, dict):
            return {_key(key): self._tree(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._tree(inner, depth + 1) for inner in value]
        if isinstance(value, (str, float, bytes)):
            return value
        if _is_array(value):
            from labgate._arrays import msgpack_form

            return msgpack_form(value)
        return self._tree(self._simpler(value), depth + 1)

    def _simpler(self, value: object) -> object:
        if self._hook is not None:
            try:
                return self._hook(value)
            except TypeError:
                pass  # it does not know this value either
        return simpler(value)


def simpler(value: Any) -> object:
    """A value that JSON does not know, said in ones that it does.

    Enums by their value, dates and times in ISO 8601 (a moment without a zone is in UTC), paths and UUIDs as text, numpy scalars as Python numbers,
    decimals as numbers where these have the same digits, dataclasses and mappings as objects, sets and sequences as arrays.

    Raises:
        TypeError: there is no such way.
    """
    kind = type(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return _plain_scalar(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (Set, Sequence)):
        return list(value)
    if hasattr(kind, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in kind.__dataclass_fields__}
    return _by_its_marks(value, kind)


def _by_its_marks(value: Any, kind: Any) -> object:
    """The same by a duck's marks, so that neither enum, datetime, decimal nor uuid is loaded for callers who use none."""
    if hasattr(kind, "__members__"):
        return value.value
    if hasattr(kind, "isoformat"):
        return _iso(value)
    if kind.__name__ == "NAType":
        return None  # pandas' mark of what is missing
    rows = rows_of(value)
    if rows is not value:
        return rows
    if hasattr(kind, "to_numpy"):
        return _column(value)
    if kind.__module__ == "uuid":
        return str(value)
    if hasattr(kind, "as_integer_ratio") and hasattr(kind, "as_tuple"):
        return _of_decimal(value)
    instead = _INSTEAD.get(kind.__qualname__, "convert it, or give connect(default=...) a function that does")
    raise TypeError(f"a value of type {kind.__module__}.{kind.__qualname__} cannot be sent; {instead}")


def rows_of(value: Any) -> Any:
    """A table of pandas, pyarrow or polars as a list of objects; everything else as it is."""
    kind = type(value)
    if hasattr(kind, "iterrows"):
        return value.to_dict("records")
    if hasattr(kind, "column_names") and hasattr(kind, "to_pylist"):
        return value.to_pylist()
    return value.to_dicts() if hasattr(kind, "to_dicts") else value


def decode_json(body: bytes | bytearray) -> Any:
    """The JSON body as Python values; `$binary` and `$ndarray` become bytes and numpy arrays.

    Raises:
        BadReply: it is no JSON.
        MissingExtra: it holds an array, and numpy is not installed.
    """
    # A hook is called for every object there is: only replies with a mark in them pay for it.
    hook = _binary_object if b'"$ndarray"' in body or b'"$binary"' in body else None
    try:
        return json.loads(body, object_hook=hook)
    except (ValueError, RecursionError) as error:
        raise BadReply("the reply is no JSON that can be read") from error


def decode_msgpack(body: bytes | bytearray) -> Any:
    """The msgpack body as Python values.

    Raises:
        BadReply: it is no msgpack, or holds what cannot be read safely.
        MissingExtra: it holds an array, and numpy is not installed.
    """
    try:
        import msgpack
    except ImportError as error:
        raise MissingExtra("the reply is msgpack, and the msgpack package is not installed") from error
    try:
        return msgpack.unpackb(
            body,
            raw=False,
            strict_map_key=False,
            ext_hook=_extension,
            object_hook=_numpy_map,
            unicode_errors="strict",
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise BadReply("the reply is no msgpack that can be read") from error


def can_msgpack() -> bool:
    """True when msgpack and numpy are installed, so that arrays can come as they are."""
    try:
        import msgpack  # noqa: F401
        import numpy  # noqa: F401
    except ImportError:
        return False
    return True


def to_json_text(value: object, indent: int | None = None) -> str:
    """A result as JSON text; bytes and arrays in the gate's own form. With an indent it is for people's eyes."""
    encoder = Encoder()
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        value,
        indent=indent,
        separators=separators,
        ensure_ascii=indent is None,
        default=encoder.simple_or_binary,
    )


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _plain_scalar(value: Any) -> object:
    """A numpy scalar as the Python value it is; times as text, because their integers would lose the unit."""
    if value.dtype.kind in "mM":
        text = str(value)
        # numpy's moments have no zone and are in UTC; days, months and "NaT" are no moments.
        return f"{text}+00:00" if value.dtype.kind == "M" and "T" in text and text != "NaT" else text
    plain: Any = value.item()
    # longdouble's item() is itself.
    return float(value) if type(plain) is type(value) else plain


def _iso(value: Any) -> object:
    """A date or time in ISO 8601; what knows the day and the hour, but no zone, is meant in UTC, as in CAVE's client."""
    if not (hasattr(value, "astimezone") and value.tzinfo is None):
        return value.isoformat()
    if value != value:
        return None  # pandas' NaT
    return f"{value.isoformat()}+00:00"


def _of_decimal(value: Any) -> object:
    """A decimal as the number that is written with the same digits.

    Raises:
        TypeError: there is none, so that sending it would round it.
    """
    if not value.is_finite():
        return float(value)
    if value == value.to_integral_value() and value.adjusted() < _MOST_DIGITS:
        return int(value)
    near = float(value)
    if type(value)(repr(near)) != value:
        raise TypeError(
            f"the decimal {value!s:.60} has more digits than a number carries: send str(...), or float(...) to have it rounded"
        )
    return near


def _column(value: Any) -> object:
    """A column of pandas, pyarrow or polars: an array, or a list where its values are Python's or some are missing."""
    try:
        array = value.to_numpy()
    except (ValueError, NotImplementedError):  # pyarrow's, where copying would be needed
        return (getattr(value, "tolist", None) or value.to_pylist)()
    if getattr(getattr(value, "dtype", None), "kind", "") in "iu" and array.dtype.kind == "f":
        return value.tolist()  # pandas makes floats of integers of which one is missing: ids would be rounded
    return array.tolist() if array.dtype.hasobject else array


def _big(value: int) -> object:
    from msgpack import ExtType

    return ExtType(1, str(value).encode("ascii"))


def _key(key: object) -> str:
    """A member's name as JSON would write it, so that both encodings say the same."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    raise TypeError(f"keys must be str, int, float, bool or None, not {type(key).__name__}")


def _binary_object(members: dict[str, Any]) -> Any:
    if len(members) != 1:
        return members
    array = members.get("$ndarray")
    if isinstance(array, dict) and array.keys() == {"base64", "dtype", "shape"}:
        from labgate._arrays import from_json

        return from_json(array)
    form = members.get("$binary")
    if isinstance(form, dict) and isinstance(form.get("base64"), str):
        try:
            return base64.b64decode(form["base64"], validate=True)
        except binascii.Error as error:
            raise BadReply("bytes in the reply are malformed: their base64 is broken") from error
    return members


def _numpy_map(members: dict[Any, Any]) -> Any:
    if b"nd" in members or ("nd" in members and "type" in members and "data" in members):
        from labgate._arrays import from_msgpack

        return from_msgpack(members)
    return members


def _extension(code: int, data: bytes) -> int:
    if code != 1:
        raise ValueError("an extension type that nobody agreed on")
    return int(data.decode("ascii"))


def packed_request(method: str, number: int, params: bytes) -> bytes:
    """A JSON-RPC request in msgpack around parameters that are packed already."""
    import msgpack

    envelope: bytes = msgpack.packb({"jsonrpc": "2.0", "id": number, "method": method})
    # A map of three members becomes one of four: its first byte says how many follow.
    return b"\x84" + envelope[1:] + b"\xa6params" + params
