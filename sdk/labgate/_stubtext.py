"""What stands in the file of types for a lab's clients: a class per namespace, with the methods as they are advertised?

The file takes the place of `labgate._client` for type checkers and editors, so that every `labgate.Client` of a
program, wherever it comes from, has the lab's namespaces. Only names that passed `attribute_name` and `python_name`
stand in it as names; all other text of the network stands in docstrings and literals.
"""

from __future__ import annotations

import builtins
import inspect
from typing import NamedTuple

from labgate import _client
from labgate._functiontext import ARRAYS, AWAITED_HANDLES, HANDLES, FunctionText, written
from labgate._method import Method
from labgate._typetext import ANY, IMPORTS, TypeTexts, aliases_of, one_line, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from labgate._catalog import Catalog
    from labgate._tree import Space

    Variant = tuple[str | None, str]

MARK = "# Made by `labgate stubs`: do not edit it, make it again."
IMPORTS_OF_OURS = (
    "import os",
    "from collections.abc import Callable, Mapping",
    "from typing import Any, Self",
)
"""What the SDK's own signatures refer to; they stand in classes without advertised names."""

_NODE = '''\
class Node:
    """What clients and namespaces have in common."""

    def __dir__(self) -> list[str]: ...
'''
_CONNECTING = '''\
_Made = _typing.TypeVar("_Made", covariant=True)


class Connecting(_typing.Generic[_Made]):
    """A client when it is awaited, and one that is closed behind an `async with` block."""

    def __await__(self) -> _typing.Generator[_typing.Any, None, _Made]: ...
    async def __aenter__(self) -> _Made: ...
    async def __aexit__(self, *_: _typing.Any) -> None: ...
'''


class _Function(NamedTuple):
    """A method as it is written for both kinds of clients: text alone, so that ten thousand descriptions need not be kept."""

    tables: bool
    item: bool
    returns: str
    awaited: str
    waiting_stub: str
    awaited_stub: str


