"""What does a line of Python give that a gate has printed? Nothing that comes over a network is evaluated: it is read.

A line is made of names that are given here, attributes, items, and calls with literals; anything else is a ValueError.
"""

import ast
from collections.abc import Mapping
from typing import Any


def value_of(line: str, names: Mapping[str, Any]) -> Any:
    """What the line gives, whose names mean these."""
    return _value(ast.parse(line, mode="eval").body, names)


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Attribute(value=inner, attr=name) if not name.startswith("_"):
            return getattr(_value(inner, names), name)
        case ast.Subscript(value=inner, slice=key):
            return _value(inner, names)[_value(key, names)]
        case ast.Call(func=function, args=args, keywords=words):
            given = {}
            for word in words:
                found = _value(word.value, names)
                given |= found if word.arg is None else {word.arg: found}
            return _value(function, names)(*(_value(one, names) for one in args), **given)
    return ast.literal_eval(node)
