"""What does the gate say of a volume, and is it something that can be relied on?"""

from __future__ import annotations

from labgate._names import printable
from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_AXES = 8
CHANNELS = "c"


class Scale:
    """One resolution of a volume.

    Attributes:
        scale: its number; 0 is the finest.
        instance: the name under which the service has it.
        shape, offset: voxels along each axis, and the coordinate of the first one.
        resolution: the size of a voxel along each axis, in the volume's units.
    """

    __slots__ = ("instance", "offset", "resolution", "scale", "shape")

    def __init__(
        self,
        scale: int,
        instance: str,
        shape: tuple[int, ...],
        offset: tuple[int, ...],
        resolution: tuple[float, ...],
    ) -> None:
        self.scale = scale
        self.instance = instance
        self.shape = shape
        self.offset = offset
        self.resolution = resolution

    @property
    def stop(self) -> tuple[int, ...]:
        """The coordinate behind the last voxel, along each axis."""
        return tuple(first + length for first, length in zip(self.offset, self.shape, strict=True))

    def __repr__(self) -> str:
        return f"Scale({self.scale}, {printable(self.instance, 80)!r}, shape={self.shape}, resolution={self.resolution})"


class About:
    """The metadata of a volume at one moment; see `labgate.Volume` for what they mean.

    Attributes:
        answer: all of it, as the gate sent it.
        scales: every resolution, the finest first.
        placed: how many coordinates a corner has on the wire: channels that are no axis there are the last one here.
    """

    def __init__(self, answer: dict[str, Any]) -> None:
        """Raises ValueError, with the member's name, where a member is not what it should be."""
        self.answer = answer
        self.node = _text(answer, "node")
        self.instance = _text(answer, "instance")
        self.dtype = _text(answer, "dtype")
        self.type = _text(answer, "type") if "type" in answer else ""
        self.axes = _texts(answer, "axes")
        count = len(self.axes)
        if not 0 < count <= _MOST_AXES or len({*self.axes}) != count:
            raise ValueError(f"axes are 1 to {_MOST_AXES} different names")
        self.units = _texts(answer, "units") if answer.get("units") is not None else ("",) * count
        if len(self.units) != count:
            raise ValueError(f"units are {count} texts, one for each axis")
        blocks = answer.get("block_shape")
        self.block_shape = (1,) * count if blocks is None else _wholes(answer, "block_shape", count, least=1)
        self.read_shape = (
            self.block_shape
            if answer.get("read_shape") is None
            else _wholes(answer, "read_shape", count, least=1)
        )
        """In what parts the gate keeps it: reads that follow these are quickest."""
        self.channels = answer["channels"] if type(answer.get("channels")) is int else 1
        if self.channels < 1:
            raise ValueError("channels is no whole number from 1 on")
        self.locked = answer.get("locked") is True
        self.versioned = answer.get("versioned") is not False
        self.unaligned_writes = answer.get("unaligned_writes") is True
        self.scales = _scales(answer, self.instance, count)
        self.placed = count
        if self.channels > 1 and CHANNELS not in self.axes:
            self._add_channels()

    def _add_channels(self) -> None:
        count = self.channels
        self.axes, self.units = (*self.axes, CHANNELS), (*self.units, "")
        self.block_shape = (*self.block_shape, count)
        self.read_shape = (*self.read_shape, count)
        for one in self.scales:
            one.shape, one.offset = (*one.shape, count), (*one.offset, 0)
            one.resolution = (*one.resolution, 1.0)


def about_of(answer: object, method: str) -> About:
    """The metadata that a method answered.

    Raises:
        BadReply: they are none; it names the member that is wrong.
    """
    try:
        return About(answer if isinstance(answer, dict) else {})
    except ValueError as error:
        raise BadReply(f"the answer describes no volume: {error}", method=method, hint="") from None


def _scales(answer: dict[str, Any], instance: str, count: int) -> tuple[Scale, ...]:
    first = _scale(answer, "", 0, instance, count)
    listed = answer.get("scales")
    found = [first]
    for at, one in enumerate(listed if isinstance(listed, list) else ()):
        where = f"scales[{at}]."
        number = one.get("scale") if isinstance(one, dict) else None
        if type(number) is not int or number < 0:
            raise ValueError(f"{where}scale is no whole number from 0 on")
        if number:
            found.append(_scale(one, where, number, _text(one, "instance", where), count))
    found.sort(key=lambda one: one.scale)
    if len({one.scale for one in found}) != len(found):
        raise ValueError("scales has a number twice")
    return tuple(found)


def _scale(answer: dict[str, Any], where: str, number: int, instance: str, count: int) -> Scale:
    shape = _wholes(answer, "shape", count, where, least=0)
    offset = (0,) * count if answer.get("offset") is None else _wholes(answer, "offset", count, where)
    return Scale(number, instance, shape, offset, _resolution(answer, where, count))


def _resolution(answer: dict[str, Any], where: str, count: int) -> tuple[float, ...]:
    found = answer.get("resolution")
    if found is None:
        return (1.0,) * count
    sound = (
        isinstance(found, list)
        and len(found) == count
        and all(type(one) in (int, float) and 0 < one < 1e300 for one in found)
    )
    if not sound:
        raise ValueError(f"{where}resolution is no list of {count} numbers above 0")
    return tuple(float(one) for one in found)


def _text(answer: dict[str, Any], name: str, where: str = "") -> str:
    found = answer.get(name)
    if not isinstance(found, str) or not found:
        raise ValueError(f"{where}{name} is no text")
    return found


def _texts(answer: dict[str, Any], name: str) -> tuple[str, ...]:
    found = answer.get(name)
    if not (isinstance(found, list) and all(isinstance(one, str) for one in found)):
        raise ValueError(f"{name} is no list of texts")
    return tuple(found)


def _wholes(
    answer: dict[str, Any], name: str, count: int, where: str = "", *, least: int | None = None
) -> tuple[int, ...]:
    found = answer.get(name)
    sound = (
        isinstance(found, list)
        and len(found) == count
        and all(type(one) is int and (least is None or one >= least) for one in found)
    )
    if not sound:
        floor = "" if least is None else f" from {least} on"
        raise ValueError(f"{where}{name} is no list of {count} whole numbers{floor}")
    return tuple(found or ())
