"""What ends when something was written, and what is noted until it has, for the case that this process is killed?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from gateway.core.method import HttpBinding, Method
from gateway.core.ports import Generations, Marks


class Writes:
    """Ends the generations of what writes may have changed."""

    def __init__(self, marks: Marks | None, generations: Generations) -> None:
        """`marks` is where writes under way are noted, None where nobody notes them."""
        self._marks = marks
        self._generations = generations

    @contextmanager
    def under_way(self, method: Method) -> Iterator[None]:
        """A call of the method is carried out; what it may have changed holds no longer when it ends, however it does."""
        marked = self.begins(method)
        try:
            yield
        finally:
            self.ends(method, marked)

    def begins(self, method: Method) -> tuple[str, ...]:
        """A call of the method sets out. What is noted until it `ends`."""
        return self._mark((*method.purges, *method.calls) if _changes_pages(method) else method.purges)

    def ends(self, method: Method, marked: tuple[str, ...]) -> None:
        """The call is over, however it ended; `marked` is what `begins` has noted."""
        # A write may have happened even if nobody heard of it, so its tags end in every case.
        self._generations.bump(method.purges)
        if _changes_pages(method):
            self._generations.bump(method.calls)
        self._clear(marked)

    # --- what a door carries through by itself, byte by byte

    def sets_out(self, methods: Iterable[Method], uris: Iterable[str] = ()) -> tuple[str, ...]:
        """A request through a mount is sent that may change something. What is noted until it has `ended`.

        `uris` are the generations of the addresses that it changes, as far as that is known. It may lead to others, so
        that all replies end, should this process be killed before, that speak for themselves.
        """
        names = {name for method in methods for name in (*method.purges, *method.calls)}
        return self._mark((*sorted(names), *uris))

    def ended(
        self, methods: Iterable[Method], uris: Iterable[str] = (), marked: tuple[str, ...] = ()
    ) -> None:
        """A request through a mount has ended, however it did: what it may have changed holds no longer.

        `uris` are the generations of the addresses that it changed, `marked` is what `sets_out` has noted.
        """
        # With what is written to the service, and before the addresses: see `HttpBook.since`.
        purged = {method.purges: None for method in methods}
        self._generations.bump(*purged, tuple(uris))
        self._clear(marked)

    def _mark(self, names: tuple[str, ...]) -> tuple[str, ...]:
        if self._marks is None or not names:
            return ()
        self._marks.mark(names)
        return names

    def _clear(self, marked: tuple[str, ...]) -> None:
        if self._marks is not None and marked:
            self._marks.clear(marked)


def _changes_pages(method: Method) -> bool:
    """Whether a call of it changes what is at addresses that others read."""
    return not method.safe and isinstance(method.binding, HttpBinding)
