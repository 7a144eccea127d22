"""Which attributes does a client have, and when do they become classes and functions?

A `Space` stands for one prefix of names (`jobs`, `a.b`, or `""` for the client itself). It is a descriptor on the class
of the space above it, and makes the class of its own when it is first touched; on that class stand the spaces below it
and one `Lazy` per method, which replaces itself by the real function when it is first touched. A refresh changes these
classes in place, so that every client and namespace that anybody holds follows.
"""

from __future__ import annotations

from itertools import repeat

from labgate._docs import summary_of
from labgate._names import attribute_name, attributes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._catalog import Catalog, Group
    from labgate._client import Node
    from labgate._link import Link

_DEEPEST = 8


class Lazy(tuple["Space", str]):
    """A method that nobody has touched yet: (its space, its attribute)."""

    __slots__ = ()

    def __get__(self, node: Node | None, owner: type[Node] | None = None) -> Any:
        space, attribute = self
        function = space.touch(attribute)
        return function if node is None else function.__get__(node)


class Space:
    """One prefix of names; see the module.

    Attributes:
        prefix: the names' common beginning, without its dot.
        group: the methods directly under it, None where there are only further spaces.
        children: the spaces below it, by attribute.
        gone: a refresh found that nothing is left under this prefix.
    """

    __slots__ = ("_class", "_leaves", "children", "gone", "group", "link", "prefix")

    def __init__(self, link: Link, prefix: str) -> None:
        self.link = link
        self.prefix = prefix
        self.group: Group | None = None
        self.children: dict[str, Space] = {}
        self.gone = False
        self._class: type[Node] | None = None
        self._leaves: dict[str, str] | None = None

    def __get__(self, node: Node | None, owner: type[Node] | None = None) -> Any:
        if node is None:
            return self.own_class()
        if self.link.outdated:
            self.link.catch_up()
        if self.gone:
            raise AttributeError(self.prefix)  # Node answers it with what there is instead
        try:
            return node._spaces[self]  # noqa: SLF001
        except KeyError:
            found = node._spaces[self] = self.own_class()(node._session, self)  # noqa: SLF001
            return found

    def leaves(self) -> dict[str, str]:
        """The last names of the methods by attribute; those without a Python name are left out."""
        if self._leaves is None:
            self._leaves = attributes_of(self.group.leaves) if self.group else {}
        return self._leaves

    def names(self) -> list[str]:
        """The attributes, in order."""
        return sorted({*self.leaves(), *self.children})

    def own_class(self) -> type[Node]:
        """The class whose attributes are this space's methods and spaces."""
        if self._class is None:
            with self.link.lock:
                if self._class is None:
                    self._class = self._made_class()
        return self._class

    def touch(self, attribute: str) -> Any:
        """The function behind an attribute, which takes the lazy one's place."""
        with self.link.lock:
            leaf = self.leaves().get(attribute)
            if leaf is None or self.group is None:
                raise AttributeError(attribute)  # a refresh has just taken it away: Node says what there is
            function = self.link.function(self.group.wire(leaf))
            setattr(self.own_class(), attribute, function)
        return function

    def adopt(self, new: Space | None, changed: frozenset[str]) -> None:
        """Become what `new` is, None being nothing; the functions of `changed` methods are made anew."""
        old_leaves = self.leaves()
        old_children = self.children
        self.gone = new is None
        self.group = None if new is None else new.group
        self.children = {}
        self._leaves = None
        for attribute, child in ({} if new is None else new.children).items():
            kept = old_children.get(attribute)
            if kept is not None:
                kept.adopt(child, changed)
            self.children[attribute] = kept or child
        for attribute, child in old_children.items():
            if attribute not in self.children:
                child.adopt(None, changed)
        if self._class is not None:
            self._rebind(self._class, old_leaves, old_children, changed)

    def _rebind(
        self,
        own: type[Node],
        old_leaves: dict[str, str],
        old_children: dict[str, Space],
        changed: frozenset[str],
    ) -> None:
        leaves = self.leaves()
        for attribute in {*old_leaves, *old_children} - {*leaves, *self.children}:
            delattr(own, attribute)
        for attribute, child in self.children.items():
            if attribute not in leaves and own.__dict__.get(attribute) is not child:
                setattr(own, attribute, child)
        for attribute, leaf in leaves.items():
            wire = self.group.wire(leaf) if self.group else leaf
            if old_leaves.get(attribute) != leaf or wire in changed:
                setattr(own, attribute, Lazy((self, attribute)))

    def _made_class(self) -> type[Node]:
        leaves = self.leaves()
        about = self.link.catalog.about.get("namespaces")
        described = about.get(self.prefix) if isinstance(about, dict) else None
        summary = summary_of(described) if isinstance(described, dict) else ""
        base = self.link.base(self.prefix)
        members: dict[str, Any] = {
            **self.children,
            # A method hides a space of its name, whose methods stay reachable by lab["..."].
            **dict(zip(leaves, map(Lazy, zip(repeat(self), leaves)), strict=True)),
            "__slots__": (),
            "__module__": "labgate",
            "__doc__": summary or base.__doc__,
        }
        return type(base.__name__, (base,), members)


def grow(link: Link, catalog: Catalog) -> Space:
    """The spaces of a catalog; nothing in them is made yet."""
    root = Space(link, "")
    for prefix, group in catalog.groups.items():
        space: Space | None = root
        if prefix:
            space = _down(root, prefix)
        if space is not None:
            space.group = group
    about = catalog.about.get("namespaces")
    for name, described in about.items() if isinstance(about, dict) else ():
        if isinstance(described, dict) and described.get("mount"):
            _down(root, name)  # a service without methods can still be asked for paths: `labgate.request`
    return root


def _down(root: Space, prefix: str) -> Space | None:
    """The space of a prefix; None when a part of it has no Python name, or there are too many parts."""
    parts = prefix.split(".", _DEEPEST)
    names = [attribute_name(part) for part in parts]
    if len(parts) > _DEEPEST:
        return None
    space = root
    path = ""
    for part, name in zip(parts, names, strict=True):
        if name is None:
            return None
        path = f"{path}.{part}" if path else part
        below = space.children.get(name)
        if below is None:
            below = space.children[name] = Space(space.link, path)
        elif below.prefix != path:
            return None  # "import" and "import_": the first has the attribute
        space = below
    return space
