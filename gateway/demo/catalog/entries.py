"""What is in a catalog, how is it described, and what may be said when an entry is opened?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gateway.demo.catalog.sources import Source

_SEARCH_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Parameter:
    """What an entry wants to know. `type` is `str`, `int` or `datetime`; bounds and `allowed` may be missing."""

    name: str
    description: str
    type: str
    default: Any
    min: Any = None
    max: Any = None
    allowed: tuple[Any, ...] | None = None

    def describe(self) -> dict[str, Any]:
        """As it is listed."""
        said = {"name": self.name, "description": self.description, "type": self.type}
        for limit in ("min", "max", "allowed", "default"):
            value = getattr(self, limit)
            if value is not None:
                said[limit] = value
        return said

    def checked(self, value: Any) -> Any:
        """The value in the parameter's type. Raises ValueError or TypeError if it does not fit."""
        value = _COERCED[self.type](value)
        if (self.min is not None and value < self.min) or (self.max is not None and value > self.max):
            raise ValueError(f"{self.name}={value} is out of bounds")
        if self.allowed is not None and value not in self.allowed:
            raise ValueError(f"{self.name}={value} is not allowed")
        return value


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that can be opened. `made` takes the parameters by name; it may raise ValueError as a driver would.

    `direct` is `forbid`, `allow` or `force`: whether callers may or must go to the data themselves, with `args`.
    """

    description: str
    container: str
    driver: str
    made: Callable[..., Source | Catalog]
    parameters: tuple[Parameter, ...] = ()
    direct: str = "forbid"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    args: Mapping[str, Any] = field(default_factory=dict)

    def describe(self, name: str) -> dict[str, Any]:
        """As it is listed under this name."""
        return {
            "name": name,
            "container": self.container,
            "plugin": [self.driver],
            "driver": [self.driver],
            "description": self.description,
            "direct_access": self.direct,
            "user_parameters": [parameter.describe() for parameter in self.parameters],
            "metadata": dict(self.metadata),
            "args": dict(self.args),
        }

    def settled(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Every parameter, what was said or its default. Raises ValueError or TypeError."""
        unknown = set(said) - {parameter.name for parameter in self.parameters}
        if unknown:
            raise TypeError(f"unexpected arguments {sorted(unknown)}")
        return {one.name: one.checked(said.get(one.name, one.default)) for one in self.parameters}


@dataclass(slots=True)
class Catalog:
    """Entries by name, and metadata. The entries may be changed while they are served."""

    name: str
    entries: dict[str, Entry]
    metadata: dict[str, Any] = field(default_factory=dict)

    def find(self, name: str) -> Entry:
        """The entry; dots lead into catalogs that are entries. Raises KeyError."""
        if name in self.entries:
            return self.entries[name]
        first, dot, rest = name.partition(".")
        inner = self.entries[first].made() if dot else None
        if not isinstance(inner, Catalog):
            raise KeyError(name)
        return inner.find(rest)

    def walk(self, depth: int = _SEARCH_DEPTH) -> dict[str, Entry]:
        """The entries of this catalog and of those in it, by dotted names; what is in a catalog comes before it."""
        found: dict[str, Entry] = {}
        for name, entry in self.entries.items():
            if entry.container == "catalog" and depth > 1:
                inner = entry.made()
                if isinstance(inner, Catalog):
                    found |= {f"{name}.{key}": one for key, one in inner.walk(depth - 1).items()}
            found[name] = entry
        return found

    def search(self, text: str, depth: int = _SEARCH_DEPTH) -> Catalog:
        """A catalog of the entries whose description has any of the words."""
        words = text.lower().split()
        found = {
            name: entry
            for name, entry in self.walk(depth).items()
            if any(word in str(entry.describe(name).values()).lower() for word in words)
        }
        metadata = self.metadata | {"search": {"text": text, "upstream": self.name}}
        return Catalog(f"{self.name}_search", found, metadata)


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return moment.replace(tzinfo=None)


_COERCED: Mapping[str, Callable[[Any], Any]] = {"str": str, "int": int, "datetime": _moment}
