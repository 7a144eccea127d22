"""What has changed in a list of methods?"""

from __future__ import annotations


class Changes:
    """What a refresh found: the names of methods added, changed and removed."""

    __slots__ = ("added", "changed", "removed")

    def __init__(self, added: tuple[str, ...], changed: tuple[str, ...], removed: tuple[str, ...]) -> None:
        self.added = added
        self.changed = changed
        self.removed = removed

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def _repr_html_(self) -> str:
        from labgate._shown_told import html_of_changes

        return html_of_changes(self)

    def __repr__(self) -> str:
        return f"Changes(added={self.added!r}, changed={self.changed!r}, removed={self.removed!r})"
