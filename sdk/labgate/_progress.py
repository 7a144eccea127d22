"""How far is it? tqdm's bar where that is installed, one line on a terminal otherwise, nothing else."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

_SECONDS_BETWEEN = 0.1
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Progress:
    """Bytes done of a total, which may be unknown; shown while the `with` block runs."""

    def __init__(self, label: str, total: int | None, done: int = 0, *, shown: bool = True) -> None:
        self._label = label
        self._total = total
        self._done = done
        self._next = 0.0
        self._bar = _bar(label, total, done) if shown else None
        self._line = shown and self._bar is None and sys.stderr is not None and sys.stderr.isatty()

    def advance(self, count: int) -> None:
        """So many bytes more are done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        elif self._line and time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN
            self._show("")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line:
            self._show("\n")

    def _show(self, end: str) -> None:
        of = f" of {_size(self._total)} ({100 * self._done // self._total} %)" if self._total else ""
        sys.stderr.write(f"\r{self._label}: {_size(self._done)}{of}\x1b[K{end}")
        sys.stderr.flush()


def _bar(label: str, total: int | None, done: int) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(desc=label, total=total, initial=done, unit="B", unit_scale=True, unit_divisor=1024)


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{count} B"
