"""How is a method written down as a Python function with types, in a file that type checkers read?"""

from __future__ import annotations

from labgate._docs import docstring
from labgate._names import receiver_beside, unused
from labgate._typetext import ANY, OWN_NAMES, TypeTexts, default_text, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any

    from labgate._method import Method, Parameter

HANDLES = (
    "from labgate._source import Source as _Source",
    "from labgate._source_found import Found as _Found",
    "from labgate._tables import Tables as _Tables",
    "from labgate._volume import Volume as _Volume",
)
"""What results are, beside plain values; imported under names that nothing advertised can have."""

AWAITED_HANDLES = (
    "from labgate._async_source import AsyncFound as _AsyncFound",
    "from labgate._async_source import AsyncSource as _AsyncSource",
    "from labgate._async_tables import AsyncTables as _AsyncTables",
    "from labgate._async_volume import AsyncVolume as _AsyncVolume",
)
"""The same of async clients."""

ARRAYS = "from numpy.typing import NDArray as _NDArray  # type: ignore[import-not-found, unused-ignore]"
_HANDLE_NAMES = ("_Found", "_Source", "_Volume")
_WIDTH = 100
_OURS = OWN_NAMES | {line.rpartition(" ")[2] for line in (*HANDLES, *AWAITED_HANDLES)} | {"_NDArray"}


class FunctionText:
    """A method as a function of a class.

    Attributes:
        method: the method.
        returns: the type of its result.
        parameters: those of its signature as they are written, without the receiver, `*` and `**` among them.
        sent: the Python name of each parameter that has one in the signature, by its name on the wire.
    """

    def __init__(
        self,
        method: Method,
        types: TypeTexts,
        hidden: Collection[str],
        *,
        omitted: str | None = None,
    ) -> None:
        """Write it.

        Args:
            method: the method.
            types: those of the file.
            hidden: the names of the class, which stand before Python's own in it.
            omitted: what stands for an argument that was not given; None for a file that is only read.
        """
        self.method = method
        self.sent: dict[str, str] = {}
        self.parameters: list[str] = []
        self._omitted = omitted
        self._fill(types, hidden)
        self.returns = _returned(method, types, hidden)
        self._documentation: str | None = None

    def _fill(self, types: TypeTexts, hidden: Collection[str]) -> None:
        method = self.method
        if method.open:
            self.parameters = [f"*args: {ANY}", f"**kwargs: {ANY}"]
            return
        odd = bool(method.odd)
        texts = self.parameters
        starred = False
        for at, one in enumerate(method.named):
            name = str(one.name)
            if name.startswith("__") or name in _OURS:
                # A class would change it, or it is one of the file's own: it is taken as what is no Python name.
                odd = True
                continue
            if at >= method.positional and not starred:
                texts.append("*")
                starred = True
            words = f"{method.name} {one.wire}"
            texts.append(f"{name}: {types.parameter(one.schema, words, hidden)}{self._default(one)}")
            self.sent[one.wire] = name
        if texts and texts[-1] == "*":
            texts.pop()
        if odd:
            texts.append(f"**{unused('more', self.sent.values())}: {ANY}")

    def _default(self, one: Parameter) -> str:
        if one.required:
            return ""
        if self._omitted is not None:
            return f" = {self._omitted}"
        value = one.default.value if one.default.described else ...
        return f" = {default_text(value) if _is_of(value, one.schema) else '...'}"

    @property
    def awaited(self) -> str:
        """The type of the result where the function is a coroutine function: handles are others then."""
        return self.returns.replace("_", "_Async", 1) if self.returns in _HANDLE_NAMES else self.returns

    def stub(self, name: str, indent: str, *, awaited: bool) -> str:
        """The function without a body, but with its documentation; `awaited` makes it a coroutine function."""
        receiver = receiver_beside(self.names)
        lines = []
        if self.method.description.get("deprecated") is True:
            lines.append(f'{indent}@_deprecated("its service wants it to be used no more")')
        opening, returns = ("async def", self.awaited) if awaited else ("def", self.returns)
        lines += written(f"{indent}{opening} {name}", [receiver, "/", *self.parameters], returns)
        if self._documentation is None:
            self._documentation = quoted(docstring(self.method), f"{indent}    ")
        lines.append(f"{indent}    {self._documentation}")
        return "\n".join(lines)

    @property
    def names(self) -> list[str]:
        """The names of the parameters in the signature."""
        return list(self.sent.values())


def written(opening: str, parameters: list[str], returns: str) -> list[str]:
    """The lines of a function's head."""
    line = f"{opening}({', '.join(parameters)}) -> {returns}:"
    if len(line) <= _WIDTH:
        return [line]
    indent = opening[: len(opening) - len(opening.lstrip())]
    return [f"{opening}(", *(f"{indent}    {one}," for one in parameters), f"{indent}) -> {returns}:"]


def _returned(method: Method, types: TypeTexts, hidden: Collection[str]) -> str:
    notes = method.description.get("x-labgate")
    kind = notes.get("result") if isinstance(notes, dict) else None
    if method.volume:
        return "_Volume"
    if method.source:
        return "_Source"
    if method.sources:
        return "_Found"
    if kind == "array":
        return f"_NDArray[{ANY}]"
    if kind == "bytes":
        return "_builtins.bytes" if "bytes" in hidden else "bytes"
    if kind is not None:
        return ANY  # a table is what this machine has for tables
    result = method.description.get("result")
    schema = result.get("schema") if isinstance(result, dict) else None
    return types.result(schema, f"{method.name} result", hidden)


def _is_of(value: object, schema: dict[str, Any]) -> bool:
    """Whether a checker sees that a default is of the parameter's type."""
    kinds = schema.get("type")
    choices = schema.get("enum")
    if isinstance(choices, list):
        return value in choices
    if "const" in schema or "anyOf" in schema or "oneOf" in schema:
        return False
    for kind in kinds if isinstance(kinds, list) else [kinds]:
        if (
            (kind == "string" and isinstance(value, str) and schema.get("format") != "binary")
            or (kind == "boolean" and isinstance(value, bool))
            or (kind in ("integer", "number") and type(value) is int)
            or (kind == "number" and isinstance(value, float))
            or (kind == "null" and value is None)
        ):
            return True
    return False
