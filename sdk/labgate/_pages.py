"""How is a list that comes in pages gone through, so that it is the list of one moment?"""

from __future__ import annotations

from labgate._method import Method
from labgate.errors import BadReply, PageChanged, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from labgate._session import Session

    Ask = Callable[[dict[str, Any]], Any]

_TOTAL = "length"


def pages(
    method: Any, /, *args: Any, page_size: int = 1000, restart: bool = False, **kwargs: Any
) -> Iterator[Any]:
    """The items of a method that answers them page by page, one after the other.

    Args:
        method: one that the gate marks with `page`, like `lab.data.entries`.
        args: its arguments.
        page_size: how many items are asked for at once.
        restart: where the list changes on the way, begin again; items that came before then come again.
        kwargs: its arguments by name.

    Raises:
        PageChanged: the list changed on the way.
        TypeError: that is no such method.
        Error: a page did not come.
    """
    receiver = getattr(method, "__self__", None)
    session: Session | None = getattr(receiver, "_session", None)
    name = getattr(getattr(method, "__func__", None), "__qualname__", None)
    if session is None or not isinstance(name, str):
        raise TypeError("pages are those of a method of a client, like lab.data.entries")
    known = Method(name, session.link.catalog.text(name))
    marks = _marks(known)

    def ask(wires: dict[str, Any]) -> Any:
        return method(*args, **kwargs, **known.named_for(wires))

    return _items(ask, name, marks, page_size, restart=restart)


def pages_of(
    session: Session, method: Method, params: dict[str, Any], page_size: int = 1000
) -> Iterator[Any]:
    """The same for a method as it is called within.

    Raises: as `pages` does.
    """
    return _items(
        lambda wires: session.call(method, {**params, **wires}),
        method.name,
        _marks(method),
        page_size,
        restart=False,
    )


def _items(ask: Ask, name: str, marks: dict[str, str], size: int, *, restart: bool) -> Iterator[Any]:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise SetupError("page_size is a whole number from 1 on")
    offset, length = 0, None
    while True:
        answer = ask({marks["size"]: size, marks["offset"]: offset})
        items = answer.get(marks["items"]) if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise BadReply(f"the page has no list {marks['items']!r}", method=name, hint="")
        said = answer.get(_TOTAL)
        total = said if type(said) is int else None
        if offset and total != length:
            if not restart:
                raise PageChanged(f"the list had {length} items, and has {total} by now", method=name)
            offset, length = 0, None
            continue
        yield from items
        offset, length = offset + len(items), total
        if not items or (len(items) < size if total is None else offset >= total):
            return


def _marks(method: Method) -> dict[str, str]:
    """Which of the method's words mean size, offset and items.

    Raises:
        TypeError: it has no pages.
    """
    notes = method.description.get("x-labgate")
    page = notes.get("page") if isinstance(notes, dict) else None
    if not isinstance(page, dict) or not all(
        isinstance(page.get(one), str) for one in ("size", "offset", "items")
    ):
        raise TypeError(f"{method.name} does not answer in pages")
    return page
