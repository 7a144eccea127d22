"""Do the methods that a program uses still agree with its lock file?

`labgate.lock` writes the file. A client that was given it says at its start, and whenever the gate's list changes, which
pinned methods have changed so that the program would get something else; calls of these are refused before anything
is sent, and everything else goes on.
"""

from __future__ import annotations

import os
import warnings

from labgate._lockfile import LockFile
from labgate._names import callers_level, printable
from labgate.errors import MethodChanged, MethodChangedWarning, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from labgate._catalog import Catalog
    from labgate._client import Client

_MOST_TOLD = 5


class Differences:
    """What `labgate.lock(..., check=True)` found: the reasons by the name of each method that has changed.

    True where there are any; shown as a line for each.
    """

    __slots__ = ("_found", "path")

    def __init__(self, path: str, found: dict[str, list[str]]) -> None:
        self.path = path
        self._found = found

    def __getitem__(self, name: str) -> list[str]:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        lines = [f"{printable(name, 200)}: {_told(self._found[name])}" for name in self._found]
        return "\n".join(lines) or f"{self.path}: nothing that is pinned has changed"


class Pins:
    """A lock file in use.

    Attributes:
        path: where it is.
        broken: why pinned methods may not be called, by their names.
    """

    __slots__ = ("_file", "broken", "path")

    def __init__(self, path: str | os.PathLike[str], file: LockFile | None = None) -> None:
        self.path = os.path.abspath(path)
        self._file = file or LockFile.read(self.path)
        self.broken: dict[str, str] = {}

    def twin(self) -> Pins:
        """The same file for another catalog, with which it has not been compared yet."""
        return Pins(self.path, self._file)

    @property
    def mark(self) -> str:
        """What tells this file from another, and from itself when it was written anew."""
        return f"{self.path}\0{self._file.text()}"

    def compare(self, catalog: Catalog, datastack: str | None) -> set[str]:
        """Look at a new catalog; a warning tells what has changed. Returns the methods for which this is news."""
        found = self._file.differences(catalog, datastack)
        before, self.broken = self.broken, {name: _told(reasons) for name, reasons in found.items()}
        news = {name for name, why in self.broken.items() if before.get(name) != why}
        if news:
            told = [f"{printable(name, 200)} ({self.broken[name]})" for name in sorted(news)]
            more = f" and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
            warnings.warn(
                f"{self.path} pins methods that have changed: {', '.join(told[:_MOST_TOLD])}{more}",
                MethodChangedWarning,
                stacklevel=callers_level(),
            )
        return news | (before.keys() - self.broken.keys())

    def refusal(self, name: str) -> MethodChanged:
        """The error of a call of a method that has changed."""
        why = self.broken.get(name, "it has changed")
        return MethodChanged(
            f"{printable(name, 200)} is not what {self.path} pins: {why}",
            method=name,
            hint=f"Change the program, then write the file anew: labgate lock -o {self.path}",
        )


def lock(
    client: Client,
    path: str | os.PathLike[str] = "labgate.lock",
    *,
    methods: str | Iterable[str] = "*",
    check: bool = False,
) -> Differences:
    """Write down what the methods of a client take and answer today, for a program that is to work in years.

    Later, `labgate.connect(lock=path)`, or LABGATE_LOCK in its environment, tells what has changed, and refuses to call
    what has changed so that the program would get something else. The file is JSON with a line per parameter.

    Args:
        client: whose methods they are.
        path: the file.
        methods: globs for the names of those that the program uses, like `jobs.*`.
        check: write nothing, and only compare the methods that the file pins.

    Returns:
        In which methods the file that was there differs.

    Raises:
        SetupError: with `check`, there is no lock file; else one of the globs finds no method.
        OSError: the file cannot be written.
    """
    link: Any = client._session.link  # noqa: SLF001
    where = os.fspath(path)
    if check:
        return Differences(where, LockFile.read(where).differences(link.catalog, link.datastack))
    wanted = wanted_by(methods, link.catalog.names())
    made = LockFile.of(link.catalog, str(link.address), link.datastack, wanted)
    before = LockFile.read(where).differences(link.catalog, link.datastack) if os.path.exists(where) else {}
    made.write(where)
    return Differences(where, before)


def wanted_by(globs: str | Iterable[str], names: Iterable[str]) -> Callable[[str], bool]:
    """Which of the names some globs find.

    Raises:
        SetupError: one of them finds none.
    """
    from fnmatch import fnmatchcase

    known = list(names)
    found: set[str] = set()
    for glob in [globs] if isinstance(globs, str) else globs:
        here = [name for name in known if fnmatchcase(name, glob)]
        if not here and glob != "*":
            raise SetupError(f"no method is called {glob!r}")
        found.update(here)
    return found.__contains__


def _told(reasons: list[str]) -> str:
    return printable("; ".join(reasons), 500)
