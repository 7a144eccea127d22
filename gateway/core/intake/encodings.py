"""In which form does a caller get what was read? The first that they take and the gate gives; no pickle is ever looked into."""

from __future__ import annotations

import gzip
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, cast

from gateway.core import arrays
from gateway.core.intake.refusals import Refusal
from gateway.core.intake.wire import UnreadableError, pack, unpack

MSGPACK: Final = "msgpack"
PICKLES: Final = ("pickle1", "pickle2")
PLAIN: Final = "none"


def chosen_format(accepted: object, *, pickle: bool) -> str:
    """The format that is given: msgpack, or where the service may, a pickle to those who take nothing else. Raises Refusal."""
    if not isinstance(accepted, list) or not all(isinstance(one, str) for one in accepted):
        raise Refusal(400, "accepted_formats is no list of names")
    if MSGPACK in accepted:
        return MSGPACK
    found = next((one for one in accepted if one in PICKLES), None)
    if isinstance(found, str) and pickle:
        return found
    why = (
        "this gate gives msgpack and no pickles: install msgpack-numpy and pyarrow"
        if found
        else "there is msgpack"
    )
    raise Refusal(400, f"Unable to find compatible format; {why}")


def chosen_compression(accepted: object) -> str:
    """None where that is taken, as the original does it for its own client; else the first that is known, else none.

    Raises Refusal for what is no list.
    """
    if accepted is None:
        return PLAIN
    if not isinstance(accepted, list) or not all(isinstance(one, str) for one in accepted):
        raise Refusal(400, "accepted_compression is no list of names")
    if PLAIN in accepted:
        return PLAIN
    return next((one for one in accepted if one in _known()), PLAIN)


@cache
def _known() -> Mapping[str, Callable[[bytes], bytes]]:
    known: dict[str, Callable[[bytes], bytes]] = {"gzip": lambda data: gzip.compress(data, 1)}
    if importlib.util.find_spec("snappy") is not None:
        known["snappy"] = cast("Callable[[bytes], bytes]", importlib.import_module("snappy").compress)
    return known


def compressed(stored: bytes, compression: str) -> bytes:
    """The answer to a read as the caller gets it; `stored` is one without compression. Raises UnreadableError."""
    if compression == PLAIN:
        return stored
    said = unpack(stored)
    return pack({**said, "compression": compression, "data": _known()[compression](said["data"])})


def stored(answer: bytes, wanted: str) -> bytes:
    """The service's answer to a read as it is kept. Raises UnreadableError for one that is not what was asked for."""
    said = unpack(answer)
    if not isinstance(said, dict) or not isinstance(said.get("data"), bytes):
        raise UnreadableError("it holds no data")
    if said.get("format") != wanted:
        raise UnreadableError("it has another format than was asked for")
    if said.get("compression", PLAIN) != PLAIN:
        raise UnreadableError("it is compressed, though that was not asked for")
    container = said.get("container")
    if not isinstance(container, str):
        raise UnreadableError("it does not say what it is")
    if wanted == MSGPACK:
        _check(container, said["data"])
    return pack({"format": wanted, "compression": PLAIN, "container": container, "data": said["data"]})


def _check(container: str, data: bytes) -> None:
    if container == "dataframe":
        if data[:4] != b"\xff\xff\xff\xff":
            raise UnreadableError("a table is no Arrow stream")
    elif container == "ndarray":
        array_of(data)


def array_of(data: bytes) -> arrays.Array:
    """The array in the map that msgpack-numpy makes. Raises UnreadableError for another value, and for pickled objects."""
    found = unpack(data)
    if not isinstance(found, dict):
        raise UnreadableError("an array is no map")
    named: dict[str, Any] = {_name(key): value for key, value in found.items()}
    try:
        array = arrays.from_msgpack(named) if "nd" in named else None
    except arrays.NotSayable as problem:
        raise UnreadableError(str(problem)) from problem
    if array is None:
        raise UnreadableError("a map is no array")
    return array


def _name(key: Any) -> str:
    return key.decode("latin-1") if isinstance(key, bytes) else str(key)
