"""How is a list that comes in pages gone through, so that it is the list of one moment?"""

from __future__ import annotations

from labgate._method import Method
from labgate._progress import Progress
from labgate.errors import BadReply, PageChanged, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from typing import Any, overload

    from labgate._async_session import AsyncSession
    from labgate._progress import Shown
    from labgate._session import Session, Terms

    Ask = Callable[[dict[str, Any]], Any]

_TOTAL = "length"


if TYPE_CHECKING:

    @overload
    def pages(
        method: Callable[..., Coroutine[Any, Any, Any]],
        /,
        *args: Any,
        page_size: int = 1000,
        restart: bool = False,
        progress: Shown = False,
        **kwargs: Any,
    ) -> AsyncIterator[Any]: ...

    @overload
    def pages(
        method: Any,
        /,
        *args: Any,
        page_size: int = 1000,
        restart: bool = False,
        progress: Shown = False,
        **kwargs: Any,
    ) -> Iterator[Any]: ...


def pages(
    method: Any,
    /,
    *args: Any,
    page_size: int = 1000,
    restart: bool = False,
    progress: Shown = False,
    **kwargs: Any,
) -> Any:
    """The items of a method that answers them page by page, one after the other; of an async client, for `async for`.

    Args:
        method: one that the gate marks with `page`, like `lab.data.entries`.
        args: its arguments.
        page_size: how many items are asked for at once.
        restart: where the list changes on the way, begin again; items that came before then come again.
        progress: show how far it is; or a function that is told: how many items have come, and of how many.
        kwargs: its arguments by name.

    Raises:
        PageChanged: the list changed on the way.
        TypeError: that is no such method.
        Error: a page did not come.
    """
    receiver = getattr(method, "__self__", None)
    session: Terms | None = getattr(receiver, "_session", None)
    name = getattr(getattr(method, "__func__", None), "__qualname__", None)
    if session is None or not isinstance(name, str):
        raise TypeError("pages are those of a method of a client, like lab.data.entries")
    known = Method(name, session.link.catalog.text(name))
    walk = Walk(known, page_size, restart=restart)

    def ask(wires: dict[str, Any]) -> Any:
        return method(*args, **kwargs, **known.named_for(wires))

    return _awaited_items(ask, walk, progress) if session.awaited else _items(ask, walk, progress)


def pages_of(
    session: Session, method: Method, params: dict[str, Any], page_size: int = 1000
) -> Iterator[Any]:
    """The same for a method as it is called within.

    Raises: as `pages` does.
    """
    return _items(lambda wires: session.call(method, {**params, **wires}), Walk(method, page_size))


def awaited_pages_of(
    session: AsyncSession, method: Method, params: dict[str, Any], page_size: int = 1000
) -> AsyncIterator[Any]:
    """The same of an async client.

    Raises: as `pages` does.
    """
    return _awaited_items(lambda wires: session.call(method, {**params, **wires}), Walk(method, page_size))


def _items(ask: Ask, walk: Walk, progress: Shown = False) -> Iterator[Any]:
    with Progress(walk.name, None, shown=progress, unit="item") as shown:
        while not walk.over:
            items = walk.items_of(ask(walk.asked()))
            shown.reach(*walk.far)
            yield from items
            walk.go_on()


async def _awaited_items(ask: Ask, walk: Walk, progress: Shown = False) -> AsyncIterator[Any]:
    with Progress(walk.name, None, shown=progress, unit="item") as shown:
        while not walk.over:
            items = walk.items_of(await ask(walk.asked()))
            shown.reach(*walk.far)
            for item in items:
                yield item
            walk.go_on()


class Walk:
    """How far somebody is who goes through the pages.

    Attributes:
        name: the method's.
        over: there are no more pages.
        far: how many items have come, and of how many, None where nobody says.
    """

    def __init__(self, method: Method, size: int, *, restart: bool = False) -> None:
        """
        Args:
            method: the one that answers pages.
            size: how many items are asked for at once.
            restart: a list that changes is begun again.
        """
        self._marks = _marks(method)
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise SetupError("page_size is a whole number from 1 on")
        self.name = method.name
        self._size = size
        self._restart = restart
        self._place: Offset | Cursor = (
            Cursor(self._marks) if "cursor" in self._marks else Offset(self._marks["offset"])
        )
        self._length: int | None = None
        self._page: tuple[dict[str, Any], int] | None = None
        self.over = False
        self.far: tuple[int, int | None] = (0, None)

    def asked(self) -> dict[str, Any]:
        """The arguments that mean the next page, by their wire names."""
        return {self._marks["size"]: self._size, **self._place.asked()}

    def items_of(self, answer: Any) -> list[Any]:
        """The items of the page that came; none where it belongs to another list, which is then begun again.

        Raises:
            PageChanged, BadReply: see `pages`.
        """
        name = self.name
        items = answer.get(self._marks["items"]) if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise BadReply(f"the page has no list {self._marks['items']!r}", method=name, hint="")
        said = answer.get(_TOTAL)
        total = said if type(said) is int else None
        if self._place.begun and total != self._length:
            if not self._restart:
                raise PageChanged(f"the list had {self._length} items, and has {total} by now", method=name)
            self._place, self._length, self._page = self._place.anew(), None, None
            self.far = (0, None)
            return []
        self._length, self._page = total, (answer, len(items))
        self.far = (self.far[0] + len(items), total)
        return items

    def go_on(self) -> None:
        """The items of the page were taken.

        Raises:
            BadReply: the page names itself as the next one.
        """
        if self._page is not None:
            answer, count = self._page
            self.over = not self._place.goes_on(answer, count, self._size, self._length, self.name)


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
