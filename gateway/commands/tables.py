"""How do commands show sizes, spans of time and rows to people?"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows as lines, their columns as wide as the widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def span(seconds: float) -> str:
    """Seconds in the largest unit that they fill."""
    size_, unit = next((one for one in _UNITS if seconds >= one[0]), _UNITS[-1])
    return f"{int(seconds // size_)} {unit}"


def moment(seconds: float) -> str:
    """Seconds that may be few, with three digits that count."""
    if seconds >= 1:
        return f"{seconds:.3g} s"
    return f"{seconds * 1000:.3g} ms" if seconds >= 0.001 else f"{seconds * 1_000_000:.3g} us"


def size(count: float) -> str:
    """Bytes in the largest unit that they fill."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def plain(text: str) -> str:
    """The text without anything that a terminal obeys: services and callers name things, too."""
    return "".join(one if one.isprintable() else "?" for one in text)


def told(value: Any) -> str:
    """A value of a gate's answer in words."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {told(one)}" for name, one in value.items() if one not in ([], None)) or "-"
    if isinstance(value, list):
        return ", ".join(map(told, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else plain(str(value))
