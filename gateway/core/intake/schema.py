"""What does an opened source consist of, and is there such a part of it?"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

from gateway.core.intake.refusals import Refusal
from gateway.core.intake.wire import UnreadableError, canonical, pack
from gateway.core.naming import shown

_DECIDES: Final = ("container", "dtype", "shape", "npartitions", "chunks")
_MOST_AXES: Final = 64


def mark_of(said: Mapping[str, Any]) -> str:
    """What stands for the schema in the keys of its parts: parts of another schema are never taken for its own."""
    try:
        packed = pack(canonical({name: said.get(name) for name in _DECIDES}))
    except UnreadableError:
        packed = b""
    return blake2b(packed, digest_size=12).hexdigest()


def count(said: Mapping[str, Any]) -> int | None:
    """How many partitions there are, None if nobody says."""
    found = said.get("npartitions")
    return found if type(found) is int and found >= 0 else None


def lengths(said: Mapping[str, Any]) -> tuple[tuple[int, ...], ...] | None:
    """The lengths of the blocks along each axis of an array, None where its service does not say them.

    Some drivers tell one length for all blocks of an axis.
    """
    chunks, shape = said.get("chunks"), said.get("shape")
    if not isinstance(chunks, list) or not isinstance(shape, list) or len(chunks) != len(shape):
        return None
    found = [_blocks(along, length) for along, length in zip(chunks, shape, strict=True)]
    return tuple(one for one in found if one is not None) if None not in found else None


def _blocks(along: Any, length: Any) -> tuple[int, ...] | None:
    if isinstance(along, list):
        return tuple(along) if all(type(one) is int and one >= 0 for one in along) else None
    if type(along) is not int or type(length) is not int or along < 1 or not 0 <= length <= along << 20:
        return None
    whole, rest = divmod(length, along)
    return (along,) * whole + ((rest,) if rest else ())


def checked(said: Mapping[str, Any], name: str, partition: Any) -> Any:
    """The partition, if the source may have it; None means the whole. Raises Refusal, which says what there is."""
    if said.get("container") == "catalog":
        raise Refusal(400, f"{name} is a catalog: open one of its entries")
    parts = count(said)
    if partition is None:
        if parts is not None and parts > 1:
            raise Refusal(400, f"{name} has {parts} partitions: say which one")
        return None
    if type(partition) is int:
        _check_number(name, partition, parts)
        return partition
    if not isinstance(partition, list) or not 0 < len(partition) <= _MOST_AXES:
        raise Refusal(
            400, f"partition {shown(str(partition))} is neither a number nor a list of block indices"
        )
    if said.get("container") == "ndarray":
        _check_block(said, name, partition)
    elif said.get("container") in ("dataframe", "python"):
        raise Refusal(400, f"a partition of {name} is a number, not a list")
    elif not all(type(one) in (int, str) for one in partition):
        raise Refusal(400, f"partition {shown(str(partition))} holds more than numbers and texts")
    return partition


def _check_number(name: str, partition: int, parts: int | None) -> None:
    if partition < 0 or (parts is not None and partition >= parts):
        there = (
            f"{name} has {parts} partitions" if parts is not None else f"{name} counts its partitions from 0"
        )
        raise Refusal(400, f"partition {shown(str(partition))} is out of range: {there}")


def _check_block(said: Mapping[str, Any], name: str, partition: list[Any]) -> None:
    if not all(type(one) is int and 0 <= one < 2**31 for one in partition):
        raise Refusal(400, f"partition {shown(str(partition))} is no list of block indices")
    blocks = lengths(said)
    if blocks is None:
        return
    if len(partition) != len(blocks):
        raise Refusal(400, f"a block of {name} has {len(blocks)} indices, not {len(partition)}")
    numbers = [len(along) for along in blocks]
    if any(at >= number for at, number in zip(partition, numbers, strict=True)):
        raise Refusal(400, f"block {partition} is out of range: {name} has {numbers} blocks")
