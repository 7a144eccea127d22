"""What is a volume in the user's hands? A part of it is a numpy array, by coordinates that stay what they are.

    vol = lab.dvid.volume("a1b2c3", "grayscale")
    vol[0:64, 0:256, 0:256]                           # z, y, x
    vol.read(start, stop, out=buffer, workers=8, progress=True)
    vol.read(box_nm=((0, 0, 0), (4000, 4000, 400)))   # nanometers
    vol.write(start, array)

The method is marked `result: volume` and names those that read, write and create. numpy is loaded when a volume is used.
"""

from __future__ import annotations

from labgate._at_once import at_once
from labgate._volume_about import about_of
from labgate._volume_boxes import shape_of
from labgate._volume_reach import Reach

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    import numpy as np

    from labgate._method import Method
    from labgate._progress import Shown
    from labgate._session import Session
    from labgate._volume_reach import Corner


class Volume(Reach):
    """A volume of voxels, whose parts are read as numpy arrays and written from them.

    Coordinates are absolute: a volume may begin anywhere, also below 0, and `vol[-10:20]` begins at the coordinate -10,
    not ten before the end. Bounds that are left out are those of the volume. A number instead of a slice drops its axis;
    `vol[::4]` reads everything between, and keeps every fourth. What lies beyond the volume's bounds is the service's to
    answer: a volume may have grown since. What there is for each axis stands in the order of `axes`.

    Attributes:
        node, instance: which version of which data; the version is its full name, so that it stays the same one.
        axes: their names, the slowest first: `("z", "y", "x")`.
        shape, offset: how many voxels, and the coordinate of the first one, when the gate was last asked (`refresh`).
        resolution, units: the size of a voxel, and in what it is measured.
        dtype: of a voxel, as numpy has it; `type` is the service's own name for the data.
        block_shape: in what parts the service keeps it.
        locked: the version is: what is versioned there does not change any more.
        channels: how many values a voxel has; where there are several, `c` is one of the axes.
        scale, scales: which resolution this is (0 is the finest), and all of them; see `at`.
    """

    __slots__ = ("__weakref__",)

    _session: Session

    def refresh(self) -> Volume:
        """Ask the gate again what the volume is: others may have written, so that it has grown. Returns the volume.

        Raises:
            Error: the gate does not say.
        """
        at_once(self._refresh())
        return self

    # What is in it.

    def read(
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
        timeout: float | None = ...,  # type: ignore[assignment]
    ) -> np.ndarray[Any, Any]:
        """A box of the volume as an array; all of it without a box.

        It comes in parts that follow the volume's blocks, several at once, each received in its place. It comes whole, or
        there is an error; Ctrl-C ends all of it.

        Args:
            start, stop: the corners, in voxels of the scale that is read, as slices have them; a corner that is left out
                is the volume's.
            out: the array to read into, with the box's shape and the volume's dtype, of any strides. After an error its
                contents are not defined.
            workers: how many parts are on their way at once.
            progress: show how far it is; or a function that is told: how much is done, and of how much.
            resolution, scale: read another scale; see `at`.
            box_nm: instead of start and stop: the corners in nanometers, for each axis in space. Voxel 0 begins at 0;
                voxels that lie in the box partly belong to it.
            timeout: seconds for all of it, None waits for ever; default: the client's.

        Raises:
            Error: it did not come whole.
            ValueError, TypeError: the box or `out` does not fit the volume.
        """
        return at_once(
            self._read(
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
        )

    def write(
        self,
        start: Corner,
        array: Any,
        unaligned: bool = False,
        workers: int = 4,
        progress: Shown = False,
    ) -> None:
        """Write an array, the first element of which comes to `start`.

        It leaves in parts of whole blocks, several at once. If one of them fails, others may have been written: the error's
        notes say how many.

        Args:
            start: the corner with the lowest coordinates.
            array: of as many axes as the volume; of another dtype only where no value of it could change.
            unaligned: the box need not begin and end between two blocks: blocks that it fills partly are read first, and
                written as a whole. What others write there between the two is lost.
            workers: how many parts are on their way at once.
            progress: show how far it is; or a function that is told: how much is done, and of how much.

        Raises:
            Locked: the version is locked. Nothing was sent.
            ValueError, TypeError: the array or the box does not fit the volume. Nothing was sent.
            Error: the gate or the service refuses.
        """
        at_once(self._write(start, array, unaligned, workers, progress))

    def __getitem__(self, key: Any) -> Any:
        """The part that the index means: an array, or one voxel; see the class."""
        return at_once(self._part(self._selection(key)))

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write a part, from an array or from one value for all of it; see `write`."""
        import numpy as np

        from labgate._volume_write import fitted

        asked = self._selection(key)
        if any(step > 1 for step in asked.steps):
            raise ValueError("volumes are written without steps: every voxel of a box")
        shape = shape_of(asked.box)
        wanted = tuple(length for axis, length in enumerate(shape) if axis not in asked.dropped)
        array = np.broadcast_to(fitted(value, self._dtype), wanted)
        self.write(asked.box[0], array.reshape(shape))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError("a volume is elsewhere: its array is always a copy")
        array = self.read()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[Any]:
        """The planes across the first axis, from the first to the last."""
        first = self.offset[0]
        return (self[at] for at in range(first, first + self.shape[0]))

    # How it shows itself.

    def _repr_html_(self) -> str:
        from labgate._volume_shown import html_of

        return html_of(self)

    def __reduce__(self) -> tuple[Any, ...]:
        link = self._session.link
        client = link.root.own_class()(self._session, link.root)
        return _remade, (client, self._method.name, self._about.answer, self._scale)


def volume_of(answer: object, session: Session, method: Method) -> Volume:
    """The volume that a method answered.

    Raises:
        BadReply: the answer describes none.
        MissingExtra: numpy is not installed.
    """
    return Volume(session, method, about_of(answer, method.name))


def _remade(client: Any, method: str, answer: dict[str, Any], scale: int) -> Volume:
    """The volume of a pickle; the gate is not asked."""
    session = client._session  # noqa: SLF001
    from labgate._method import Method

    made = Method(method, session.link.catalog.text(method))
    return Volume(session, made, about_of(answer, method), scale)
