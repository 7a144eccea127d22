"""What is a client in the user's hands? Nothing but the gate's own names."""

from __future__ import annotations

from functools import partial

from labgate._astray import needs_datastack, out_of_reach
from labgate._defaults import shown
from labgate._names import attribute_name, closest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar, Protocol, Self

    from labgate._link import Link
    from labgate._method import Method
    from labgate._tree import Space

    class Carrier(Protocol):
        """What carries out the calls of a node: a session, or a batch that collects them."""

        @property
        def link(self) -> Link: ...

        @property
        def defaults(self) -> Mapping[str, Any]: ...

        def call(self, method: Method, params: list[Any] | dict[str, Any] | None) -> Any: ...

        def derive(self, changes: dict[str, Any]) -> Carrier: ...

        def recipe(self) -> tuple[Any, ...]: ...


class _Missing:
    """`__getattr__` for instances only.

    IPython's evaluator refuses to look into an object whose class has `__getattr__`, and then completes nothing. It
    asks the class; Python asks through the instance. So the class says that it has none.
    """

    def __get__(self, node: Node | None, owner: type[Node] | None = None) -> Callable[[str], Any]:
        if node is None:
            raise AttributeError("__getattr__")
        return partial(_missing, node)


class _Nowhere:
    """An object without attributes: Python adds no second "did you mean" to an error about it."""

    def __dir__(self) -> list[str]:
        return []


class Node:
    """The common half of clients and namespaces; it has no public name, so that the gate's names never meet one."""

    __slots__ = ("__weakref__", "_session", "_space", "_spaces")
    _word = ""

    def __init__(self, session: Carrier, space: Space) -> None:
        self._session = session
        self._space = space
        self._spaces: dict[Space, Node] = {}

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    else:
        __getattr__ = _Missing()

    def __dir__(self) -> list[str]:
        return self._space.names()

    # Names are looked up, not counted: without this, `list(lab)` would ask for lab[0], lab[1], ...
    __iter__: ClassVar[None] = None

    def _ipython_key_completions_(self) -> list[str]:
        link = self._session.link
        start = f"{self._space.prefix}." if self._space.prefix else ""
        return [name[len(start) :] for name in link.catalog.names() if name.startswith(start)]


