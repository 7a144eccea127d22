"""Which method is a request that came through a mount?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.core.method import Binding, HttpBinding, Method
from gateway.core.paths import Steps

_param = re.compile(r"\{[^{}]+\}")
_WHOLE: Final = re.compile(r"\{[^{}]+\}").fullmatch


def request_of(binding: Binding | None, base: str, mount: str | None) -> str | None:
    """The request through the gate that a method of this binding is, too, as in `GET /files/tiles/{level}`; None for none.

    `base` is where the bindings' paths begin below the service's address, `mount` the gate's path for that: nothing is told of
    where the service is.
    """
    if mount is None or not isinstance(binding, HttpBinding):
        return None
    inner = (base + binding.path).partition("?")[0]
    return f"{binding.verb} {mount.rstrip('/')}/{inner.lstrip('/')}"


class _Node:
    """What may follow after some steps of a path."""

    __slots__ = ("methods", "named", "patterns", "whole")

    def __init__(self) -> None:
        self.named: dict[bytes, _Node] = {}
        self.patterns: dict[str, tuple[re.Pattern[bytes], _Node]] = {}
        self.whole: _Node | None = None
        self.methods: dict[str, Method] = {}


class Bindings:
    """The HTTP bindings of a service's methods, found by verb and path."""

    def __init__(self, methods: Iterable[Method], base: str) -> None:
        """`base` is where the bindings' paths begin, below the service's address."""
        self._root = _Node()
        for method in methods:
            if isinstance(method.binding, HttpBinding):
                self._add(method, method.binding, base)

    def _add(self, method: Method, binding: HttpBinding, base: str) -> None:
        path = (base + binding.path).partition("?")[0]
        *inner, last = path.split("/")[1:] or [""]
        node = self._root
        for part in (*filter(None, inner), last):
            node = _child(node, part)
        node.methods.setdefault(binding.verb, method)

    def find(self, verb: str, path: Steps) -> Method | None:
        """The method of this verb and path; HEAD is the GET of its path where it is none of its own.

        A step that a path names goes before one with parameters in it, and that before a parameter.
        """
        return _find(self._root, path, 0, verb)


def _child(node: _Node, part: str) -> _Node:
    if _WHOLE(part):
        node.whole = node.whole or _Node()
        return node.whole
    if "{" not in part:
        return node.named.setdefault(unquote_to_bytes(part), _Node())
    if part not in node.patterns:
        node.patterns[part] = (_pattern(part), _Node())
    return node.patterns[part][1]


def _pattern(part: str) -> re.Pattern[bytes]:
    first, *others = (re.escape(unquote_to_bytes(one)) for one in _param.split(part))
    if not others:
        return re.compile(first)
    *middle, last = others
    # Each piece is found once, at its first place, but for the last: steps come from callers.
    return re.compile(first + b"".join(b"(?>(?s:.)+?%b)" % one for one in middle) + b"(?s:.)+" + last)


def _find(node: _Node, path: Steps, at: int, verb: str) -> Method | None:
    if at == len(path):
        found = node.methods.get(verb)
        return node.methods.get("GET") if found is None and verb == "HEAD" else found
    step = path[at]
    child = node.named.get(step)
    if child is not None and (method := _find(child, path, at + 1, verb)) is not None:
        return method
    for pattern, inner in node.patterns.values():
        if pattern.fullmatch(step) and (method := _find(inner, path, at + 1, verb)) is not None:
            return method
    return _find(node.whole, path, at + 1, verb) if node.whole is not None and step else None
