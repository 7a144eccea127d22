"""What does a source know of itself, without any of its data, and how does it show that?"""

from __future__ import annotations

from labgate._names import printable
from labgate._source_place import Place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._source_about import About

_MOST_SHOWN = 40


class Known:
    """The attributes of a source; see `labgate.Source`."""

    __slots__ = ("_about", "_names")

    def __init__(self, about: About) -> None:
        self._about = about
        self._names: list[str] | None = None

    @property
    def about(self) -> dict[str, Any]:
        """All that the gate says of it."""
        return dict(self._about.answer)

    @property
    def name(self) -> str:
        return self._about.path

    @property
    def container(self) -> str:
        return self._about.container

    @property
    def nested(self) -> bool:
        return self._about.nested

    @property
    def shape(self) -> tuple[int | None, ...] | None:
        return self._about.shape

    @property
    def dtype(self) -> Any:
        return self._about.dtype()

    @property
    def npartitions(self) -> int | None:
        return self._about.npartitions

    @property
    def chunks(self) -> tuple[tuple[int, ...], ...] | None:
        return self._about.chunks

    @property
    def metadata(self) -> dict[str, Any]:
        found = self._about.answer.get("metadata")
        return found if isinstance(found, dict) else {}

    @property
    def description(self) -> str:
        found = self._about.answer.get("description")
        return found if isinstance(found, str) else ""

    @property
    def parameters(self) -> list[dict[str, Any]]:
        found = self._about.answer.get("parameters")
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

    @property
    def arguments(self) -> dict[str, Any]:
        found = self._about.answer.get("arguments")
        return dict(found) if isinstance(found, dict) else {}

    def __repr__(self) -> str:
        given = "".join(f" {name}={printable(repr(value), 80)}" for name, value in self._chosen().items())
        facts = [printable(self.container, 40)]
        if self.shape:
            facts.append(_times(self.shape))
        if self.npartitions is not None and not self.nested:
            facts.append(f"{self.npartitions} partition{'' if self.npartitions == 1 else 's'}")
        return f"<labgate source {printable(self.name, 200)}{given}: {', '.join(facts)}>"

    def _place(self) -> Place:
        return Place(self._about, self.arguments, usual=not self._chosen())

    def _chosen(self) -> dict[str, Any]:
        """The arguments that are not the defaults."""
        usual = {one.get("name"): one.get("default") for one in self.parameters}
        return {name: value for name, value in self.arguments.items() if usual.get(name) != value}

    def _repr_html_(self) -> str:
        from labgate._page import facts, page

        rows: list[tuple[str, Any]] = [
            ("source", self.name),
            ("description", self.description),
            ("container", self.container),
            ("shape", _times(self.shape) if self.shape else ""),
            ("dtype", "" if self.dtype is None else str(self.dtype)),
            ("partitions", "" if self.npartitions is None or self.nested else str(self.npartitions)),
            ("parameters", ", ".join(str(one.get("name")) for one in self.parameters)),
            ("arguments", ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())),
            ("metadata", str(self.metadata) if self.metadata else ""),
            ("entries", ", ".join((self._names or [])[:_MOST_SHOWN])),
        ]
        return page(facts(rows))


def _times(shape: tuple[int | None, ...]) -> str:
    return " × ".join("?" if one is None else str(one) for one in shape)
