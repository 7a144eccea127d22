"""Which part of a volume is meant, and how does it come and go? The same for those who wait and those who await."""

from __future__ import annotations

import json
import math

from labgate._at_once import settled
from labgate._origins import traced_part
from labgate._volume_boxes import (
    Selection,
    box_of,
    box_of_lengths,
    parts,
    selection,
    shape_of,
    slices,
)
from labgate._volume_found import wire_of
from labgate._volume_known import Known
from labgate.errors import Locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

    import numpy as np

    from labgate._method import Method
    from labgate._progress import Shown
    from labgate._session import Terms
    from labgate._volume_about import About
    from labgate._volume_boxes import Box

    Corner = Iterable[int]

_LEAST_PART = 2 * 1024 * 1024
_MOST_PART = 8 * 1024 * 1024
_MOST_VOXELS = 256**3  # above that DVID takes one read at a time, from everybody


class Reach(Known):
    """What all handles of volumes have in common."""

    __slots__ = ("_method", "_session")

    def __init__(self, session: Any, method: Method, about: About, scale: int = 0) -> None:
        super().__init__(about, scale, method.name)
        self._session = session
        self._method = method

    def at(self, scale: int | None = None, *, resolution: float | Iterable[float] | None = None) -> Self:
        """The same volume at another scale, whose coordinates are its own.

        Args:
            scale: its number.
            resolution: instead: how large a voxel may be, in the volume's units, for each axis in space or for all of
                them. It is the coarsest scale whose voxels are not larger; the finest, where all are.

        Raises:
            ValueError: there is no such scale.
        """
        if scale is None:
            scale = self._scale if resolution is None else self._scale_for(resolution)
        return type(self)(self._session, self._method, self._about, scale)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_")]

    def __repr__(self) -> str:
        from labgate._volume_shown import line_of

        return line_of(self)

    async def _refresh(self) -> None:
        asked = {"node": self._about.node, "instance": self._about.instance}
        fresh: Any = self._session.derive({"fresh": True})
        answer = await settled(fresh.call(self._method, asked))
        self._about = answer._about  # noqa: SLF001 - it is a volume, too

    async def _read(
        self,
        start: Corner | None,
        stop: Corner | None,
        out: np.ndarray[Any, Any] | None,
        workers: int,
        progress: Shown,
        *,
        resolution: float | Iterable[float] | None = None,
        scale: int | None = None,
        box_nm: tuple[Iterable[float], Iterable[float]] | None = None,
        timeout: float | None = ...,  # type: ignore[assignment]  # noqa: ASYNC109 - the user's word
    ) -> np.ndarray[Any, Any]:
        if scale is not None or resolution is not None:
            seen = self.at(scale, resolution=resolution)
            return await seen._read(  # noqa: SLF001 - it is this one
                start, stop, out, workers, progress, box_nm=box_nm, timeout=timeout
            )
        box = self._box(start, stop, box_nm)
        array = self._destination(out, shape_of(box))
        given: dict[str, Any] = {"timeout": timeout}
        options = self._session.options
        options = options if given["timeout"] is ... else options.replaced(given)
        await self._read_into(self._session, box, array, workers, options.timeout, progress)
        self._traced(array, box)
        return array

    def _traced(self, array: Any, box: Box) -> None:
        """Let an array be cited as what it is of."""
        asked = json.dumps({"node": self.node, "instance": self.instance}).encode()
        part: dict[str, Any] = {"start": [*map(int, box[0])], "stop": [*map(int, box[1])]}
        if self._scale:
            part["scale"] = self._scale
        traced_part(array, self._session.link, self._method.name, asked, part)

    async def _write(self, start: Corner, array: Any, unaligned: bool, workers: int, progress: Shown) -> None:
        from labgate._volume_write import Writing, fitted

        wire = self._writer()
        data = fitted(array, self._dtype)
        first = [*start]
        box = box_of(first, [low + length for low, length in zip(first, data.shape, strict=False)], self.axes)
        if shape_of(box) != data.shape:
            raise ValueError(f"the array has {data.ndim} axes, and the volume {self.ndim}")
        if self._about.placed < self.ndim and (box[0][-1], box[1][-1]) != (0, self.channels):
            raise ValueError(f"all {self.channels} channels are written at once")
        await Writing(self, self._session, wire, box, data).run(
            unaligned=unaligned, workers=workers, progress=progress
        )
        if any(low < mine for low, mine in zip(box[0], self.offset, strict=True)) or any(
            high > mine for high, mine in zip(box[1], self._found(0).stop, strict=True)
        ):
            await self._refresh()

    async def _part(self, asked: Selection) -> Any:
        """The part that an index means."""
        array = (await self._read(*asked.box, None, 8, False))[asked.local]
        if any(step > 1 for step in asked.steps):
            return array.copy()  # every so-manieth voxel is no box, and is not cited
        if array.ndim == self.ndim:
            self._traced(array, asked.box)
        return array

    def _selection(self, key: Any) -> Selection:
        return selection(key, self.axes, self._extents())

    def _box(self, start: Corner | None, stop: Corner | None, box_nm: Any) -> Box:
        extents = self._extents()
        if box_nm is None:
            return box_of(
                extents[0] if start is None else start, extents[1] if stop is None else stop, self.axes
            )
        if start is not None or stop is not None:
            raise TypeError("a box is given by start and stop, or by box_nm")
        return box_of_lengths(box_nm, self.axes, self.resolution, self.units, extents)

    def _destination(self, out: np.ndarray[Any, Any] | None, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
        import numpy as np

        if out is None:
            try:
                return np.empty(shape, self._dtype)
            except (MemoryError, ValueError) as error:
                size = math.prod(shape) * self._dtype.itemsize
                raise MemoryError(
                    f"the box {shape} of {self._dtype} has {size:,} bytes, for which there is no memory: "
                    "read it in parts, or coarser (resolution=)"
                ) from error
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out is a numpy array, not a {type(out).__name__}")
        if out.dtype != self._dtype:
            raise TypeError(f"out has the dtype {out.dtype}, and the volume {self._dtype}")
        if out.shape != shape:
            raise ValueError(f"out has the shape {out.shape}, and the box {shape}")
        if not out.flags.writeable:
            raise ValueError("out cannot be written to")
        return out

    async def _read_into(
        self,
        session: Terms,
        box: Box,
        array: np.ndarray[Any, Any],
        workers: int,
        timeout: float | None,  # noqa: ASYNC109 - the reading's own, which it tells the gate
        progress: Shown = False,
    ) -> None:
        """Fill an array from a box, by a session that may have options of its own."""
        import numpy as np

        from labgate._volume_read import Reading

        about = self._about
        if about.placed < self.ndim and shape_of(box)[-1] != about.channels:
            whole = (*box[0][:-1], 0), (*box[1][:-1], about.channels)
            room = np.empty(shape_of(whole), self._dtype)
            await self._read_into(session, whole, room, workers, timeout, progress)
            array[...] = room[slices(box, whole[0])]
            return
        least = array.nbytes // (2 * max(workers, 1)) if isinstance(workers, int) else 0
        most = min(min(max(least, _LEAST_PART), _MOST_PART) // self._dtype.itemsize, _MOST_VOXELS)
        params = {"node": self.node, "instance": self.instance, "scale": self._scale or None}
        reading = Reading(session, self._wire("read"), params, placed=about.placed, timeout=timeout)
        await reading.run(box, parts(box, about.read_shape, most), array, workers=workers, progress=progress)

    def _writer(self) -> str:
        """The method that writes.

        Raises:
            Locked, ValueError, NotFound: this is not to be written.
        """
        if self._about.locked and self._about.versioned:
            raise Locked(
                f"the node {self.node} is locked: {self.instance} cannot be written there",
                method=self._method.name,
            )
        if self._scale:
            raise ValueError("a volume is written at scale 0; coarser scales follow from it")
        return self._wire("write")

    def _wire(self, what: str) -> str:
        return wire_of(self._session, self._method, what)