class _Kind:
    """One kind of clients: those that wait, or those that are awaited; its names begin with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.namespace = f"{prefix}Namespace"
        self.client = f"{prefix}Client"
        self.called = f"_{prefix}Called"
        self.awaited = bool(prefix)
        self.named: dict[str, str] = {}


class StubText:
    """The text of the types of one gate's clients.

    Args:
        root: the client's own space.
        catalog: what the gate advertises.
        datastacks: the same for clients in these datastacks.
    """

    def __init__(
        self,
        root: Space,
        catalog: Catalog,
        datastacks: Mapping[str, tuple[Space, Catalog]],
    ) -> None:
        self._trees = [(root, catalog), *datastacks.values()]
        attributes = {name for space, _ in self._trees for name in _attributes(space)}
        self._kinds = (_Kind(""), _Kind("Async"))
        own = {name for kind in self._kinds for name in (kind.namespace, kind.client)}
        self._types = TypeTexts(
            {"schemas": _schemas([catalog for _, catalog in self._trees])},
            {
                *attributes,
                *dir(builtins),
                *own,
                *("Any", "Callable", "Connecting", "Mapping", "Node", "Self"),
            },
        )
        self._functions: dict[tuple[str, str, bytes | None, frozenset[str]], _Function] = {}
        self._classes: list[str] = []
        self._clients: list[str] = []
        for kind in self._kinds:
            self._add(kind, list(datastacks))

    @property
    def named(self) -> dict[str, str]:
        """The class of clients in each datastack."""
        return self._kinds[0].named

    @property
    def awaited_named(self) -> dict[str, str]:
        """The same of async clients."""
        return self._kinds[-1].named

    def _add(self, kind: _Kind, stacks: list[str]) -> None:
        """Write the classes of one kind of clients."""
        (root, catalog), *others = self._trees
        own = self._members(root, catalog, None, kind)
        below = []
        for stack, (space, listed) in zip(stacks, others, strict=True):
            name = kind.named[stack] = self._types.name(f"{kind.prefix} {stack} client")
            members = self._members(space, listed, root, kind)
            below.append(
                _class(name, kind.client, f"The lab's services with those of {one_line(stack)}.", members)
            )
        calls = _overloaded(_client.Client.__call__, "    ", "__call__", _views(kind), own=("self",))
        self._classes.append(
            f"class {kind.namespace}(Node):\n    {quoted('The methods of a service.', '    ')}\n\n"
            f"    def __getitem__(self, key: {ANY}, /) -> {ANY}: ..."
        )
        self._clients.append(
            f"class {kind.called}(Node):\n{calls}\n\n    def __getitem__(self, name: str, /) -> Any: ..."
        )
        doc = (
            "A lab's services as coroutine functions."
            if kind.awaited
            else "A lab's services as Python functions."
        )
        self._clients += [_class(kind.client, kind.called, doc, own), *below]

    def text(self, source: str) -> str:
        """The file; `source` says where it is from."""
        parts = [
            _NODE.strip(),
            _CONNECTING.strip(),
            *self._types.classes.values(),
            *self._classes,
            *self._clients,
        ]
        body = "\n\n\n".join(parts)
        if aliases := aliases_of(body):
            body = f"{aliases}\n\n\n{body}"
        imports = [*IMPORTS, *IMPORTS_OF_OURS, *HANDLES, *AWAITED_HANDLES]
        if "_NDArray[" in body:
            imports.append(ARRAYS)
        if "@_deprecated(" in body:
            imports.append("from typing_extensions import deprecated as _deprecated")
        head = "\n".join([MARK, f"# From {one_line(source)}", *imports])
        return f"{head}\n\n{body}\n"

    def _members(self, space: Space, catalog: Catalog, base: Space | None, kind: _Kind) -> list[str]:
        """What stands in the class of a space; what `base` has too is left out."""
        known = set(base.names()) if base is not None else set()
        leaves = space.leaves()
        fields = [
            f"    {name}: {self._namespace(child, catalog, kind)}"
            for name, child in sorted(space.children.items())
            if name not in leaves and name not in known
        ]
        hidden = frozenset(space.names())
        functions = []
        items = []
        for attribute, leaf in sorted(leaves.items()):
            if attribute in known or space.group is None:
                continue
            function = self._function(attribute, space.group.wire(leaf), space.group.text(leaf), hidden)
            if function.tables:
                fields.append(f"    {attribute}: _{kind.prefix}Tables")
                continue
            functions.append(function.awaited_stub if kind.awaited else function.waiting_stub)
            if function.item:
                item = f"_typing.Awaitable[{function.awaited}]" if kind.awaited else function.returns
                items.append(f"    def __getitem__(self, key: {ANY}, /) -> {item}: ...")
        if len(items) == 1:  # of several, the client takes none either
            functions.insert(0, items[0])
        return ["\n".join(fields), *functions] if fields else functions

    def _function(self, attribute: str, name: str, text: bytes | None, hidden: frozenset[str]) -> _Function:
        """A method's function, made once for all kinds of clients, so that its types are the same in them."""
        key = attribute, name, text, hidden
        found = self._functions.get(key)
        if found is None:
            made = FunctionText(Method(name, text), self._types, hidden)
            stubs = (made.stub(attribute, "    ", awaited=awaited) for awaited in (False, True))
            found = _Function(bool(made.method.tables), made.method.item, made.returns, made.awaited, *stubs)
            self._functions[key] = found
        return found

    def _namespace(self, space: Space, catalog: Catalog, kind: _Kind) -> str:
        name = self._types.name(f"{kind.prefix} {space.prefix}")
        about = catalog.about.get("namespaces")
        described = about.get(space.prefix) if isinstance(about, dict) else None
        summary = one_line(described.get("summary")) if isinstance(described, dict) else ""
        members = self._members(space, catalog, None, kind)
        self._classes.append(_class(name, kind.namespace, summary or "The methods of a service.", members))
        return name


