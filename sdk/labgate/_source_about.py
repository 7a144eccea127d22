"""What does the gate say of a source, and is it something that can be relied on?"""

from __future__ import annotations

import operator
from itertools import accumulate, product

from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import numpy as np

    from labgate._volume_boxes import Box

_MOST_AXES = 64
_MOST_BLOCKS = 1 << 24
CATALOG, ARRAY, TABLE = "catalog", "ndarray", "dataframe"


class About:
    """The metadata of a source at one moment; see `labgate.Source` for what they mean.

    Attributes:
        answer: all of it, as the gate sent it.
        name, container: the source's name with dots, and what it holds.
        within: the catalogs in which it has that name, where they were opened with parameters: each as the gate takes it.
        nested: it is a catalog.
        npartitions, shape, chunks: None where nobody says, or says no such thing.
    """

    def __init__(self, answer: dict[str, Any]) -> None:
        """Raises ValueError where it does not say what it is."""
        self.answer = answer
        self.name = _text(answer, "name")
        self.container = _text(answer, "container")
        self.within = _within(answer.get("within"))
        self.nested = answer.get("nested") is True or self.container == CATALOG
        count = answer.get("npartitions")
        self.npartitions: int | None = count if type(count) is int and count >= 0 else None
        self.shape = _shape(answer.get("shape"))
        self.chunks = _chunks(answer.get("chunks"), self.shape)

    @property
    def path(self) -> str:
        """The names that lead there, with dots."""
        return ".".join([*(str(one["name"]) for one in self.within), self.name])

    def dtype(self) -> Any:
        """numpy's, where the source is an array of numbers and numpy is there; else as it is said."""
        said = self.answer.get("dtype")
        found = self.numbers()
        return said if found is None else found

    def numbers(self) -> np.dtype[Any] | None:
        """The dtype in which an array of numbers travels; None for everything else, and without numpy."""
        said = self.answer.get("dtype")
        if self.container != ARRAY or not isinstance(said, str):
            return None
        try:
            import numpy as np
        except ImportError:
            return None
        try:
            found = np.dtype(said)
        except (TypeError, ValueError, SyntaxError):
            return None
        if found.kind not in "biufc":
            return None
        return found.newbyteorder("<") if found.byteorder == "=" else found

    def whole_shape(self) -> tuple[int, ...] | None:
        """The shape, where all of it is known."""
        if self.shape is None or any(one is None for one in self.shape):
            return None
        return tuple(one for one in self.shape if one is not None)

    def blocks(self) -> Iterator[tuple[list[int], Box]]:
        """Every block of an array with known chunks, in order: its indices, and where it lies."""
        ends = [[0, *accumulate(along)] for along in self.chunks or ()]
        for at in product(*(range(len(one) - 1) for one in ends)):
            start = tuple(one[index] for one, index in zip(ends, at, strict=True))
            stop = tuple(one[index + 1] for one, index in zip(ends, at, strict=True))
            yield [*at], (start, stop)

    def placed(self, chosen: Any) -> dict[Box, Any] | None:
        """Where in an array a partition lies, or all of them for None; None where too little is known of it."""
        shape = self.whole_shape()
        if shape is None or self.container != ARRAY:
            return None
        if chosen is None and self.chunks is not None and (self.npartitions or 0) > 1:
            return {box: at for at, box in self.blocks()}
        if chosen is None:
            return {((0,) * len(shape), shape): None} if self.npartitions in (None, 1) else None
        at = chosen
        if isinstance(chosen, int):
            if any(len(along) != 1 for along in (self.chunks or ())[1:]):
                return None  # which blocks a number means is the service's to say
            at = [chosen, *[0] * (len(shape) - 1)]
        box = self.block(at)
        return None if box is None else {box: chosen}

    def block(self, at: list[int]) -> Box | None:
        """Where the block with these indices lies; None where nobody says, or there is none."""
        chunks = self.chunks
        if chunks is None or len(at) != len(chunks):
            return None
        if any(not 0 <= index < len(along) for index, along in zip(at, chunks, strict=True)):
            return None
        start = tuple(sum(along[:index]) for index, along in zip(at, chunks, strict=True))
        stop = tuple(low + along[index] for low, index, along in zip(start, at, chunks, strict=True))
        return start, stop

    def partitions(self) -> list[Any]:
        """Every partition, in order, as `read` takes it; `[None]` where there is one, or where nobody says how many."""
        if self.container == ARRAY and self.chunks is not None:
            return [at for at, _ in self.blocks()]
        if self.npartitions is None or self.npartitions == 1:
            return [None]
        return [*range(self.npartitions)]


def about_of(answer: object, method: str) -> About:
    """The metadata that a method answered.

    Raises:
        BadReply: they are none; it names the member that is wrong.
    """
    try:
        return About(answer if isinstance(answer, dict) else {})
    except ValueError as error:
        raise BadReply(f"the answer describes no source: {error}", method=method, hint="") from None


def partition_of(given: Any) -> Any:
    """A partition as JSON has it: a number, a list of them, or None.

    Raises:
        TypeError: it is none.
    """
    if given is None:
        return None
    if isinstance(given, (list, tuple)):
        return [operator.index(one) for one in given]
    try:
        return operator.index(given)
    except TypeError:
        raise TypeError(
            f"a partition is a number, or the indices of a block, not a {type(given).__name__}"
        ) from None


def _within(said: object) -> list[dict[str, Any]]:
    if said is None:
        return []
    if not isinstance(said, list) or not all(isinstance(one, dict) and "name" in one for one in said):
        raise ValueError("within is no list of catalogs")
    return said


def _text(answer: dict[str, Any], name: str) -> str:
    found = answer.get(name)
    if not isinstance(found, str) or not found:
        raise ValueError(f"{name} is no text")
    return found


def _shape(said: object) -> tuple[int | None, ...] | None:
    if not isinstance(said, list) or len(said) > _MOST_AXES:
        return None
    if not all(one is None or (type(one) is int and one >= 0) for one in said):
        return None
    return tuple(said)


def _chunks(said: object, shape: tuple[int | None, ...] | None) -> tuple[tuple[int, ...], ...] | None:
    """The lengths of the blocks along each axis, where they are those of the shape.

    Some drivers tell one length for all blocks of an axis.
    """
    if not isinstance(said, list) or shape is None or len(said) != len(shape):
        return None
    found = []
    count = 1
    for one, length in zip(said, shape, strict=True):
        along = _along(one, length)
        if not along or sum(along) != length:
            return None
        count *= len(along)
        if count > _MOST_BLOCKS:
            return None
        found.append(along)
    return tuple(found)


def _along(said: object, length: int | None) -> tuple[int, ...] | None:
    if isinstance(said, list):
        return tuple(said) if all(type(one) is int and one >= 0 for one in said) else None
    if type(said) is not int or said < 1 or length is None or length > said * _MOST_BLOCKS:
        return None
    whole, rest = divmod(length, said)
    return (said,) * whole + ((rest,) if rest else ())
