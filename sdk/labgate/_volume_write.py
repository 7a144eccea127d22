"""How does an array get into a volume, in parts of whole blocks?"""

from __future__ import annotations

import threading

from labgate._at_once import settled
from labgate._crew import everything
from labgate._method import Method
from labgate._progress import Progress
from labgate._volume_boxes import around, common, parts, seams, shape_of, slices
from labgate.errors import BadReply, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from labgate._progress import Shown
    from labgate._volume_boxes import Box
    from labgate._volume_reach import Reach

_MOST_PART = 8 * 1024 * 1024  # a part is copied into its request, for each worker


class Writing:
    """One writing of a box."""

    def __init__(
        self, volume: Reach, session: Any, method: str, box: Box, data: np.ndarray[Any, Any]
    ) -> None:
        self._volume = volume
        self._session = session
        self._method = Method(method, session.link.catalog.text(method))
        self._box = box
        self._data = data
        self._lock = threading.Lock()
        self._done = 0

    async def run(self, *, unaligned: bool, workers: int, progress: Shown) -> None:
        """Write it.

        Raises:
            ValueError: it does not follow the blocks, and was not said to be `unaligned`. Nothing was sent.
            Error: a part of it was refused.
        """
        jobs = await self._jobs(unaligned=unaligned)
        with Progress(self._method.name, self._data.nbytes, shown=progress) as shown:

            async def work(job: tuple[Box, bool]) -> None:
                part, filled = job
                mine = common(part, self._box) or part
                await self._send(part, self._of(mine) if filled else await self._mended(part, mine))
                with self._lock:
                    self._done += 1
                    shown.advance(self._of(mine).nbytes)

            try:
                await everything(self._session)(work, jobs, workers, lambda: None)
            except Error as error:
                error.add_note(f"{self._done} of {len(jobs)} parts were written.")
                raise

    async def _jobs(self, *, unaligned: bool) -> list[tuple[Box, bool]]:
        """The parts to write, and whether the data fill all of each."""
        volume, box, blocks = self._volume, self._box, self._volume.block_shape
        if 0 in shape_of(box):
            return []
        most = _MOST_PART // self._data.dtype.itemsize
        outer = around(box, blocks)
        if outer == box or volume._about.unaligned_writes:  # noqa: SLF001
            return [(part, True) for part in parts(box, blocks, most)]
        if not unaligned:
            raise ValueError(
                f"the box from {list(box[0])} to {list(box[1])} does not follow the volume's blocks of "
                f"{list(blocks)}: write the one from {list(outer[0])} to {list(outer[1])}, or say unaligned=True"
            )
        await volume._refresh()  # noqa: SLF001
        volume._writer()  # noqa: SLF001 - it may have been locked since
        return [(part, filled) for seam, filled in seams(box, blocks) for part in parts(seam, blocks, most)]

    async def _mended(self, part: Box, mine: Box) -> np.ndarray[Any, Any]:
        """What is there now, with the data in their place; zeros where the volume has not been."""
        import numpy as np

        volume = self._volume
        array = np.zeros(shape_of(part), self._data.dtype)
        there = common(part, volume._extents())  # noqa: SLF001
        if there is not None:
            fresh: Any = self._session.derive({"fresh": True})
            await volume._read_into(fresh, there, array[slices(there, part[0])], 1, fresh.options.timeout)  # noqa: SLF001
        array[slices(mine, part[0])] = self._of(mine)
        return array

    def _of(self, box: Box) -> np.ndarray[Any, Any]:
        return self._data[slices(box, self._box[0])]

    async def _send(self, part: Box, data: np.ndarray[Any, Any]) -> None:
        volume = self._volume
        start = [*part[0]][: volume._about.placed]  # noqa: SLF001
        answer = await settled(
            self._session.call(
                self._method,
                {"node": volume.node, "instance": volume.instance, "start": start, "data": data},
            )
        )
        written = answer.get("written") if isinstance(answer, dict) else None
        shape = [*data.shape][: len(start)]
        if written is not None and written != shape:
            raise BadReply(f"{written!r:.100} were written of {shape}", method=self._method.name, hint="")


def fitted(value: Any, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """The value as an array of this dtype, where none of it changes by that.

    Arrays are judged by their dtype, Python's own numbers by what they are; its floats are rounded to those of the volume.

    Raises:
        TypeError, ValueError: something of it would change.
    """
    import numpy as np

    array = np.asarray(value)
    if array.dtype == dtype:
        return array
    if np.can_cast(array.dtype, dtype, "safe"):
        return array.astype(dtype)
    if not hasattr(value, "dtype") and array.dtype.kind in "biuf":
        with np.errstate(invalid="ignore", over="ignore"):
            made = array.astype(dtype)
            if (array.dtype.kind == "f" and dtype.kind in "fc") or bool((made == array).all()):
                return made
    raise TypeError(
        f"values of dtype {array.dtype} may change in a volume of {dtype}: convert them with astype() first"
    )
