"""What is a volume in the user's hands? A part of it is a numpy array, by coordinates that stay what they are.

    vol = lab.dvid.volume("a1b2c3", "grayscale")
    vol[0:64, 0:256, 0:256]                           # z, y, x
    vol.read(start, stop, out=buffer, workers=8, progress=True)
    vol.read(box_nm=((0, 0, 0), (4000, 4000, 400)))   # nanometers
    vol.write(start, array)

The method is marked `result: volume` and names those that read, write and create. numpy is loaded when a volume is used.
"""

from __future__ import annotations

from labgate._volume_about import about_of
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
    from collections.abc import Iterable, Iterator
    from typing import Any

    import numpy as np

    from labgate._method import Method
    from labgate._session import Session
    from labgate._volume_about import About
    from labgate._volume_boxes import Box

    Corner = Iterable[int]

_LEAST_PART = 2 * 1024 * 1024
_MOST_PART = 8 * 1024 * 1024
_MOST_VOXELS = 256**3  # above that DVID takes one read at a time, from everybody


class Volume(Known):
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

    __slots__ = ("__weakref__", "_method", "_session")

    def __init__(self, session: Session, method: Method, about: About, scale: int = 0) -> None:
        super().__init__(about, scale, method.name)
        self._session = session
        self._method = method

    def at(self, scale: int | None = None, *, resolution: float | Iterable[float] | None = None) -> Volume:
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
        return Volume(self._session, self._method, self._about, scale)

    def refresh(self) -> Volume:
        """Ask the gate again what the volume is: others may have written, so that it has grown. Returns the volume.

        Raises:
            Error: the gate does not say.
        """
        asked = {"node": self._about.node, "instance": self._about.instance}
        answer = self._session.derive({"fresh": True}).call(self._method, asked)
        self._about = answer._about  # noqa: SLF001 - it is a volume, too
        return self

    # What is in it.

    def read(
        self,
        start: Corner | None = None,
        stop: Corner | None = None,
        out: np.ndarray[Any, Any] | None = None,
        workers: int = 8,
        progress: bool = False,
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
            progress: show how far it is.
            resolution, scale: read another scale; see `at`.
            box_nm: instead of start and stop: the corners in nanometers, for each axis in space. Voxel 0 begins at 0;
                voxels that lie in the box partly belong to it.
            timeout: seconds for all of it, None waits for ever; default: the client's.

        Raises:
            Error: it did not come whole.
            ValueError, TypeError: the box or `out` does not fit the volume.
        """
        if scale is not None or resolution is not None:
            return self.at(scale, resolution=resolution).read(
                start, stop, out, workers, progress, box_nm=box_nm, timeout=timeout
            )
        box = self._box(start, stop, box_nm)
        array = self._destination(out, shape_of(box))
        given: dict[str, Any] = {"timeout": timeout}
        options = self._session.options
        options = options if given["timeout"] is ... else options.replaced(given)
        self._read_into(self._session, box, array, workers, options.timeout, progress)
        return array

    def write(
        self,
        start: Corner,
        array: Any,
        unaligned: bool = False,
        workers: int = 4,
        progress: bool = False,
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
            progress: show how far it is.

        Raises:
            Locked: the version is locked. Nothing was sent.
            ValueError, TypeError: the array or the box does not fit the volume. Nothing was sent.
            Error: the gate or the service refuses.
        """
        from labgate._volume_write import Writing, fitted

        wire = self._writer()
        data = fitted(array, self._dtype)
        first = [*start]
        box = box_of(first, [low + length for low, length in zip(first, data.shape, strict=False)], self.axes)
        if shape_of(box) != data.shape:
            raise ValueError(f"the array has {data.ndim} axes, and the volume {self.ndim}")
        if self._about.placed < self.ndim and (box[0][-1], box[1][-1]) != (0, self.channels):
            raise ValueError(f"all {self.channels} channels are written at once")
        Writing(self, self._session, wire, box, data).run(
            unaligned=unaligned, workers=workers, progress=progress
        )
        if any(low < mine for low, mine in zip(box[0], self.offset, strict=True)) or any(
            high > mine for high, mine in zip(box[1], self._found(0).stop, strict=True)
        ):
            self.refresh()

    def __getitem__(self, key: Any) -> Any:
        """The part that the index means: an array, or one voxel; see the class."""
        asked = self._selection(key)
        array = self.read(*asked.box)[asked.local]
        return array.copy() if any(step > 1 for step in asked.steps) else array

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

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_")]

    def __repr__(self) -> str:
        from labgate._volume_shown import line_of

        return line_of(self)

    def _repr_html_(self) -> str:
        from labgate._volume_shown import html_of

        return html_of(self)

    def __reduce__(self) -> tuple[Any, ...]:
        link = self._session.link
        client = link.root.own_class()(self._session, link.root)
        return _remade, (client, self._method.name, self._about.answer, self._scale)

    # How it is done.

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
            return np.empty(shape, self._dtype)
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out is a numpy array, not a {type(out).__name__}")
        if out.dtype != self._dtype:
            raise TypeError(f"out has the dtype {out.dtype}, and the volume {self._dtype}")
        if out.shape != shape:
            raise ValueError(f"out has the shape {out.shape}, and the box {shape}")
        if not out.flags.writeable:
            raise ValueError("out cannot be written to")
        return out

    def _read_into(
        self,
        session: Session,
        box: Box,
        array: np.ndarray[Any, Any],
        workers: int,
        timeout: float | None,
        progress: bool = False,
    ) -> None:
        """Fill an array from a box, by a session that may have options of its own."""
        import numpy as np

        from labgate._volume_read import Reading

        about = self._about
        if about.placed < self.ndim and shape_of(box)[-1] != about.channels:
            whole = (*box[0][:-1], 0), (*box[1][:-1], about.channels)
            room = np.empty(shape_of(whole), self._dtype)
            self._read_into(session, whole, room, workers, timeout, progress)
            array[...] = room[slices(box, whole[0])]
            return
        least = array.nbytes // (2 * max(workers, 1)) if isinstance(workers, int) else 0
        most = min(min(max(least, _LEAST_PART), _MOST_PART) // self._dtype.itemsize, _MOST_VOXELS)
        params = {"node": self.node, "instance": self.instance, "scale": self._scale or None}
        reading = Reading(session, self._wire("read"), params, placed=about.placed, timeout=timeout)
        reading.run(box, parts(box, about.read_shape, most), array, workers=workers, progress=progress)

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
