"""In which words does the page about the settings say what a value is, and what it is by default?"""

import ast
import inspect
import textwrap
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

from gateway.settings.addresses import Address
from gateway.settings.sections import Section, inner, keys

WORDS = {
    "Flag": "true or false",
    "Count": "number",
    "Whole": "number",
    "Length": "number",
    "Attempts": "number",
    "Size": "size",
    "Seconds": "duration",
    "Timeout": "duration",
    "Part": "percentage",
    "Late": "duration, or a quantile like p95",
    "Text": "text",
    "Secret": "secret",
    "HeaderValue": "secret",
    "Value": "any plain value",
    "Any": "anything",
    "str": "text",
    "Texts": "texts",
    "FilePath": "path of a file",
    "Folder": "path of a folder",
    "CacheFolder": "path of a folder",
    "Path": "path of a file",
    "Listen": "address HOST:PORT",
    "CallersListen": "address HOST:PORT, or unix:PATH",
    "Mode": "mode of a file",
    "Proxy": "network, or unix",
    "HostName": "host name",
    "Origin": "origin",
    "PageOrigin": "origin",
    "LocalServer": "origin",
    "UpstreamUrl": "URL",
    "Endpoint": "URL",
    "TokenEndpoint": "URL",
    "RedisUrl": "URL",
    "KeySource": "URL, or path of a file",
    "CallRate": "calls in a time, like 100/s",
    "ByteRate": "bytes in a time, like 10GiB/h",
    "MethodGlobs": "method globs",
    "Principal": "subject:S, group:G, scope:S, authenticated, anonymous",
    "PortWord": "subject:S, group:G, scope:S",
    "Permission": "method glob, path glob",
    "Scope": "scope",
    "Right": "scope, or group:NAME",
    "Sticky": "params.NAME",
    "MountPath": "path",
    "RpcPath": "path",
    "DocumentPath": "path, or URL",
    "HttpRequest": "verb and path",
    "MethodName": "method",
    "DtypeName": "numpy's name for it",
    "HeaderName": "header field",
    "CheckedName": "header field",
    "RequestField": "header field",
    "CorsField": "header field",
    "IdentityField": "header field",
    "IntroducingField": "header field",
    "CookieName": "cookie",
    "QueryName": "query parameter",
    "Name": "KIND=VALUE",
    "Version": "version",
    "Arguments": "arguments",
    "Tests": "name: globs",
    "_told": "anything",
    "part": "percentage",
}
"""What the aliases of annotations mean to somebody who writes YAML."""

DURATIONS = ("Seconds", "Timeout", "Late")
_SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))
_TIMES = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


@cache
def annotations(section: type[BaseModel]) -> Mapping[str, ast.expr]:
    """The annotations of a section as its source has them, its base's among them: aliases keep their names there."""
    found: dict[str, ast.expr] = {}
    for one in reversed(
        [base for base in section.__mro__ if issubclass(base, Section) and base is not Section]
    ):
        tree = ast.parse(textwrap.dedent(inspect.getsource(one))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for line in tree.body:
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                found[line.target.id] = line.annotation
    return found


class Key:
    """One key of a section: its type and its default, in words."""

    def __init__(self, section: type[BaseModel], key: str) -> None:
        self.section, self.key = section, key
        fields = section.model_fields
        self.name = next(name for name, one in fields.items() if (one.alias or name) == key)
        self._field = fields[self.name]
        self._annotation = annotations(section)[self.name]
        self.inner, self.named = inner(keys(section)[key])

    def kind(self) -> str:
        """What its value is."""
        return self._said(self._annotation)

    def default(self) -> str:
        """What it is where nothing is written; empty where that is nothing, or for the meaning to say."""
        if self._field.is_required():
            return "required"
        value = self._field.get_default(call_default_factory=True)
        names = {one.id for one in ast.walk(self._annotation) if isinstance(one, ast.Name)}
        return _shown(
            value,
            size="Size" in names,
            duration=bool(names & set(DURATIONS)),
            part=bool(names & {"Part", "part"}),
        )

    def _said(self, node: ast.expr) -> str:
        match node:
            case ast.BinOp(op=ast.BitOr()):
                sides = [one for one in (node.left, node.right) if not _is_none(one)]
                return " or ".join(dict.fromkeys(map(self._said, sides)))
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[first, *rest])):
                called = [one.args[0] for one in rest if isinstance(one, ast.Call) and one.args]
                said = [WORDS[one.id] for one in called if isinstance(one, ast.Name) and one.id in WORDS]
                return said[0] if said else self._said(first)
            case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
                return _choice(ast.literal_eval(choices))
            case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[first, *_])):
                return f"list: {self._said(first)}"
            case ast.Subscript(value=ast.Name(id="Mapping"), slice=ast.Tuple(elts=[_, value])):
                return f"mapping: {self._said(value)}"
            case ast.Name(id=name) if name in WORDS:
                return WORDS[name]
            case ast.Name(id=name):
                return self._section_or_choice(name)
        raise AssertionError(f"{self.section.__name__}.{self.key}: no words for {ast.unparse(node)}")

    def _section_or_choice(self, name: str) -> str:
        meant = vars(inspect.getmodule(self.section)).get(name)
        if typing.get_origin(meant) is typing.Literal:
            return _choice(typing.get_args(meant))
        assert inner(meant)[0], f"add what `{name}` means to WORDS"
        return "section" if isinstance(meant, type) else "list: section"


def _choice(values: Any) -> str:
    return ", ".join(f"`{one}`" for one in (values if isinstance(values, tuple) else (values,)) if one)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _shown(value: Any, *, size: bool, duration: bool, part: bool) -> str:
    match value:
        case None | BaseModel():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case int() if size:
            return f"`{next((f'{value // unit}{name}' for name, unit in _SIZES if value and not value % unit), value)}`"
        case int() | float() if duration:
            whole = int(value)
            if whole != value:
                return f"`{value * 1000:.0f}ms`"
            return f"`{next((f'{whole // unit}{name}' for name, unit in _TIMES if whole and not whole % unit), '0s')}`"
        case float() if part:
            return f"`{value:.0%}`"
        case tuple() | list():
            return ", ".join(f"`{one}`" for one in value)
        case Mapping():
            assert not value
            return ""
        case str() | int() | Address():
            return f"`{value}`"
    raise AssertionError(f"no words for the default {value!r}")
