"""How is the answer to a read written around data that may still be on their way?"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final

import msgpack

from gateway.core.intake.encodings import MSGPACK, PLAIN

MOST: Final = (1 << 32) - 1
"""Bytes of one value in msgpack, and so of one partition."""
_ROOM: Final = 1 << 12


def before_data(container: str, length: int) -> bytes:
    """What stands before the data of an answer without compression; they are its end. `length` is at most MOST."""
    said = {"format": MSGPACK, "compression": PLAIN, "container": container}
    return _map_but_for(said, "data") + _binary_head(length)


def before_array(dtype: str | list[Any], shape: tuple[int, ...], length: int) -> bytes:
    """What stands before the bytes of an array, in C order, in the map that msgpack-numpy makes; they are its end."""
    kind = b"" if isinstance(dtype, str) else b"V"
    said = {b"nd": True, b"type": dtype, b"kind": kind, b"shape": shape}
    return _map_but_for(said, b"data") + _binary_head(length)


def before_array_data(dtype: str | list[Any], shape: tuple[int, ...], length: int) -> bytes:
    """What stands before the bytes of an array in the whole answer. Raises ValueError for more than an answer holds."""
    if length > MOST - _ROOM:
        raise ValueError(f"a partition of {length} bytes is more than msgpack can say")
    inner = before_array(dtype, shape, length)
    return before_data("ndarray", len(inner) + length) + inner


def _map_but_for(said: Mapping[Any, Any], last: str | bytes) -> bytes:
    """A map without the value of its last member."""
    packer = msgpack.Packer()
    packed: list[bytes] = [packer.pack_map_header(len(said) + 1)]
    packed += [packer.pack(one) for pair in said.items() for one in pair]
    packed.append(packer.pack(last))
    return b"".join(packed)


def _binary_head(length: int) -> bytes:
    if length < 1 << 8:
        return struct.pack(">BB", 0xC4, length)
    return struct.pack(">BH", 0xC5, length) if length < 1 << 16 else struct.pack(">BI", 0xC6, length)
