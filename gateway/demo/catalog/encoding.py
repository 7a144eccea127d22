"""How do values travel? msgpack with moments and arrays as maps, tables as an Arrow stream; gzip where that is accepted."""

import gzip
import importlib.util
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

HAS_ARROW = importlib.util.find_spec("pyarrow") is not None

_MOMENT = "%Y%m%dT%H:%M:%S.%f"
_FORMATS = ("msgpack",)
_COMPRESSIONS = ("none", "gzip")


def pack(value: Any) -> bytes:
    """`value` as msgpack; a datetime becomes a map."""
    packed: bytes = msgpack.packb(value, default=_moment_as_map, use_bin_type=True)
    return packed


def unpack(data: bytes) -> Any:
    """The inverse of `pack`. Raises whatever msgpack does for other bytes, mostly a ValueError."""
    return msgpack.unpackb(data, raw=False, object_hook=_moment_of_map)


def encode(value: Any, container: str) -> bytes:
    """A part of a source in the format `msgpack`, which is an Arrow stream for tables."""
    if container == "dataframe":
        return _arrow(value)
    if container == "ndarray":
        packed: bytes = msgpack.packb(_array_as_map(value), use_bin_type=True)
        return packed
    return pack(value)


def chosen_format(accepted: Sequence[str]) -> str | None:
    """The last known format that is accepted, as the original chooses; None if there is none. No pickle is known."""
    return next((name for name in reversed(accepted) if name in _FORMATS), None)


def chosen_compression(accepted: Sequence[str]) -> str:
    """The last known compression that is accepted, else `none`."""
    return next((name for name in reversed(accepted) if name in _COMPRESSIONS), "none")


def compress(data: bytes, compression: str) -> bytes:
    """`data` in a compression that `chosen_compression` gave."""
    return gzip.compress(data, 1) if compression == "gzip" else data


def _moment_as_map(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"__datetime__": True, "as_str": value.strftime(f"{_MOMENT}%z")}
    raise TypeError(f"cannot pack {type(value).__name__}")


def _moment_of_map(value: dict[Any, Any]) -> Any:
    if "__datetime__" not in value:
        return value
    try:
        return datetime.strptime(value["as_str"], f"{_MOMENT}%z")
    except ValueError:
        return datetime.strptime(value["as_str"], _MOMENT)  # noqa: DTZ007 - as naive as it was sent


def _array_as_map(array: npt.NDArray[Any]) -> dict[bytes, Any]:
    """The map of the msgpack-numpy package, whose keys are bytes."""
    return {
        b"nd": True,
        b"type": array.dtype.str,
        b"kind": b"",
        b"shape": array.shape,
        b"data": array.tobytes(),
    }


def _arrow(columns: Mapping[str, npt.NDArray[Any]]) -> bytes:
    import pyarrow as pa

    table = pa.table({name: pa.array(_plain(values)) for name, values in columns.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _plain(values: npt.NDArray[Any]) -> Any:
    return values.tolist() if values.dtype == np.object_ else values
