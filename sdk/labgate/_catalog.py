"""Which methods does the gate advertise to this caller, in a form that is read fast and decoded on demand?

The text of a catalog is one line of JSON, the index, followed by one JSON object per method without anything between
them, and by the components of the document. The index has the names by their prefix (`jobs.get_job` is `get_job`
under `jobs`) and the length of each object; so ten thousand methods are known after reading one line.
"""

from __future__ import annotations

import json
from itertools import accumulate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_FORMAT = 1
_decode = (
    json.JSONDecoder().raw_decode
)  # json.loads looks for encodings and white space, which are known here


class CorruptCatalog(ValueError):
    """The bytes are no catalog, or one of another format."""


class Group:
    """The methods under one prefix: their last names, in order, and where their descriptions are."""

    __slots__ = ("_catalog", "_first", "_places", "leaves", "prefix")

    def __init__(self, catalog: Catalog, prefix: str, leaves: list[str], first: int) -> None:
        self.prefix = prefix
        self.leaves = leaves
        self._catalog = catalog
        self._first = first
        self._places: dict[str, int] | None = None

    def wire(self, leaf: str) -> str:
        """The whole name of the method."""
        return f"{self.prefix}.{leaf}" if self.prefix else leaf

    def text(self, leaf: str) -> bytes | None:
        """The method's description as JSON text, None where there is no such method."""
        if self._places is None:
            self._places = dict(
                zip(self.leaves, range(self._first, self._first + len(self.leaves)), strict=True)
            )
        at = self._places.get(leaf)
        return None if at is None else self._catalog.object_text(at)

    def all_text(self) -> bytes:
        """The descriptions of all methods of the group, one after the other."""
        return self._catalog.object_text(self._first, len(self.leaves))


class Catalog:
    """An immutable list of methods.

    Attributes:
        version: the gate's name for this state of it; None when it is unknown.
        groups: the methods by prefix; `""` holds those without a dot.
        about: the document's own `x-labgate`: `local`, `namespaces`, `datastacks`; checked to be an object.
    """

    __slots__ = ("_body", "_ends", "_start", "about", "groups", "version")

    def __init__(self, index: dict[str, Any], text: bytes, start: int) -> None:
        self.version: str | None = index["version"]
        self.about: dict[str, Any] = index["about"]
        self._body = text
        self._start = start
        self._ends = list(accumulate(index["sizes"], initial=start))
        self.groups: dict[str, Group] = {}
        first = 0
        for prefix, leaves in index["groups"]:
            self.groups[prefix] = Group(self, prefix, leaves, first)
            first += len(leaves)

    def __len__(self) -> int:
        return len(self._ends) - 2

    def object_text(self, first: int, count: int = 1) -> bytes:
        """The text of `count` objects from the `first` on."""
        return self._body[self._ends[first] : self._ends[first + count]]

    def text(self, name: str) -> bytes | None:
        """The description of the method called `name` as JSON text, None where there is none."""
        prefix, leaf = _split(name)
        group = self.groups.get(prefix)
        return None if group is None else group.text(leaf)

    def true_name(self, name: str) -> str:
        """A name whose first part is another spelling of a namespace's, with the namespace's own in its place."""
        aliases = self.about.get("aliases")
        first, dot, rest = name.partition(".")
        own = aliases.get(first) if isinstance(aliases, dict) and first else None
        return f"{own}{dot}{rest}" if isinstance(own, str) and own else name

    def names(self) -> Iterator[str]:
        """Every method's whole name."""
        for group in self.groups.values():
            for leaf in group.leaves:
                yield group.wire(leaf)

    def texts(self) -> dict[str, bytes]:
        """Every method's description by its whole name."""
        return {name: self.object_text(at) for at, name in enumerate(self.names())}

    def components(self) -> dict[str, Any]:
        """The document's `components`, decoded anew."""
        return decoded(self.object_text(len(self)))

    def to_bytes(self) -> bytes:
        """The catalog's text, as `read_catalog` takes it."""
        return self._body


def decoded(text: bytes | None) -> dict[str, Any]:
    """The object of a piece of the catalog; an empty one where a file was damaged."""
    try:
        found, _ = _decode((text or b"{}").decode("ascii"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def read_catalog(text: bytes) -> Catalog:
    """The catalog of `to_bytes`.

    Raises:
        CorruptCatalog: it is not one.
    """
    end = text.find(b"\n")
    try:
        index = json.loads(text[:end]) if end > 0 else None
    except (ValueError, RecursionError) as error:
        raise CorruptCatalog("the index is no JSON") from error
    if not isinstance(index, dict) or index.get("format") != _FORMAT:
        raise CorruptCatalog("another format")
    try:
        groups, sizes, about, version = (index[key] for key in ("groups", "sizes", "about", "version"))
        sound = (
            isinstance(about, dict)
            and (version is None or isinstance(version, str))
            and {type(size) for size in sizes} <= {int}
            and min(sizes) >= 0
            and end + 1 + sum(sizes) == len(text)
            and all(
                type(prefix) is str and {type(leaf) for leaf in leaves} <= {str} for prefix, leaves in groups
            )
            and len({prefix for prefix, _ in groups}) == len(groups)
            and sum(len(leaves) for _, leaves in groups) == len(sizes) - 1
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptCatalog("the index is incomplete") from error
    if not sound:
        raise CorruptCatalog("the index and the descriptions do not fit together")
    return Catalog(index, text, end + 1)


def catalog_of(document: object, version: str | None) -> Catalog:
    """The catalog of an OpenRPC document.

    Whatever is malformed in it is left out: methods without a name, second ones of a name, members of wrong types.
    """
    root = document if isinstance(document, dict) else {}
    methods = root.get("methods")
    by_prefix: dict[str, dict[str, bytes]] = {}
    for method in methods if isinstance(methods, list) else ():
        name = method.get("name") if isinstance(method, dict) else None
        if isinstance(name, str) and name:
            prefix, leaf = _split(name)
            by_prefix.setdefault(prefix, {}).setdefault(leaf, _compact(method))
    about = root.get("x-labgate")
    components = root.get("components")
    objects = [text for leaves in by_prefix.values() for text in leaves.values()]
    objects.append(_compact(components if isinstance(components, dict) else {}))
    index = {
        "format": _FORMAT,
        "version": version,
        "about": about if isinstance(about, dict) else {},
        "groups": [[prefix, list(leaves)] for prefix, leaves in by_prefix.items()],
        "sizes": [len(text) for text in objects],
    }
    head = _compact(index) + b"\n"
    return Catalog(index, b"".join([head, *objects]), len(head))


def _split(name: str) -> tuple[str, str]:
    prefix, _, leaf = name.rpartition(".")
    # ".x" is a name of its own, not "x" under nothing.
    return (prefix, leaf) if prefix else ("", name)


def _compact(value: object) -> bytes:
    # ASCII escapes keep lone surrogates; NaN and large numbers are Python's own JSON on both sides.
    return json.dumps(value, separators=(",", ":")).encode("ascii")
