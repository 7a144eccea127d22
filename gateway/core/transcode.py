"""How is a JSON value said in msgpack, and a msgpack value in JSON, without changing it?

What one encoding has and the other has not: integers beyond 64 bit are ext type 1 in msgpack, holding their
decimal text; bytes and arrays are `$binary` and `$ndarray` in JSON (see `arrays`). NaN, the infinities, -0.0
and the order of members survive. All else that the target cannot say raises NotSayable.
"""

import base64
import json
import math
import re
from functools import partial
from typing import Any, Final

import msgpack
import orjson

from gateway.core import arrays, scanner
from gateway.core.arrays import Form, NotSayable

__all__ = ["BIG_INTEGER", "MAX_DEPTH", "NotSayable", "TooDeep", "json_to_msgpack", "msgpack_to_json"]

MAX_DEPTH: Final = 512
BIG_INTEGER: Final = 1
"""The msgpack ext type of integers beyond 64 bit; its data is their decimal text in ASCII."""


class TooDeep(NotSayable):
    """More containers stand inside each other than were allowed."""


_DECIMAL = re.compile(rb"-?(?:0|[1-9][0-9]*)")


# --- JSON to msgpack -------------------------------------------------------------------------------------

# Where these are not found, no float leaves the range of a double: fewer than 200 digits make less than 1e200,
# and two digits of exponent less than 1e100 more.
_LARGE_EXPONENT = re.compile(rb"[eE][+-]?[0-9]{3}")
_LONG_MANTISSA = b"0" * 200
_DIGITS_AND_POINTS = bytes.maketrans(b"123456789.", b"0000000000")
# Fewer digits make an integer of 64 bit for sure.
_LONG_INTEGER = b"0" * 19
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_zeros = re.compile(rb"0++")


def json_to_msgpack(raw: bytes, *, max_depth: int = MAX_DEPTH) -> bytes:
    """The JSON `raw` in msgpack.

    Raises NotSayable for lone surrogates, floats beyond a double's range, objects with a member twice,
    malformed `$binary` and `$ndarray`, texts deeper than `max_depth`, and what is no JSON.
    """
    if not scanner.depth_within(raw, max_depth):
        raise TooDeep(f"nested deeper than {max_depth} levels")
    try:
        packed: bytes = _packed(raw)
    except NotSayable:
        raise
    except UnicodeEncodeError:
        raise NotSayable("a lone surrogate cannot be said in msgpack") from None
    except (ValueError, RecursionError):
        raise NotSayable("the value is no JSON that can be read") from None
    return packed


def _packed(raw: bytes) -> Any:
    extreme = _LARGE_EXPONENT.search(raw) or _LONG_MANTISSA in raw.translate(_DIGITS_AND_POINTS)
    if not extreme and b"{" not in raw and not _has_long_integer(raw):
        try:
            return msgpack.packb(orjson.loads(raw))
        except orjson.JSONDecodeError:
            pass  # NaN and lone surrogates are no JSON to orjson.
    loads = partial(
        json.loads, raw.decode(), object_pairs_hook=_object, parse_float=_float if extreme else None
    )
    try:
        return msgpack.packb(loads())
    except (OverflowError, ValueError):
        # An integer beyond 64 bit, or beyond the digits that int() takes; or what fails again.
        return msgpack.packb(loads(parse_int=_integer))


def _has_long_integer(raw: bytes) -> bool:
    """Whether 19 digits stand in a row that does not follow a decimal point."""
    digits = raw.translate(_DIGITS)
    at = digits.find(_LONG_INTEGER)
    while at >= 0:
        if digits[at - 1 : at] != b".":
            return True
        run = _zeros.match(digits, at)
        at = digits.find(_LONG_INTEGER, run.end() if run else at + 1)
    return False


def _object(pairs: list[tuple[str, Any]]) -> object:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotSayable("an object has a member twice")
    if len(members) == 1:
        if "$ndarray" in members:
            array = arrays.from_json(members["$ndarray"])
            return members if array is None else arrays.as_msgpack(array)
        if "$binary" in members:
            form = members["$binary"]
            if isinstance(form, dict) and form.keys() == {"base64"}:
                return arrays.unbase64(form["base64"])
    return members


def _integer(token: str) -> object:
    if len(token) <= 20:
        value = int(token)
        if -(2**63) <= value < 2**64:
            return value
    return msgpack.ExtType(BIG_INTEGER, token.encode())


def _float(token: str) -> float:
    value = float(token)
    if math.isinf(value):
        raise NotSayable("a number is too large for a double")
    if value == 0 and token.lower().partition("e")[0].strip("-0."):
        raise NotSayable("a number is too small for a double")
    return value


# --- msgpack to JSON -------------------------------------------------------------------------------------

# Where this is not found, no float in msgpack is NaN or an infinity.
_PERHAPS_NONFINITE = re.compile(rb"[\xca\xcb][\x7f\xff][\x80-\xff]")


