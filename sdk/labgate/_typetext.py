"""Which Python type does a JSON schema mean, as text for a file that type checkers read?

Parameters take all that the client can send (numpy's numbers and arrays among it), results are said as they come. The
text is made of our own words, numbers, and literals that `ascii` wrote: nothing of the network gets out of its quotes.
"""

from __future__ import annotations

import keyword
import math
import re

from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

IMPORTS = (
    "import builtins as _builtins",
    "import datetime as _datetime",
    "import typing as _typing",
)
"""What the text refers to, beside what `aliases_of` gives. No advertised name begins with `_`, so none can hide these."""

_ALIASES = {
    "_Array": '''\
_T_co = _typing.TypeVar("_T_co", covariant=True)


class _Array(_typing.Protocol[_T_co]):
    """A list, a tuple or an array."""

    def __iter__(self) -> _typing.Iterator[_T_co]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, at: int, /) -> _typing.Any: ...

''',
    "_Integer": "_Integer: _typing.TypeAlias = int | _typing.SupportsIndex",
    "_Number": "_Number: _typing.TypeAlias = float | _typing.SupportsFloat",
    "_Moment": "_Moment: _typing.TypeAlias = str | _datetime.date",
    "_Bytes": "_Bytes: _typing.TypeAlias = bytes | bytearray | memoryview",
}
OWN_NAMES = frozenset((*_ALIASES, "_T_co", "_builtins", "_datetime", "_typing"))
"""What the text refers to: within a function, a parameter of such a name would stand before it."""

ANY = "_typing.Any"
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_TAKEN = {**_PLAIN, "integer": "_Integer", "number": "_Number"}
_MOMENTS = ("date-time", "date")
_BUILTINS = frozenset(("str", "int", "float", "bool", "bytes", "list", "dict"))
_DEEPEST = 12
_MOST_BRANCHES = 12
_MOST_LITERALS = 60
_LONGEST_LITERAL = 200
_LONGEST_KEY = 1000
_ASIDE = ("default", "description", "title")
"""What a schema says beside the type."""
_MOST_MEMBERS = 500
_MOST_OBJECTS = 5000


