"""Where is an entry: by which name, and in which catalogs? Dots lead into those that need no parameters, `within` into others."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._method import Method
    from labgate._source_about import About

_WITHIN = "within"


def takes_catalogs(method: Method) -> bool:
    """Whether the gate lets the parameters of catalogs reach what is in them."""
    return any(one.wire == _WITHIN for one in method.named)


class Place:
    """A source's own, and that of what is in it."""

    def __init__(self, about: About, arguments: dict[str, Any], *, usual: bool) -> None:
        """`usual` = the arguments are those that it has without being given any."""
        self._name = about.name
        self._within = about.within
        self._arguments = arguments
        self._usual = usual

    def entry(self, **more: Any) -> dict[str, Any]:
        """The source as it was opened, with more arguments, as the methods take it that open and read."""
        return _entry(self._name, {**self._arguments, **more}, self._within)

    def inner(self, name: str) -> dict[str, Any]:
        """An entry of this catalog."""
        within = self._inside()
        return _entry(name if within else f"{self._name}.{name}", {}, within)

    def catalog(self) -> dict[str, Any]:
        """This catalog, as the methods take it that list and search."""
        within = self._inside()
        return {_WITHIN: within} if within else {"catalog": self._name}

    def _inside(self) -> list[dict[str, Any]]:
        """The catalogs that lead into this one, where parameters decide what is in one of them."""
        if self._usual and not self._within:
            return []
        return [*self._within, _entry(self._name, self._arguments, [])]


def _entry(name: str, arguments: dict[str, Any], within: list[dict[str, Any]]) -> dict[str, Any]:
    asked: dict[str, Any] = {"name": name}
    if arguments:
        asked["parameters"] = arguments
    if within:
        asked[_WITHIN] = within
    return asked