class Part(Node):
    """What all namespaces have in common."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Any:
        """The method of this name in the namespace; or what its one method for items answers about `key`."""
        space, link = self._space, self._session.link
        item = link.item_method(space.group) if space.group else None
        if item is not None:
            return link.function(item).__get__(self)(key)
        return link.function(f"{space.prefix}.{_text(key)}").__get__(self)

    def __reduce__(self) -> tuple[Any, ...]:
        link = self._session.link
        return _reached, (link.root.own_class()(self._session, link.root), self._space.prefix)

    def _repr_html_(self) -> str:
        from labgate._shown import html_of_namespace

        return html_of_namespace(self)

    def __repr__(self) -> str:
        group = self._space.group
        return f"<labgate {self._word} {self._space.prefix}: {len(group.leaves) if group else 0} methods>"


class Namespace(Part):
    """The methods of a service."""

    __slots__ = ()
    _word = "namespace"


class Whole(Node):
    """What all clients have in common."""

    __slots__ = ()

    def __call__(
        self,
        *,
        timeout: float | None = ...,  # type: ignore[assignment]
        retries: int = ...,  # type: ignore[assignment]
        headers: Mapping[str, str] = ...,  # type: ignore[assignment]
        default: Callable[[Any], Any] | None = ...,  # type: ignore[assignment]
        fresh: bool = ...,  # type: ignore[assignment]
        max_age: float | None = ...,  # type: ignore[assignment]
        datastack: str | None = ...,  # type: ignore[assignment]
        timestamp: Any = ...,
        version: Any = ...,
        defaults: Mapping[str, Any] = ...,  # type: ignore[assignment]
        idempotency_key: str | None = ...,  # type: ignore[assignment]
    ) -> Self:
        """A view of this client with other options; it shares its connections and its catalog.

        Args:
            timeout: seconds for a whole call, retries included; None waits for ever.
            retries: how often a call that may be repeated is repeated.
            headers: further request headers, beside those that this client has.
            default: makes simpler values of those that JSON does not know.
            fresh: True takes no answer from the gate's cache.
            max_age: takes none from it that is older, in seconds; None lets the gate's rules decide.
            datastack: the services of another datastack, None for none; this has a catalog of its own.
            timestamp, version: fill in the parameter of this name (a version also `materialization_version`) in
                methods that take it by name, where a call does not give it; None ends that.
            defaults: the same for parameters of any name; `{"materialize.limit": 5}` is for one namespace.
            idempotency_key: what one call that changes something is known by, so that it is carried out once however
                often your program makes it: the gate answers the later ones with what came of the first. Every call
                needs a key of its own. Without one, each call gets a new one.
        """
        given: dict[str, Any] = {
            "timeout": timeout,
            "retries": retries,
            "headers": headers,
            "default": default,
            "fresh": fresh,
            "max_age": max_age,
            "datastack": datastack,
            "defaults": defaults,
            "idempotency_key": idempotency_key,
            "timestamp": timestamp,
            "version": version,
        }
        changes = {name: value for name, value in given.items() if value is not ...}
        bound = {name: changes.pop(name) for name in ("timestamp", "version") if name in changes}
        if bound:
            changes["defaults"] = {**changes.get("defaults", {}), **bound}
        elsewhere = changes.pop("datastack", self._session.link.datastack)
        session = self._session.derive(changes)
        if elsewhere == session.link.datastack:
            return type(self)(session, self._space)
        session.link.need_gate("a datastack")
        return session.elsewhere(elsewhere)  # type: ignore[attr-defined, no-any-return]

    def __getitem__(self, name: str) -> Any:
        """The method of this name on the wire, whether it is a Python name or not; else the namespace."""
        link = self._session.link
        text = _text(name)
        if link.catalog.text(text) is None:
            text = link.catalog.true_name(text)
        if link.catalog.text(text) is None and (found := _reached(self, text)) is not None:
            return found
        function = link.function(text)
        # Bound to its namespace where it has one, so that it is the same method, and pickles as such.
        return function.__get__(_reached(self, text.rpartition(".")[0]) or self)

    def __repr__(self) -> str:
        link = self._session.link
        where = f"{link.address}" + (f" datastack={link.datastack}" if link.datastack else "")
        own = {name: one for name, one in self._session.defaults.items() if one != link.datastack}
        bound = shown(own) + ("" if link.direct is None else " (no gate)")
        return f"<labgate {self._word} of {where}{bound}: {len(link.catalog)} methods in {len(link.catalog.groups)} namespaces>"

    def _repr_html_(self) -> str:
        from labgate._shown import html_of_client

        return html_of_client(self)

    def __copy__(self) -> Self:
        return type(self)(self._session, self._space)

    def __deepcopy__(self, memo: object) -> Self:
        return type(self)(self._session, self._space)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._session.recipe()


# What a wrong option of `lab(...)` is said to be one of.
Whole.__call__.__qualname__ = "client"


class Client(Whole):
    """A lab's services as Python functions.

    `client.service.method(...)` calls one; `client["any.wire-name"]` reaches those whose name is no Python name.
    `client(timeout=5)` is a view with other options. Everything else is a function of the module `labgate`.
    """

    __slots__ = ()
    _word = "client"


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"a method is named by a str, not by {type(key).__name__}")
    return key


def _reached(client: Node, prefix: str) -> Node | None:
    """The namespace of a prefix, None without one."""
    node = client
    for part in prefix.split("."):
        child = node._space.children.get(attribute_name(part) or "")  # noqa: SLF001
        if child is None:
            return None
        node = child.__get__(node)
    return node if node._space.prefix == prefix else None  # noqa: SLF001


def _missing(node: Node, name: str) -> Any:
    """Answer a name that there is not: look once at the gate, then say what there is instead."""
    space, link = node._space, node._session.link  # noqa: SLF001
    path = f"{space.prefix}.{name}" if space.prefix else name
    if name.startswith("_"):
        # Displays and copiers ask for dozens of such names: they are never the gate's.
        raise AttributeError(
            f"{type(node).__name__!r} object has no attribute {name!r}", name=name, obj=_Nowhere()
        )
    own = link.catalog.true_name(name)
    if own != name and not space.prefix and attribute_name(own) in space.names():
        return getattr(node, attribute_name(own) or own)
    if link.look_again() and name in type(node).__dict__ and not space.gone:
        return getattr(node, name)
    if not space.prefix and (needed := needs_datastack(link, name)) is not None:
        raise needed
    near = closest(name, space.names())
    if not near:
        # The right method in the wrong place is as frequent as a slip of the finger.
        near = [other for other in link.catalog.names() if other.rpartition(".")[2] == name][:3]
    if not near and space.group and link.item_method(space.group) is not None:
        raise AttributeError(
            f'{link.title} has no {path!r}; an entry is in brackets: ["{name}"]', name=name, obj=_Nowhere()
        )
    away = out_of_reach(link, path.partition(".")[0])
    hint = f"; did you mean {' or '.join(near)}?" if near else away and f"; {away}"
    raise AttributeError(f"{link.title} has no {path!r}{hint}", name=name, obj=_Nowhere())