class _Spelled:
    """A value whose JSON text is made already."""

    __slots__ = ("text",)

    def __init__(self, text: bytes) -> None:
        self.text = text


_COMMA, _CLOSE_ARRAY, _CLOSE_OBJECT = _Spelled(b","), _Spelled(b"]"), _Spelled(b"}")


def msgpack_to_json(raw: bytes, form: Form = "ndarray", *, max_depth: int = MAX_DEPTH) -> bytes:
    """The msgpack `raw` in JSON, its arrays in this form.

    Raises NotSayable for maps with keys that are no text or are there twice, for ext types and timestamps,
    texts that are not UTF-8, arrays that are malformed or have no such form, values deeper than `max_depth`,
    and what is no msgpack.
    """
    try:
        value = msgpack.unpackb(
            raw, strict_map_key=False, object_pairs_hook=partial(_map, form), ext_hook=_extension
        )
    except NotSayable:
        raise
    except UnicodeDecodeError:
        raise NotSayable("a text is not UTF-8") from None
    except (ValueError, msgpack.UnpackException):
        raise NotSayable("the value is no msgpack that can be read") from None
    text = _written(value)
    # orjson writes null for a number that is not finite.
    if b"null" in text and _PERHAPS_NONFINITE.search(raw):
        text = _written(_with_nonfinite_spelled(value))
    if not scanner.depth_within(text, max_depth):
        raise TooDeep(f"nested deeper than {max_depth} levels")
    return text


def _map(form: Form, pairs: list[tuple[Any, Any]]) -> object:
    try:
        members = dict(pairs)
    except TypeError:
        raise NotSayable("a map has a key that is no text") from None
    kinds = {*map(type, members)}
    if len(members) != len(pairs):
        raise NotSayable("a map has a key twice")
    if "nd" in members or b"nd" in members:
        named = {key.decode("latin-1") if type(key) is bytes else key: value for key, value in pairs}
        array = arrays.from_msgpack(named) if len(named) == len(pairs) else None
        if array is not None:
            return _array(array, form, scalar=named["nd"] is False)
    if kinds <= {str}:
        return members
    raise NotSayable("a map has a key that is no text")


def _array(array: arrays.Array, form: Form, *, scalar: bool) -> _Spelled:
    if form == "lists":
        return _Spelled(arrays.as_lists(array))
    if scalar:
        try:
            return _Spelled(arrays.as_lists(array))
        except NotSayable:
            pass  # A complex number or a time: as an array it keeps what it is.
    return _Spelled(arrays.as_json(array))


def _extension(code: int, data: bytes) -> _Spelled:
    if code != BIG_INTEGER or _DECIMAL.fullmatch(data) is None:
        raise NotSayable(f"ext type {code} cannot be said in JSON")
    return _Spelled(data)


def _spelled(value: object) -> bytes:
    """The text of what is no plain value."""
    if type(value) is _Spelled:
        return value.text
    if type(value) is bytes:
        return b'{"$binary":{"base64":"%b"}}' % base64.b64encode(value)
    raise NotSayable("a timestamp cannot be said in JSON")


def _fragment(value: object) -> orjson.Fragment:
    return orjson.Fragment(_spelled(value))


def _with_nonfinite_spelled(value: object) -> object:
    """The value, its lists and dicts changed in place, with NaN and the infinities as their literals."""
    whole = [value]
    todo: list[Any] = [whole]
    for container in todo:
        places = container.items() if type(container) is dict else enumerate(container)
        for place, item in places:
            kind = type(item)
            if kind is float:
                if not math.isfinite(item):
                    container[place] = _Spelled(arrays.spelled_nonfinite(item))
            elif kind is list or kind is dict:
                todo.append(item)
    return whole[0]


def _written(value: object) -> bytes:
    """The value as JSON, null for NaN and the infinities."""
    try:
        return orjson.dumps(value, default=_fragment)
    except TypeError as error:
        if isinstance(error.__cause__, NotSayable):
            raise error.__cause__ from None
        return _written_in_steps(value)  # It is too deep for orjson.


def _written_in_steps(value: object) -> bytes:
    pieces: list[bytes] = []
    todo: list[object] = [value]  # What is still to be written, the next last.
    while todo:
        item = todo.pop()
        if isinstance(item, list):
            pieces.append(b"[")
            inner: list[object] = [_COMMA] * (2 * len(item) - 1)
            inner[::2] = item
            todo += (_CLOSE_ARRAY, *reversed(inner))
        elif isinstance(item, dict):
            pieces.append(b"{")
            inner = []
            for name, member in item.items():
                inner += (_COMMA, _Spelled(orjson.dumps(name) + b":"), member)
            todo += (_CLOSE_OBJECT, *reversed(inner[1:]))
        elif item is None or isinstance(item, bool | int | float | str):
            pieces.append(orjson.dumps(item))
        else:
            pieces.append(_spelled(item))
    return b"".join(pieces)
