"""How do values travel between Intake's servers and clients? As msgpack, with moments as maps."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgpack

_MOMENT: Final = "%Y%m%dT%H:%M:%S.%f"
MOST_DEPTH: Final = 64
MOST_BODY: Final = 1 << 20
"""Bytes of a request's body: names, parameters and words are short."""
_MOST_ITEMS: Final = 1 << 12
"""Of one list or map of a request: room for them is made before it is seen whether they are there."""


class UnreadableError(ValueError):
    """The bytes are no value of Intake's; the text says why, and shows nothing of them."""


def pack(value: Any) -> bytes:
    """The value as msgpack. Raises UnreadableError for what has no form there, like an integer beyond 64 bits."""
    try:
        packed: bytes = msgpack.packb(value, default=_moment_as_map, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as problem:
        raise UnreadableError("a value has no form in msgpack") from problem
    return packed


def request_of(body: bytes) -> dict[str, Any]:
    """What a caller asks. Raises UnreadableError for what is no map with texts as keys, too deep, or too long."""
    if len(body) > MOST_BODY:
        raise UnreadableError(f"the body is longer than {MOST_BODY} bytes")
    value = _unpacked(body, _MOST_ITEMS)
    check_depth(value)
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise UnreadableError("the body is no msgpack map")
    return value


def unpack(data: bytes) -> Any:
    """What a service or this gate has written. Raises UnreadableError."""
    return _unpacked(data, len(data))


def check_depth(value: Any, most: int = MOST_DEPTH) -> None:
    """Raises UnreadableError for lists and maps that stand deeper than `most` in each other."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one if isinstance(one, list) else one.values())
        ]
        if not level:
            return
    raise UnreadableError("lists or maps stand too deep in each other")


def canonical(value: Any) -> Any:
    """The value with the members of its maps in one order, so that equal values are equal bytes."""
    if isinstance(value, dict):
        return {key: canonical(value[key]) for key in sorted(value, key=lambda key: (str(type(key)), key))}
    if isinstance(value, list | tuple):
        return [canonical(one) for one in value]
    return value


def _unpacked(data: bytes, most: int) -> Any:
    try:
        return msgpack.unpackb(
            data,
            raw=False,
            object_hook=_moment_of_map,
            strict_map_key=False,
            max_array_len=min(most, len(data)),
            max_map_len=min(most, len(data)),
        )
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as problem:
        raise UnreadableError("it is no msgpack") from problem


def _moment_as_map(value: Any) -> dict[str, Any]:
    if isinstance(value, datetime):
        return {"__datetime__": True, "as_str": value.strftime(f"{_MOMENT}%z")}
    raise TypeError(f"a {type(value).__name__} cannot be packed")


def _moment_of_map(value: dict[Any, Any]) -> Any:
    if "__datetime__" not in value:
        return value
    said = value.get("as_str")
    if not isinstance(said, str):
        raise ValueError("a moment has no text")  # noqa: TRY004 - like all else that is wrong with it
    try:
        return datetime.strptime(said, f"{_MOMENT}%z")
    except ValueError:
        return datetime.strptime(said, _MOMENT)  # noqa: DTZ007 - as naive as it was sent
