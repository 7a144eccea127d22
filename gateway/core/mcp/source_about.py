"""What is an agent told of a source? What it is, how large, where its parts are read, and how a program reads all of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.core.arrays import array
from gateway.core.mcp.texts import readable
from gateway.core.openrpc import json_text
from gateway.core.source_ids import Opened
from gateway.core.source_layout import Layout

_DROPPED: Final = ("metadata", "parameters", "columns", "description", "chosen", "problem", "read")
"""What is left out where there is too much to be told, in this order."""


def about(opened: Opened, told: Mapping[str, Any]) -> dict[str, Any]:
    """The source as it was found: `told` is what Intake's clients are told of it."""
    source, layout = opened.source, opened.layout
    said: dict[str, Any] = {
        "name": source.name,
        "description": readable(source.description),
        "container": layout.container,
        **(_of_array(layout) if layout.container == "ndarray" else {"columns": told.get("dtype")}),
        "partitions": layout.parts,
        "parameters": [dict(one) for one in source.declared],
        "chosen": dict(opened.chosen),
        "metadata": {**told.get("metadata", {}), **source.metadata},
    }
    return {name: one for name, one in said.items() if one not in ("", [], {}, None)}


def _of_array(layout: Layout) -> dict[str, Any]:
    said: dict[str, Any] = {
        "dtype": layout.dtype,
        "shape": layout.shape,
        "bytes": size_of(layout),
        "grid": tuple(map(len, layout.chunks)),
        "partition_shape": tuple(map(min, layout.chunk, layout.shape)),
    }
    if layout.first != layout.chunk and layout.parts > 1:
        said["first_partition_shape"] = layout.first
    return said


def size_of(layout: Layout, at: Sequence[int] | None = None) -> int | None:
    """How many bytes an array has, or the part of it at these indices; None of a table, of which nobody knows."""
    if layout.container != "ndarray":
        return None
    shape = layout.shape
    if at is not None:
        start, stop = layout.box(at)
        shape = tuple(b - a for a, b in zip(start, stop, strict=True))
    return math.prod(shape) * array(layout.dtype, [0], b"").dtype.itemsize


def telling_part(layout: Layout) -> list[int]:
    """The part that tells most of a source: the first of a table, the middle one of an array."""
    if layout.container != "ndarray":
        return [0]
    return [len(along) // 2 for along in layout.chunks]


def note(layout: Layout, cut: int, most: int) -> str:
    """How much of the source follows; `cut` is how many bytes the part has that is not shown whole, 0 where it is.

    `most` is how many bytes an agent is told.
    """
    alone = layout.parts <= 1
    if alone and not cut:
        return "All of it follows."
    which = "it" if alone else f"one of {layout.parts} partitions"
    words = f"What can be shown of {which} follows." if cut else f"{which.capitalize()} follows."
    size = size_of(layout) or (cut if alone else 0)
    if size > most:
        words += f" All of it has {size} bytes, which is too much for an agent."
    return f"{words} {_READ}"


_READ: Final = "`read` says where each partition is, how a program reads all of it by intake, and by which call of labgate."


def written(said: dict[str, Any], most: int) -> str:
    """As JSON, in at most so many bytes as far as something can be left out."""
    said, left_out = dict(said), []
    text = json_text(said)
    for name in _DROPPED:
        if len(text) <= most:
            break
        if said.pop(name, None) is not None:
            left_out.append(name)
            text = json_text({**said, "left_out": left_out})
    return text.decode()
