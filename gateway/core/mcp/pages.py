"""How is a long list given page by page, so that it may change meanwhile?"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from msgspec import Struct

PAGE: Final = 250
"""Entries of one page."""


class BadCursor(ValueError):  # noqa: N818 - names the situation, as everywhere in core
    """The cursor is none that a list of ours has given."""


class Listed(Struct, frozen=True):
    """An entry of a list: the name by which it is in order, and what is said of it, as JSON."""

    name: str
    text: bytes


class Pages:
    """A list in the order of its names, each of which is there once."""

    def __init__(self, entries: Iterable[Listed]) -> None:
        self.all = tuple(sorted(entries, key=lambda one: one.name))
        self._names = [one.name for one in self.all]

    def page(self, cursor: str | None) -> tuple[Sequence[Listed], str | None]:
        """The entries behind a cursor, and the cursor of those behind them, None at the end. Raises BadCursor.

        A cursor names the last entry of its page, so that it holds when the list changes.
        """
        start = 0 if cursor is None else bisect_right(self._names, _name_in(cursor))
        found = self.all[start : start + PAGE]
        return found, _cursor_of(found[-1].name) if start + PAGE < len(self.all) else None


def _cursor_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode()


def _name_in(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        raise BadCursor("The cursor is none of this list's: ask again without one.") from None
