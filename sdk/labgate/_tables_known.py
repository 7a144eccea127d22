"""What do tables know by their names, once these were asked for, and how do they show it?"""

from __future__ import annotations

from functools import partial

from labgate._names import attribute_name, closest, printable
from labgate.errors import BadReply, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Protocol

    from labgate._client import Node
    from labgate._method import Method

    class Origin(Protocol):
        """What stands on a namespace's class for a method that answers tables."""

        @property
        def function(self) -> Any: ...

        @property
        def method(self) -> Method: ...


_NAMES = (
    "annotation_table",
    "table_name",
    "name",
    "table",
)  # where metadata have a name, the first that they have
_MOST_SHOWN = 40


class _Missing:
    """`__getattr__` for instances only: see the one of clients."""

    def __get__(
        self, tables: KnownTables | None, owner: type[KnownTables] | None = None
    ) -> Callable[[str], Any]:
        if tables is None:
            raise AttributeError("__getattr__")
        return partial(_missing, tables)


class KnownTables:
    """Tables by their names; see `labgate.Tables`."""

    __slots__ = ("_found", "_function", "_kwargs", "_method", "_node", "_origin")

    def __init__(self, origin: Origin, node: Node, kwargs: dict[str, Any]) -> None:
        self._origin = origin
        self._function: Any = origin.function.__get__(node)
        self._method = origin.method
        self._node = node
        self._kwargs = kwargs
        self._found: dict[str, dict[str, Any]] | None = None

    if not TYPE_CHECKING:
        __getattr__ = _Missing()

    @property
    def __wrapped__(self) -> Any:
        """The method itself, whose signature this has."""
        return self._function

    def __getitem__(self, name: str) -> Any:
        raise NotImplementedError

    @property
    def table_names(self) -> list[str]:
        """Every table's name, in order."""
        return sorted(self._known())

    def find(self, text: str) -> list[str]:
        """The names that have a text in them, in capitals or not."""
        return [name for name in self.table_names if text.casefold() in name.casefold()]

    def __contains__(self, name: object) -> bool:
        return name in self._known()

    def __iter__(self) -> Iterator[str]:
        return iter(self.table_names)

    def __len__(self) -> int:
        return len(self._known())

    def __bool__(self) -> bool:
        return True

    def __dir__(self) -> list[str]:
        own = [name for name in object.__dir__(self) if not name.startswith("_")]
        return sorted({*own, *(name for name in self._shown() if attribute_name(name) == name)})

    def _ipython_key_completions_(self) -> list[str]:
        return self._shown()

    def __repr__(self) -> str:
        names = [printable(name, 80) for name in self._shown()]
        more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
        return f"<labgate tables {self._method.name}: {', '.join(names[:_MOST_SHOWN])}{more}>"

    def _repr_html_(self) -> str:
        from labgate._page import page, quiet, strong, table

        names = self._shown()
        known = self._found or {}
        rows = ((strong(name), printable(known.get(name, {}).get("description"), 200)) for name in names)
        shown, count = table(("table", "description"), rows, filtered=True)
        return page(shown, quiet(f"{count} of {len(names)} tables are shown.") if count < len(names) else "")

    def _known(self) -> dict[str, dict[str, Any]]:
        """Names and metadata.

        Raises:
            Error: they are not to be had.
        """
        raise NotImplementedError

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """The arguments of a call by their names; None where they do not fit, which the method itself says best."""
        names = [str(one.name) for one in self._method.named[: self._method.positional]][: len(args)]
        if len(names) < len(args) or kwargs.keys() & {*names}:
            return None
        return {**dict(zip(names, args, strict=False)), **kwargs}

    def _absent(self, name: str) -> KeyError:
        near = [printable(one, 80) for one in closest(name, self._known())]
        return KeyError(f"no table {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))

    def _shown(self) -> list[str]:
        """The names for eyes and completion: there, a gate that is away is no error."""
        try:
            return self.table_names
        except Error:
            return []


def checked_name(name: object) -> None:
    """Refuse what names no table anywhere.

    Raises:
        TypeError: it is no text.
    """
    if not isinstance(name, str):
        raise TypeError(f"a table is named by a str, not by {type(name).__name__}")


def names_of(answer: object, method: str) -> dict[str, dict[str, Any]]:
    """The metadata by name, of an answer that is a list of names, a list of objects, or an object by names.

    Raises:
        BadReply: it is something else.
    """
    if isinstance(answer, dict):
        return {str(name): about if isinstance(about, dict) else {} for name, about in answer.items()}
    found: dict[str, dict[str, Any]] = {}
    for one in answer if isinstance(answer, list) else (None,):
        about = one if isinstance(one, dict) else {}
        name = one if isinstance(one, str) else next((about[key] for key in _NAMES if about.get(key)), None)
        if not isinstance(name, str):
            raise BadReply("the answer names no tables", method=method, hint="")
        found[name] = about
    return found


def _missing(tables: KnownTables, name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(f"{type(tables).__name__!r} object has no attribute {name!r}")
    try:
        return tables[name]
    except KeyError as error:
        raise AttributeError(error.args[0]) from None
