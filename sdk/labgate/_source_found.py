"""What is an answer with entries in the user's hands? The answer itself, whose entries can be opened.

    found = lab.data.search("needle")
    found["length"], found.names
    found[0].read()

The method says in `x-labgate.sources` which member holds the entries (`items`) and which method opens one (`source`); a
member `catalog` of the answer names the catalog that they are in.
"""

from __future__ import annotations

import operator

from labgate._method import Method
from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._session import Session
    from labgate._source import Source


class Found(dict[str, object]):
    """What a search answered; `found[0]` opens the first of its entries, `found["name"]` the one of that name."""

    __slots__ = ("_method", "_prefix", "_session")

    def __init__(self, session: Any, method: Method, answer: dict[str, Any]) -> None:
        super().__init__(answer)
        self._session = session
        self._method = method
        catalog = answer.get("catalog")
        self._prefix = f"{catalog}." if isinstance(catalog, str) and catalog else ""

    @property
    def names(self) -> list[str]:
        """The names of the entries, in their order."""
        listed = self.get(str((self._method.sources or {})["items"]))
        found = map(name_of, listed if isinstance(listed, list) else ())
        return [name for name in found if isinstance(name, str)]

    def __missing__(self, key: object) -> Source:
        found: Source = self._session.call(*self._opening(key))
        return found

    def _opening(self, key: object) -> tuple[Method, dict[str, object]]:
        """The method that opens an entry, and its parameters."""
        if isinstance(key, str):
            if key not in self.names:
                raise KeyError(key)
            name = key
        else:
            name = self.names[operator.index(key)]  # type: ignore[arg-type]
        link = self._session.link
        wire = _beside(self._method, str((self._method.sources or {})["source"]))
        opens = Method(wire, link.catalog.text(wire))
        asked: dict[str, object] = {"name": f"{self._prefix}{name}"}
        if self.get("within"):
            asked["within"] = self["within"]
        return opens, asked

    def __reduce__(self) -> tuple[Any, ...]:
        link = self._session.link
        client = link.root.own_class()(self._session, link.root)
        return _found_again, (client, self._method.name, dict(self))


def found_of(answer: object, session: Session, method: Method) -> Found:
    """What a search answered.

    Raises:
        BadReply: it is no object.
    """
    if not isinstance(answer, dict):
        raise BadReply("the answer has no entries", method=method.name, hint="")
    return Found(session, method, answer)


def _beside(method: Method, named: str) -> str:
    """A method's wire name, which may be written without the namespace of the one that names it."""
    return named if "." in named else f"{method.name.rpartition('.')[0]}.{named}"


def name_of(entry: object) -> object:
    """The name of an entry, if it is one."""
    return entry.get("name") if isinstance(entry, dict) else None


def _found_again(client: Any, method: str, answer: dict[str, Any]) -> Found:
    session = client._session  # noqa: SLF001
    return Found(session, Method(method, session.link.catalog.text(method)), answer)
