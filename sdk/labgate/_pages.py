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
    place: Offset | Cursor = Cursor(marks) if "cursor" in marks else Offset(marks["offset"])
    length = None
    while True:
        answer = ask({marks["size"]: size, **place.asked()})
        items = answer.get(marks["items"]) if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise BadReply(f"the page has no list {marks['items']!r}", method=name, hint="")
        said = answer.get(_TOTAL)
        total = said if type(said) is int else None
        if place.begun and total != length:
            if not restart:
                raise PageChanged(f"the list had {length} items, and has {total} by now", method=name)
            place, length = place.anew(), None
            continue
        yield from items
        length = total
        if not place.goes_on(answer, len(items), size, total, name):
            return


class Offset:
    """The place of the next page, where it is told by the number of the items before."""

    def __init__(self, word: str) -> None:
        self._word = word
        self._offset = 0

    @property
    def begun(self) -> bool:
        return self._offset > 0

    def anew(self) -> Offset:
        return Offset(self._word)

    def asked(self) -> dict[str, Any]:
        return {self._word: self._offset}

    def goes_on(self, answer: dict[str, Any], count: int, size: int, total: int | None, name: str) -> bool:  # noqa: ARG002 - as cursors do
        """Whether there is another page after this one."""
        self._offset += count
        return count > 0 and (count >= size if total is None else self._offset < total)


class Cursor:
    """The same where each page tells how the next is asked for, in the member `next`; the last tells nothing, null, or an empty text."""

    def __init__(self, marks: dict[str, str]) -> None:
        self._marks = marks
        self._cursor: Any = None

    @property
    def begun(self) -> bool:
        return self._cursor is not None

    def anew(self) -> Cursor:
        return Cursor(self._marks)

    def asked(self) -> dict[str, Any]:
        return {} if self._cursor is None else {self._marks["cursor"]: self._cursor}

    def goes_on(self, answer: dict[str, Any], count: int, size: int, total: int | None, name: str) -> bool:  # noqa: ARG002 - as offsets do
        """Whether there is another page after this one.

        Raises:
            BadReply: it would be this one again.
        """
        following = answer.get(self._marks.get("next", self._marks["cursor"]))
        if following is None or following == "":
            return False
        if following == self._cursor:
            raise BadReply("the page names itself as the next one", method=name, hint="")
        self._cursor = following
        return True


def _marks(method: Method) -> dict[str, str]:
    """Which of the method's words mean size, offset or cursor, and items, and which of the answer's the next cursor.

    Raises:
        TypeError: it has no pages.
    """
    notes = method.description.get("x-labgate")
    page = notes.get("page") if isinstance(notes, dict) else None
    wanted = ("size", "items", "cursor" if isinstance(page, dict) and "cursor" in page else "offset")
    if not isinstance(page, dict) or not all(isinstance(page.get(one), str) for one in wanted):
        raise TypeError(f"{method.name} does not answer in pages")
    return {mark: word for mark, word in page.items() if isinstance(word, str)}