class TypeTexts:
    """The types of one file, and the classes for described objects that they need.

    Attributes:
        classes: the text of each class, by its name.
        known: types of named schemas, by the name and how they are meant: each is made once, however often it is met.
    """

    def __init__(self, components: dict[str, Any], taken: Collection[str], *, classes: bool = True) -> None:
        schemas = components.get("schemas")
        self._schemas: dict[str, Any] = schemas if isinstance(schemas, dict) else {}
        self._used = set(taken)
        self._shared: dict[str, str] = {}
        self.known: dict[tuple[str, bool, frozenset[str]], str] = {}
        self._equal: dict[tuple[str, bool, frozenset[str]], str] = {}
        self._wanted = classes
        self.classes: dict[str, str] = {}

    def name(self, words: str) -> str:
        """A name for a class that nothing else in the file has."""
        name = "".join(part[:1].upper() + part[1:] for part in re.findall("[A-Za-z0-9]+", words[:120]))
        name = name if name[:1].isalpha() else f"The{name}"
        found, count = name, 1
        while found in self._used or keyword.iskeyword(found):
            count += 1
            found = f"{name}{count}"
        self._used.add(found)
        return found

    def parameter(self, schema: object, words: str, hidden: Collection[str] = ()) -> str:
        """What a parameter takes.

        Args:
            schema: its description.
            words: what a class for it is called after.
            hidden: names that mean something else where the text will stand.
        """
        return _simple(schema, _TAKEN, hidden) or self._made(schema, words, hidden, taken=True)

    def result(self, schema: object, words: str, hidden: Collection[str] = ()) -> str:
        """What a result is; the arguments are those of `parameter`."""
        return _simple(schema, _PLAIN, hidden) or self._made(schema, words, hidden, taken=False)

    def _made(self, schema: object, words: str, hidden: Collection[str], *, taken: bool) -> str:
        """The type of a schema; of equal ones it is made once, unless it has a class, which is called after its place."""
        said = (
            {key: one for key, one in schema.items() if key not in _ASIDE}
            if isinstance(schema, dict)
            else schema
        )
        key = repr(said), taken, _BUILTINS.intersection(hidden)
        found = self._equal.get(key)
        if found is None:
            before = len(self.classes)
            found = _Text(self, hidden, taken=taken).of(schema, words, 0)
            if len(self.classes) == before and len(key[0]) < _LONGEST_KEY:
                self._equal[key] = found
        return found

    def shared(self, reference: str) -> tuple[str, object]:
        """The name and the schema that a `$ref` leads to."""
        name = reference.rpartition("/")[2]
        return name, self._schemas.get(name)

    def object_class(
        self, described: dict[str, Any], words: str, shared: str | None, depth: int
    ) -> str | None:
        """The name of the class for an object with described members; None where it is better a plain one."""
        if not self._wanted:
            return None
        if shared is not None and shared in self._shared:
            return self._shared[shared]
        members = described["properties"]
        if len(members) > _MOST_MEMBERS or len(self.classes) >= _MOST_OBJECTS:
            return None
        name = self.name(words)
        if shared is not None:
            # Before its members: one of them may be the same kind again.
            self._shared[shared] = self.known[shared, False, frozenset()] = name
        self.classes[name] = ""
        self.classes[name] = self._class_text(name, described, depth)
        return name

    def _class_text(self, name: str, described: dict[str, Any], depth: int) -> str:
        required = described.get("required")
        required = required if isinstance(required, list) else []
        plain = _Text(self, (), taken=False)
        types = {}
        for key, schema in described["properties"].items():
            text = plain.of(schema, f"{name} {key}", depth + 1)
            types[key] = text if key in required else f"_typing.NotRequired[{text}]"
        if all(_is_member(key) for key in types):
            lines = [f"class {name}(_typing.TypedDict):"]
            if about := one_line(described.get("description")):
                lines.append(f"    {quoted(about, '    ')}\n")
            lines += [f"    {key}: {text}" for key, text in types.items()]
            return "\n".join(lines)
        inner = ", ".join(f"{key!a}: {text}" for key, text in types.items())
        return f'{name} = _typing.TypedDict("{name}", {{{inner}}})'


class _Text:
    """The text of types for one place."""

    def __init__(self, texts: TypeTexts, hidden: Collection[str], *, taken: bool) -> None:
        self._texts = texts
        self._hidden = frozenset(hidden)
        self._taken = taken

    def of(self, schema: object, words: str, depth: int) -> str:
        """The type of a schema."""
        shared = None
        for _ in range(_DEEPEST):
            if not isinstance(schema, dict):
                return ANY
            if not isinstance(schema.get("$ref"), str):
                break
            shared, schema = self._texts.shared(schema["$ref"])
            words = shared
        if depth > _DEEPEST or not isinstance(schema, dict):
            return ANY
        if shared is None:
            return self._whole(schema, words, None, depth)
        key = shared, self._taken, self._hidden & _BUILTINS
        if key not in self._texts.known:
            self._texts.known[key] = ANY  # within itself, unless it is a class, it has no other name
            self._texts.known[key] = self._whole(schema, words, shared, depth)
        return self._texts.known[key]

    def _whole(self, schema: dict[str, Any], words: str, shared: str | None, depth: int) -> str:
        whole = self._one(schema, words, shared, depth)
        return _union([whole, "None"]) if schema.get("nullable") is True and whole != ANY else whole

    def _one(self, schema: dict[str, Any], words: str, shared: str | None, depth: int) -> str:
        choices = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(choices, list) and (literal := _literal(choices)):
            return literal
        for kind in ("anyOf", "oneOf"):
            branches = schema.get(kind)
            if isinstance(branches, list) and branches:
                if len(branches) > _MOST_BRANCHES:
                    return ANY
                return _union([self.of(one, words, depth + 1) for one in branches])
        whole = schema.get("allOf")
        if isinstance(whole, list) and len(whole) == 1:
            return self.of(whole[0], words, depth + 1)
        kinds = schema.get("type")
        if kinds is None and isinstance(schema.get("properties"), dict):
            kinds = "object"
        listed = kinds if isinstance(kinds, list) else [kinds]
        return _union([self._kind(kind, schema, words, shared, depth) for kind in listed])

    def _kind(self, kind: object, schema: dict[str, Any], words: str, shared: str | None, depth: int) -> str:
        if not isinstance(kind, str):
            return ANY
        if kind == "array":
            inner = self.of(schema.get("items"), f"{words} item", depth + 1)
            return f"_Array[{inner}]" if self._taken else f"{self._own('list')}[{inner}]"
        if kind == "object":
            return self._object(schema, words, shared, depth)
        if kind == "string" and self._taken and schema.get("format") in _MOMENTS:
            return "_Moment"
        if kind == "string" and self._taken and schema.get("format") == "binary":
            return "_Bytes"
        found = (_TAKEN if self._taken else _PLAIN).get(kind, ANY)
        return self._own(found) if found in _BUILTINS else found

    def _object(self, schema: dict[str, Any], words: str, shared: str | None, depth: int) -> str:
        members = schema.get("properties")
        key = self._own("str")
        more = schema.get("additionalProperties")
        inner = self.of(more, f"{words} value", depth + 1) if isinstance(more, dict) and not members else ANY
        plain = f"_typing.Mapping[{key}, {inner}]" if self._taken else f"{self._own('dict')}[{key}, {inner}]"
        if not isinstance(members, dict) or not members:
            return plain
        name = self._texts.object_class(schema, words, shared, depth)
        if name is None:
            return plain
        # A mapping that a program put together is as good: a checker sees no TypedDict in it.
        return _union([name, plain]) if self._taken else name

    def _own(self, name: str) -> str:
        return f"_builtins.{name}" if name in self._hidden else name


