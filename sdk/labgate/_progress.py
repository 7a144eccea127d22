"""How far is it? tqdm's bar where that is installed, one line on a terminal otherwise, nothing in pipes and logs.

Or a function of the user's: `progress=lambda done, total: ...`.
"""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    Shown = bool | Callable[[int, int | None], object]

_SECONDS_BETWEEN = 0.1
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
BYTES = "B"


class Progress:
    """So many done of a total, which may be unknown; shown while the `with` block runs."""

    def __init__(
        self, label: str, total: int | None, done: int = 0, *, shown: Shown = True, unit: str = BYTES
    ) -> None:
        """
        Args:
            label: what it is of.
            total: how many there are, None where that is not known.
            done: how many were done before.
            shown: whether anybody is to see it, or the function that is told: how many are done, and of how many.
            unit: what is counted.
        """
        self._label = label
        self._total = total
        self._done = done
        self._unit = unit
        self._next = 0.0
        self._tell = shown if callable(shown) else None
        wanted = shown is True
        self._bar = _bar(label, total, done, unit) if wanted else None
        self._line = wanted and self._bar is None and _on_a_terminal()

    def advance(self, count: int) -> None:
        """So many more are done."""
        self._done += count
        if self._tell is not None:
            self._tell(self._done, self._total)
        elif self._bar is not None:
            self._bar.update(count)
        elif self._line and time.monotonic() >= self._next:
            self._next = time.monotonic() + _SECONDS_BETWEEN
            self._show("")

    def reach(self, done: float, total: float | None) -> None:
        """It has come so far, of so many: for what counts by itself."""
        self._total = None if total is None else round(total)
        if self._bar is not None:
            self._bar.total = self._total
        self.advance(round(done) - self._done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        elif self._line:
            self._show("\n")

    def _show(self, end: str) -> None:
        of = ""
        if self._total and self._unit != "%":
            of = f" of {self._counted(self._total)} ({100 * self._done // self._total} %)"
        sys.stderr.write(f"\r{self._label}: {self._counted(self._done)}{of}\x1b[K{end}")
        sys.stderr.flush()

    def _counted(self, count: int) -> str:
        if self._unit == BYTES:
            return _size(count)
        return f"{count} {self._unit}" if self._unit in ("s", "%") else str(count)


def _on_a_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _bar(label: str, total: int | None, done: int, unit: str) -> Any:
    """tqdm's bar, None where it is not installed; outside of notebooks it shows nothing where there is no terminal."""
    notebook = _in_a_notebook()
    settings: dict[str, Any] = {"desc": label, "total": total, "initial": done, "unit": unit}
    if unit == BYTES:
        settings |= {"unit_scale": True, "unit_divisor": 1024}
    if notebook:
        try:
            __import__("ipywidgets")  # without it, tqdm's bar for notebooks raises something else
            from tqdm.notebook import tqdm as widget

            return widget(**settings)
        except ImportError:
            pass
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(**settings, disable=False if notebook else None)


def _in_a_notebook() -> bool:
    """Whether the output is a notebook's: a kernel runs this, and shows what is displayed."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return shell is not None and hasattr(shell(), "kernel")


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{count} B"
