"""What is a volume in the words of dvidclient: shape, dtype and axes, in Fortran order, and as JSON?"""

from __future__ import annotations

import json

from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    import numpy as np

_DTYPES = frozenset(
    (*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64")
)
_MOST_AXES = 8


class MetaInfo:
    """Shape, dtype and axes of a volume, as programs written for dvidclient have them.

    The order is Fortran's: the axis whose neighbours lie side by side in memory comes first. That is the channel's, which
    is always there: a volume of gray values has one channel. So `'cxyz'` of shape `(1, 300, 200, 100)` is what numpy calls
    a C-ordered array of 100 planes (z) with 200 lines (y) of 300 voxels (x).

    Attributes: all but dtype have one entry for each axis.
        shape: how many voxels, channels first.
        dtype: of one channel of a voxel, as numpy has it.
        axistags: as they were given: letters such as `'cxyz'`, or vigra's object; `keys` are the letters in any case.
        resolution, units: the size of a voxel and in what it is measured; 1 and empty for the channels.
        offset: the coordinate of the first voxel.
        labels: the name of each channel.
    """

    def __init__(
        self,
        shape: Iterable[int],
        dtype: Any,
        axistags: Any = "cxyz",
        *,
        resolution: Iterable[float] | None = None,
        units: Iterable[str] | None = None,
        offset: Iterable[int] | None = None,
        labels: Iterable[str] | None = None,
    ) -> None:
        """
        Args:
            shape, dtype, axistags: see the class. vigra's axistags bring their resolution along.
            resolution, units, offset: default: what the axistags say, else 1, "" and 0.
            labels: default: the dtype's name for each channel.

        Raises:
            ValueError, TypeError: they do not fit together, or the first axis is not the channels'.
        """
        import numpy as np

        self.shape = tuple(int(length) for length in shape)
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.axistags = axistags
        self.keys = "".join(str(getattr(tag, "key", tag)) for tag in axistags)
        count = len(self.shape)
        if self.keys[:1] != "c" or len({*self.keys}) != count or len(self.keys) != count:
            raise ValueError(
                f"the axistags are {count} different letters, the first of them c, and not {self.keys[:40]!r}"
            )
        if min(self.shape) < 0 or self.shape[0] < 1:
            raise ValueError("a shape has lengths from 0 on, and one channel at least")
        sizes = [getattr(tag, "resolution", 0) or 1 for tag in axistags] if resolution is None else resolution
        self.resolution = tuple(float(size) for size in sizes)
        self.units = ("",) * count if units is None else tuple(units)
        self.offset = (0,) * count if offset is None else tuple(int(first) for first in offset)
        self.labels = (self.dtype.name,) * self.shape[0] if labels is None else tuple(labels)
        if not len(self.resolution) == len(self.units) == len(self.offset) == count:
            raise ValueError(f"resolution, units and offset have {count} entries, as the shape")
        if len(self.labels) != self.shape[0]:
            raise ValueError(f"labels are the names of {self.shape[0]} channels")

    @classmethod
    def from_json(cls, text: str | bytes | dict[str, Any]) -> MetaInfo:
        """Read `{"Axes": [...], "Values": [...]}`, or what DVID's `metadata` is today, with the values in `Properties`.

        Raises:
            SetupError: it is neither; the message begins with the place that is wrong, like `Axes[1].Size`.
        """
        try:
            return _read(cls, json.loads(text) if isinstance(text, (str, bytes)) else text)
        except (ValueError, RecursionError) as error:
            if isinstance(error, SetupError):
                raise
            raise SetupError("the metadata are no JSON that can be read") from error

    create_from_json = from_json

    def to_dict(self, *, properties: bool = False) -> dict[str, Any]:
        """The metadata as DVID has them; with `properties` as it has them today. Channels are values, and no axis."""
        axes = [
            {"Label": key.upper(), "Resolution": size, "Units": unit, "Size": length, "Offset": first}
            for key, size, unit, length, first in zip(
                self.keys, self.resolution, self.units, self.shape, self.offset, strict=True
            )
        ][1:]
        values = [{"DataType": self.dtype.name, "Label": label} for label in self.labels]
        return {"Axes": axes, **({"Properties": {"Values": values}} if properties else {"Values": values})}

    def to_json(self, *, properties: bool = False) -> str:
        """The same as JSON text."""
        return json.dumps(self.to_dict(properties=properties))

    format_to_json = to_json

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MetaInfo) and self._all() == other._all()

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return f"MetaInfo({self.shape}, {self.dtype.name!r}, {self.keys!r})"

    def _all(self) -> tuple[Any, ...]:
        return (self.shape, self.dtype, self.keys, self.resolution, self.units, self.offset, self.labels)


def _read(kind: type[MetaInfo], found: Any) -> MetaInfo:
    _must(isinstance(found, dict), "the metadata", "an object")
    axes, values, where = found.get("Axes"), found.get("Values"), "Values"
    if values is None and isinstance(found.get("Properties"), dict):
        values, where = found["Properties"].get("Values"), "Properties.Values"
    _must(isinstance(axes, list) and 0 < len(axes) < _MOST_AXES, "Axes", f"a list of 1 to {_MOST_AXES - 1}")
    _must(isinstance(values, list) and len(values) > 0, where, "a list of one at least")
    keys = [_key(one, f"Axes[{at}]", axes[:at]) for at, one in enumerate(axes)]
    labels = [_label(one, f"{where}[{at}]", values[0]) for at, one in enumerate(values)]
    return kind(
        (len(values), *(one["Size"] for one in axes)),
        values[0]["DataType"],
        "c" + "".join(keys),
        resolution=(1.0, *(one.get("Resolution", 1.0) for one in axes)),
        units=("", *(one.get("Units", "") for one in axes)),
        offset=(0, *(one.get("Offset") or 0 for one in axes)),
        labels=labels,
    )


def _key(axis: Any, at: str, before: Sequence[Any]) -> str:
    """The letter of an axis that is what it should be."""
    _must(isinstance(axis, dict), at, "an object")
    label, size = axis.get("Label"), axis.get("Resolution", 1.0)
    letter = isinstance(label, str) and len(label) == 1 and label.isalpha() and label not in "cC"
    _must(letter, f"{at}.Label", "a letter for an axis, such as X")
    _must(
        label.lower() not in [one["Label"].lower() for one in before],
        f"{at}.Label",
        "another than those before",
    )
    _must(type(axis.get("Size")) is int and axis["Size"] >= 0, f"{at}.Size", "a whole number from 0 on")
    _must(type(size) in (int, float) and 0 < size < 1e300, f"{at}.Resolution", "a number above 0")
    _must(isinstance(axis.get("Units", ""), str), f"{at}.Units", "a text")
    _must(axis.get("Offset") is None or type(axis["Offset"]) is int, f"{at}.Offset", "a whole number")
    return str(label.lower())


def _label(value: Any, at: str, first: Any) -> str:
    """The name of a channel that is what it should be."""
    _must(isinstance(value, dict), at, "an object")
    known = isinstance(value.get("DataType"), str) and value["DataType"] in _DTYPES
    _must(known, f"{at}.DataType", f"one of {', '.join(sorted(_DTYPES))}")
    _must(value["DataType"] == first["DataType"], f"{at}.DataType", "that of the first channel")
    label = value.get("Label", value["DataType"])
    _must(isinstance(label, str), f"{at}.Label", "a text")
    return str(label)


def _must(holds: bool, what: str, be: str) -> None:
    if not holds:
        raise SetupError(f"{what} must be {be}")
