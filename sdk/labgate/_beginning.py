"""What does the head of a raw reply say?"""

from __future__ import annotations

from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from labgate._wire import Head


class Headers:
    """The fields of a reply as sent, in their order; names in capitals or not."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = tuple(pairs)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of the first field of this name."""
        return next(iter(self.getall(name)), default)

    def getall(self, name: str) -> list[str]:
        """The values of all fields of this name; none is no error."""
        lower = name.lower()
        return [value for known, value in self._pairs if known.lower() == lower]

    def items(self) -> tuple[tuple[str, str], ...]:
        """Every field: name and value."""
        return self._pairs

    def keys(self) -> list[str]:
        """The names, each of them once."""
        return list({name.lower(): name for name, _ in reversed(self._pairs)}.values())[::-1]

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.getall(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return f"Headers({list(self._pairs)!r})"


class Beginning:
    """What the head of a raw reply says; see `RawResponse`."""

    __slots__ = ("headers", "length", "reason", "status")

    def __init__(self, head: Head) -> None:
        self.status: int = head.status
        self.reason: str = head.reason.decode("latin-1")
        self.headers = Headers(
            [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.pairs]
        )
        self.length: int | None = head.length if head.length >= 0 else None

    def __repr__(self) -> str:
        return f"<labgate response: {self.status} {printable(self.reason, 100)}>"
