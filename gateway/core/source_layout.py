"""Which partitions does a source have, and with which arguments is one of them asked for?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, ValidationError, convert

from gateway.core.arrays import NotSayable
from gateway.core.arrays import array as checked_array
from gateway.core.sources import Boxes, Container, Cut, Rows, Values

MOST_PARTS: Final = 1_000_000
"""Partitions of one source: Intake's client makes a task of each before it reads the first."""
GOOD_SIZE: Final = 8 << 20
"""Bytes of a part, about, where a volume says only what it can be read in."""
_MOST_AXES: Final = 32
_FARTHEST: Final = 1 << 53


class Layout(Struct, frozen=True, array_like=True):
    """What a source was found to be when it was opened; reads go by it, so that its ids say it.

    Of an array: dtype, shape, the coordinates of its first element (of as many axes as a reader is told), and the lengths of
    the first part and of all others along each axis. Of a table `shape` is empty. `parts` is how many there are.
    """

    container: Container
    parts: int
    dtype: Any = None
    shape: tuple[int, ...] = ()
    first: tuple[int, ...] = ()
    chunk: tuple[int, ...] = ()
    origin: tuple[int, ...] = ()

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...]:
        """The lengths of the parts along each axis."""
        return tuple(map(_lengths, self.shape, self.first, self.chunk))

    def said(self, dtype: Any = None) -> dict[str, Any]:
        """The schema, as Intake's servers say it; `dtype` is that of a table's columns."""
        if self.container == "dataframe":
            columns = len(dtype) if isinstance(dtype, Mapping) else None
            return {"container": "dataframe", "npartitions": self.parts, "dtype": dtype, "shape": [None, columns]}  # fmt: skip
        return {
            "container": "ndarray",
            "npartitions": self.parts,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "chunks": [list(along) for along in self.chunks],
        }

    def box(self, at: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The corners of the part of these indices, from 0 on."""
        start = tuple(
            0 if index == 0 else first + (index - 1) * chunk
            for index, first, chunk in zip(at, self.first, self.chunk, strict=True)
        )
        ends = (first + index * chunk for index, first, chunk in zip(at, self.first, self.chunk, strict=True))
        return start, tuple(map(min, ends, self.shape))


def _lengths(length: int, first: int, chunk: int) -> tuple[int, ...]:
    if length <= first:
        return (length,)
    whole, rest = divmod(length - first, chunk)
    return (first, *(chunk,) * whole, *((rest,) if rest else ()))


class TooManyParts(ValueError):  # noqa: N818 - names the situation
    """A source would be cut into more parts than any client could deal with."""

    def __init__(self, parts: int) -> None:
        super().__init__(f"it would have {parts} partitions, and at most {MOST_PARTS} can be dealt with")


def of_array(
    dtype: Any,
    shape: Sequence[int],
    chunk: Sequence[int],
    *,
    first: Sequence[int] | None = None,
    origin: Sequence[int] = (),
) -> Layout:
    """The layout of an array in boxes. Raises TooManyParts."""
    shape, chunk = tuple(shape), tuple(max(1, one) for one in chunk)
    first = chunk if first is None else tuple(first)
    parts = math.prod(map(_count, shape, first, chunk))
    if parts > MOST_PARTS:
        raise TooManyParts(parts)
    return Layout("ndarray", parts, dtype, shape, first, chunk, tuple(origin))


def _count(length: int, first: int, chunk: int) -> int:
    return 1 if length <= first else 1 + -(-(length - first) // chunk)


def of_rows(cut: Rows, count: int) -> int:
    """How many parts that many rows are. Raises TooManyParts."""
    parts = max(1, -(-count // cut.size))
    if parts > MOST_PARTS:
        raise TooManyParts(parts)
    return parts


# --- volumes


class About(Struct, frozen=True):
    """What a method whose result is a volume says of one, as far as reading it takes."""

    dtype: str
    axes: tuple[str, ...]
    shape: tuple[int, ...]
    offset: tuple[int, ...] = ()
    read_shape: tuple[int, ...] = ()
    channels: int = 1
    scales: tuple[dict[str, Any], ...] = ()


def of_volume(said: Any, scale: Any, chunks: Sequence[int] = ()) -> Layout:
    """The layout of a volume at a scale. Raises ValueError for what is no volume, and has no such scale.

    Parts lie at the borders of what the service reads by itself, as many of these as make a part of a good size.
    """
    try:
        about = convert(said, About)
    except ValidationError as problem:
        raise ValueError(f"what is said of the volume cannot be read: {problem}") from problem
    shape, offset = (about.shape, about.offset) if scale in (None, 0) else _scaled(about, scale)
    axes = len(about.axes)
    offset = offset or (0,) * axes
    unit = about.read_shape or (64,) * axes
    if not 0 < axes <= _MOST_AXES or not {len(shape), len(offset), len(unit)} == {axes}:
        raise ValueError("what is said of the volume contradicts itself: its axes, shape and offset differ")
    if chunks and len(chunks) != axes:
        raise ValueError(f"the volume has {axes} axes, and its parts {len(chunks)}")
    if any(not 0 <= one < _FARTHEST for one in shape) or any(abs(one) > _FARTHEST for one in offset):
        raise ValueError("the volume is larger than any array")
    if any(one < 1 for one in unit) or about.channels < 1:
        raise ValueError("what is said of the volume contradicts itself: parts without an extent")
    try:
        size = checked_array(about.dtype, [0], b"").dtype.itemsize
    except NotSayable as problem:
        raise ValueError(str(problem)) from problem
    chunk = tuple(chunks) or _good(unit, shape, size * about.channels)
    first = tuple(length - place % length for length, place in zip(chunk, offset, strict=True))
    more = (about.channels,) if about.channels > 1 and "c" not in about.axes else ()
    return of_array(about.dtype, (*shape, *more), (*chunk, *more), first=(*first, *more), origin=offset)


def _scaled(about: About, scale: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    for one in about.scales:
        if type(scale) is int and one.get("scale") == scale:
            try:
                return convert(one.get("shape"), tuple[int, ...]), convert(one.get("offset"), tuple[int, ...])
            except ValidationError as problem:
                raise ValueError("what is said of a scale of the volume cannot be read") from problem
    raise ValueError(f"the volume has no scale {str(scale)[:20]}")


def _good(unit: Sequence[int], shape: Sequence[int], size: int) -> tuple[int, ...]:
    """Units of a service, doubled along one axis after another, the fastest first, until a part is large enough."""
    chunk = list(unit)
    while math.prod(chunk) * size < GOOD_SIZE:
        short = [
            axis for axis, (length, whole) in enumerate(zip(chunk, shape, strict=True)) if length < whole
        ]
        if not short:
            break
        chunk[min(short, key=lambda axis: (chunk[axis] / unit[axis], -axis))] *= 2
    return tuple(chunk)


def corners(layout: Layout, at: Sequence[int]) -> tuple[list[int], list[int]]:
    """The coordinates of a part: its first element's, and those behind its last; axes that come whole have none."""
    start, stop = layout.box(at)
    return (
        [place + one for place, one in zip(layout.origin, start, strict=False)],
        [place + one for place, one in zip(layout.origin, stop, strict=False)],
    )


# --- what a part is asked for with


def arguments(cut: Cut | None, layout: Layout, at: Sequence[int]) -> dict[str, Any]:
    """The arguments that mean the part of these indices."""
    match cut:
        case Boxes():
            return _of_box(cut, *corners(layout, at))
        case Rows():
            return of_page(cut, at[0], _rows_of(cut, layout))
        case Values():
            return {cut.argument: cut.values[at[0]]}
    return {}


def _of_box(cut: Boxes, start: list[int], stop: list[int]) -> dict[str, Any]:
    size = [b - a for a, b in zip(start, stop, strict=True)]
    sides = {cut.start: start, cut.stop: stop, cut.size: size}
    return {name: one[::-1] if cut.reversed else one for name, one in sides.items() if name}


def _rows_of(cut: Rows, layout: Layout) -> int | None:
    return layout.shape[0] if layout.shape else cut.count


def of_page(cut: Rows, at: int, count: int | None = None) -> dict[str, Any]:
    """The arguments that mean the rows of a part, of whose source there are so many in all, as far as that is known."""
    begins = at * cut.size
    size = cut.size if count is None or cut.page else min(cut.size, count - begins)
    place = {cut.page: cut.first + at} if cut.page else {cut.start: begins}
    return place | ({cut.limit: size} if cut.limit else {})
