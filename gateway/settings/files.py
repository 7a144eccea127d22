"""Which files do the settings come from, and has one of them changed?"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from gateway.settings.document import Written
from gateway.settings.includes import gather
from gateway.settings.placeholders import files_named

Marks: TypeAlias = dict[Path, tuple[int, ...] | None]
"""Of each file what changes with it: its time, its size and its place on the disk; None while there is none."""

_UNREAD: Final = ()
"""The mark of a file that was found a moment ago: it must be looked at once more."""
_READINGS: Final = 4
"""Readings for one look; a file that changes all the time has the next one, too."""


class Sources:
    """The settings file, all that it includes, and the files that `${file:…}` names, whether they are there or not.

    Which these are is in the files themselves: they are read for it when one of them has changed, and else never.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marks: Marks | None = None

    def look(self) -> Marks:
        """What the disk says of all of them now."""
        before = self._marks
        for _ in range(_READINGS):
            now = _marks(before or {})
            if now == before:
                return now
            # As of before the reading: what is written meanwhile is another change.
            before = self._marks = {file: now.get(file, _UNREAD) for file in _named_from(self._path)}
        return self._marks or {}


def _named_from(path: Path) -> set[Path]:
    found: list[Path] = []
    document, _ = gather(path, found)
    return {*found, *_named(document.data)}


def _named(value: Any) -> Iterator[Path]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _named(one)
    elif isinstance(value, list):
        for one in value:
            yield from _named(one)
    elif isinstance(value, Written):
        yield from files_named(value)


def _marks(files: Iterable[Path]) -> Marks:
    return {file: _mark(file) for file in files}


def _mark(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