def one_line(text: object) -> str:
    """Text of the network as one line."""
    return " ".join(printable(text, 1000, lines=True).split())


def quoted(text: str, indent: str) -> str:
    """Text as a docstring whose further lines are indented; whatever it holds, it ends where it should."""
    safe = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    first, *others = (line.rstrip() for line in safe.split("\n"))
    whole = "\n".join([first, *(f"{indent}{line}" if line else "" for line in others)])
    if whole.endswith('"'):
        whole = f'{whole[:-1]}\\"'
    return f'"""{whole}\n{indent}"""' if others else f'"""{whole}"""'


def aliases_of(body: str) -> str:
    """The definitions of what a file's types refer to."""
    return "\n".join(text for name, text in _ALIASES.items() if name in body).strip()


def default_text(value: object) -> str:
    """A default as it may stand in a signature; `...` for those that are long or no plain value."""
    if value is None or isinstance(value, (bool, int, str)):
        text = ascii(value) if not (isinstance(value, int) and abs(value) >= 1 << 64) else "..."
        return text if len(text) <= 80 else "..."
    return repr(value) if isinstance(value, float) and math.isfinite(value) else "..."


def _simple(schema: object, types: dict[str, str], hidden: Collection[str]) -> str | None:
    """The type of a schema that says hardly more than one: most of them, which decide how long a file takes."""
    if not isinstance(schema, dict) or len(schema) - ("default" in schema) != 1:
        return None
    kind = schema.get("type")
    found = types.get(kind) if isinstance(kind, str) else None
    return None if found in hidden else found


def _literal(choices: list[Any]) -> str | None:
    if not 0 < len(choices) <= _MOST_LITERALS:
        return None
    texts = []
    for one in choices:
        if not (one is None or isinstance(one, (str, bool)) or (isinstance(one, int) and abs(one) < 1 << 64)):
            return None
        texts.append(ascii(one))
    if max(map(len, texts)) > _LONGEST_LITERAL:
        return None
    return f"_typing.Literal[{', '.join(dict.fromkeys(texts))}]"


def _union(texts: Iterable[str]) -> str:
    found = list(dict.fromkeys(texts))
    if ANY in found or not found:
        return ANY
    return " | ".join(sorted(found, key=lambda text: text == "None"))


def _is_member(key: str) -> bool:
    """Whether a class can have it without hiding a name of ours or of Python's types."""
    return (
        key.isascii()
        and key.isidentifier()
        and key[0] != "_"
        and not keyword.iskeyword(key)
        and key not in _BUILTINS
    )
