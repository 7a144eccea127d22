"""How does a volume show itself, in a line and in a notebook?"""

from __future__ import annotations

from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    import numpy as np

    from labgate._page import Markup
    from labgate._volume import Volume
    from labgate._volume_known import Known

_LONGEST_SIDE = 384
_SECONDS = 10.0
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def line_of(volume: Known) -> str:
    """The volume in one line."""
    axes = ", ".join(
        f"{printable(axis, 10)} {first}:{first + length}"
        for axis, first, length in zip(volume.axes, volume.offset, volume.shape, strict=True)
    )
    at = f" scale={volume.scale}" if volume.scale else ""
    locked = " locked" if volume.locked else ""
    return (
        f"<labgate volume {printable(volume.instance, 80)} of {printable(volume.node, 32)[:8]}: "
        f"{volume.dtype} ({axes}){at}{locked}>"
    )


def html_of(volume: Volume) -> str:
    """The volume as a table, with a picture of its middle where that can be had."""
    return _beside(_rows(volume), _picture(volume))


def _rows(volume: Known) -> Markup:
    from labgate._page import facts

    state = "locked" if volume.locked else "open"
    rows: list[tuple[str, Any]] = [
        ("volume", f"{volume.instance} ({volume.type})" if volume.type else volume.instance),
        ("node", f"{volume.node} ({state})"),
        ("dtype", volume.dtype),
        ("axes", ", ".join(volume.axes)),
        ("shape", " × ".join(map(str, volume.shape))),
        ("offset", ", ".join(map(str, volume.offset))),
        ("voxel", _voxel(volume)),
        ("blocks", " × ".join(map(str, volume.block_shape))),
        ("scales", f"{volume.scale} of {', '.join(str(one.scale) for one in volume.scales)}"),
        ("memory", _size(volume.nbytes)),
    ]
    return facts((name, printable(str(said), 200)) for name, said in rows)


def plain_html_of(volume: Known) -> str:
    """The same without a picture, for those who would have to await it."""
    return _beside(_rows(volume), "")


def _beside(shown: Markup, picture: str) -> str:
    from labgate._page import Markup, page

    beside = "display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start"
    return page(Markup(f'<div style="{beside}"><div>{shown}</div>{picture}</div>'))


def _voxel(volume: Known) -> str:
    """The size of a voxel; a unit that all axes share is said once."""
    if len(set(volume.units)) == 1:
        return f"{' × '.join(f'{size:g}' for size in volume.resolution)} {volume.units[0]}".strip()
    return " × ".join(
        f"{size:g} {unit}".strip() for size, unit in zip(volume.resolution, volume.units, strict=True)
    )


def _picture(volume: Volume) -> str:
    """The middle plane as an image; nothing where it cannot be had, whatever the reason."""
    import base64
    from html import escape

    try:
        from labgate._png import png_of

        plane, where = middle_of(volume)
        png = png_of(pixels_of(plane, labels="label" in volume.type))
    except Exception:  # noqa: BLE001 - a notebook's cell shows the volume, and no error of its picture
        return ""
    data = base64.b64encode(png).decode("ascii")
    image = f'<img alt="the middle plane" src="data:image/png;base64,{data}" style="margin: 0">'
    return f'<figure style="margin: 0">{image}<figcaption>{escape(where)}</figcaption></figure>'


def middle_of(volume: Volume) -> tuple[np.ndarray[Any, Any], str]:
    """The middle of the plane in the middle, and where that is.

    Its axes are the last two in space; it is of the finest scale that shows all of it.
    """
    flat = [axis for axis, name in enumerate(volume.axes) if name != "c"][-2:]
    fits = (one.scale for one in volume.scales if one.scale >= volume.scale and _shows(one.shape, flat))
    seen = volume.at(next(fits, volume.scales[-1].scale))
    start, stop = [], []
    for axis, (first, length) in enumerate(zip(seen.offset, seen.shape, strict=True)):
        side = min(length, _LONGEST_SIDE) if axis in flat else min(length, 1)
        low = first + length // 2 - side // 2
        start.append(low)
        stop.append(low + side)
    array = seen.read(start, stop, workers=2, timeout=_SECONDS)
    places = [f"{name} {start[axis]}" for axis, name in enumerate(seen.axes) if axis not in flat]
    where = ", ".join([*places, *([f"scale {seen.scale}"] if seen.scale else [])])
    plane = array.reshape([length for axis, length in enumerate(array.shape) if axis in flat])
    return plane, printable(where, 80)


def _shows(shape: tuple[int, ...], flat: list[int]) -> bool:
    return all(shape[axis] <= _LONGEST_SIDE for axis in flat)


def pixels_of(plane: np.ndarray[Any, Any], *, labels: bool) -> np.ndarray[Any, Any]:
    """The plane as bytes to look at: values from dark to light, or a colour for each label, black for 0."""
    import numpy as np

    if labels and plane.dtype.kind in "iu":
        mixed = plane.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        colours = np.stack([(mixed >> np.uint64(shift)).astype(np.uint8) for shift in (56, 48, 40)], axis=-1)
        return np.where((plane == 0)[..., None], np.uint8(0), colours | np.uint8(0x40))
    if plane.dtype == np.uint8:
        return plane
    values = np.abs(plane) if plane.dtype.kind == "c" else plane.astype(np.float64)
    seen = values[np.isfinite(values)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    values = np.nan_to_num(values, nan=low, posinf=high, neginf=low)
    shades: np.ndarray[Any, Any] = ((values - low) * (255.0 / ((high - low) or 1.0))).astype(np.uint8)
    return shades


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_SIZES) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_SIZES[unit]}" if unit else f"{count} B"