def module_text(source: str, homes: Mapping[str, str], made: StubText) -> str:
    """The text of the package's own `__init__.pyi`: all of its public names, with a `connect` that knows datastacks.

    Args:
        source: where the types are from.
        homes: the module of each public name, "" for one that is a module.
        made: the types of clients.
    """
    import labgate

    lines = [MARK, f"# From {one_line(source)}", *IMPORTS, *IMPORTS_OF_OURS]
    lines += [
        f"from labgate{'.' if home else ''}{home} import {name} as {name}"
        for name, home in sorted(homes.items())
        if name not in ("connect", "aconnect")
    ]
    classes = sorted({*made.named.values(), *made.awaited_named.values()})
    lines += [f"from labgate._client import {name} as {name}" for name in classes]
    variants = [*_in_stacks(made.named, "{}"), ("", "Client")]
    lines.append("from labgate._client import Connecting as _Connecting")
    awaited = [*_in_stacks(made.awaited_named, "_Connecting[{}]"), ("", "_Connecting[AsyncClient]")]
    functions = [
        _overloaded(labgate.connect, "", "connect", variants, own=()),
        _overloaded(labgate.aconnect, "", "aconnect", awaited, own=()),
    ]
    return "\n".join([*lines, "", "__version__: str", "", "\n\n".join(functions)]) + "\n"


def awaited_text(source: str) -> str:
    """The text that takes the place of `labgate._async_client`."""
    names = ("AsyncClient", "AsyncNamespace")
    lines = [f"from labgate._client import {name} as {name}" for name in names]
    return "\n".join([MARK, f"# From {one_line(source)}", *lines]) + "\n"


def _class(name: str, base: str, doc: str, members: list[str]) -> str:
    return "\n\n".join([f"class {name}({base}):\n    {quoted(doc, '    ')}", *members])


def _in_stacks(named: Mapping[str, str], returns: str) -> list[Variant]:
    return [(f"_typing.Literal[{stack!a}]", returns.format(name)) for stack, name in named.items()]


def _views(kind: _Kind) -> list[Variant]:
    """What a client answers to other options: a view of its own kind, in a datastack that of the datastack."""
    if not kind.awaited:
        return [*_in_stacks(kind.named, "{}"), ("", "Self")]
    connecting = ("str | None", f"Connecting[{kind.client}]")
    return [*_in_stacks(kind.named, "Connecting[{}]"), connecting, (None, "Self")]


def _overloaded(
    function: Callable[..., Any], indent: str, name: str, variants: list[Variant], own: tuple[str, ...]
) -> str:
    """A function of the SDK as it is written.

    Args:
        function: the function.
        indent: of its lines.
        name: its name.
        variants: the type of `datastack`, "" for the one that is written and None for none, and what is returned then.
        own: parameters without a type.
    """
    texts = []
    for stack, returns in variants:
        lines = [f"{indent}@_typing.overload"] if len(variants) > 1 else []
        lines += written(f"{indent}def {name}", list(_parameters(function, own, stack)), returns)
        lines.append(f"{indent}    {quoted(inspect.getdoc(function) or '', f'{indent}    ')}")
        texts.append("\n".join(lines))
    return "\n\n".join(texts)


def _parameters(function: Callable[..., Any], own: tuple[str, ...], stack: str | None) -> Iterator[str]:
    starred = False
    for name, one in inspect.signature(function).parameters.items():
        if name in own:
            yield name
            continue
        if one.kind is one.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        if name != "datastack" or stack == "":
            yield f"{name}: {one.annotation}" + ("" if one.default is one.empty else " = ...")
        elif stack is not None:
            yield f"{name}: {stack}"


def _attributes(space: Space) -> Iterator[str]:
    yield from space.names()
    for child in space.children.values():
        yield from _attributes(child)


def _schemas(catalogs: list[Catalog]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for catalog in reversed(catalogs):
        schemas = catalog.components().get("schemas")
        found.update(schemas if isinstance(schemas, dict) else {})
    return found
