"""What is a volume in the hands of a user with an event loop?

vol = await lab.dvid.volume("a1b2c3", "grayscale")
await vol[0:64, 0:256, 0:256]
await vol.read(start, stop, out=buffer, workers=8)
"""

from __future__ import annotations

from labgate._volume_about import about_of
from labgate._volume_reach import Reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterable
    from typing import Any, ClassVar, NoReturn, Self

    import numpy as np

    from labgate._async_session import AsyncSession
    from labgate._method import Method
    from labgate._progress import Shown
    from labgate._volume_reach import Corner


class AsyncVolume(Reach):
    """A volume of voxels, whose parts are awaited; see `labgate.Volume` for coordinates and attributes.

    `vol[...]` is to be awaited, as is every method that asks the gate. Iterating is `async for`. The parts of a reading
    are on their way in tasks, and come straight into the array; a task that is cancelled ends all of them.
    """

    __slots__ = ("__weakref__",)

    _session: AsyncSession
    __iter__: ClassVar[None] = None

    async def refresh(self) -> Self:
        """Ask the gate again what the volume is; see `Volume.refresh`.

        Raises:
            Error: the gate does not say.
        """
        await self._refresh()
        return self

    async def read(
        self,
        start: Corner | None = None,
        stop: Corner | None = None,
        out: np.ndarray[Any, Any] | None = None,
        workers: int = 8,
        progress: Shown = False,
        *,
        resolution: float | Iterable[float] | None = None,
        scale: int | None = None,
        box_nm: tuple[Iterable[float], Iterable[float]] | None = None,
        timeout: float | None = ...,  # type: ignore[assignment]  # noqa: ASYNC109 - as Volume.read has it
    ) -> np.ndarray[Any, Any]:
        """A box of the volume as an array; all of it without a box. See `Volume.read`.

        Raises:
            Error: it did not come whole.
            ValueError, TypeError: the box or `out` does not fit the volume.
        """
        return await self._read(
            start,
            stop,
            out,
            workers,
            progress,
            resolution=resolution,
            scale=scale,
            box_nm=box_nm,
            timeout=timeout,
        )

    async def write(
        self,
        start: Corner,
        array: Any,
        unaligned: bool = False,
        workers: int = 4,
        progress: Shown = False,
    ) -> None:
        """Write an array, the first element of which comes to `start`. See `Volume.write`.

        Raises:
            Locked: the version is locked. Nothing was sent.
            ValueError, TypeError: the array or the box does not fit the volume. Nothing was sent.
            Error: the gate or the service refuses.
        """
        await self._write(start, array, unaligned, workers, progress)

    def __getitem__(self, key: Any) -> Coroutine[Any, Any, Any]:
        """The part that the index means, to be awaited: an array, or one voxel."""
        return self._part(self._selection(key))

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError("an assignment cannot be awaited: use `await vol.write(start, array)`")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise TypeError("the voxels have to be awaited: use `await vol.read()`")

    async def __aiter__(self) -> AsyncIterator[Any]:
        """The planes across the first axis, from the first to the last."""
        first = self.offset[0]
        for at in range(first, first + self.shape[0]):
            yield await self[at]

    def _repr_html_(self) -> str:
        from labgate._volume_shown import plain_html_of

        return plain_html_of(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._session.recipe()


def volume_of(answer: object, session: AsyncSession, method: Method) -> AsyncVolume:
    """The volume that a method answered.

    Raises:
        BadReply: the answer describes none.
        MissingExtra: numpy is not installed.
    """
    return AsyncVolume(session, method, about_of(answer, method.name))
