"""How does a Python function, or a value, become a method of a list as gates have it (OpenRPC 1.3.2)?"""

from __future__ import annotations

import inspect
import sys
import types
import typing

from labgate._names import printable
from labgate.errors import InvalidParams
from labgate.testing._volume import ScriptedVolume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KINDS: dict[object, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    tuple: "array",
    dict: "object",
    type(None): "null",
}
_NOTES = (
    "safe",
    "idempotent",
    "down",
    "result",
    "page",
    "item",
    "query",
    "of",
    "volume",
    "source",
    "sources",
)


class Scripted:
    """A method of a scripted gate: what it does, and how it is described; see `labgate.testing.method`."""

    __slots__ = ("answer", "described", "signature")

    def __init__(self, answer: Any, about: Mapping[str, Any]) -> None:
        self.answer = answer
        self.signature = _signature(answer)
        self.described = _described(answer, self.signature, about)

    def listed(self, name: str) -> dict[str, Any]:
        """The method as the list has it."""
        return {"name": name, **self.described}

    def call(self, params: Any) -> Any:
        """What it answers to the parameters of a call.

        Raises:
            InvalidParams: it does not take them.
            Exception: what the function raises.
        """
        if not callable(self.answer):
            return self.answer
        args, kwargs = ((), params) if isinstance(params, dict) else (params or (), {})
        if self.signature is not None:
            try:
                self.signature.bind(*args, **kwargs)
            except TypeError as error:
                raise InvalidParams(str(error)) from error
        return _awaited(self.answer(*args, **kwargs))


def method(
    answer: Any,
    *,
    description: str | None = None,
    params: list[dict[str, Any]] | None = None,
    deprecated: bool = False,
    **notes: Any,
) -> Scripted:
    """A function or a value with what a signature cannot say.

    Args:
        answer: a function, which gets the arguments of the call; or the value that every call is answered.
        description: instead of the function's docstring.
        params: OpenRPC's descriptions of the parameters, instead of those that the signature says.
        deprecated: its service wants it to be used no more.
        notes: what gates say of methods: `safe=True`, `idempotent=True`, `result="array"`, `page={...}`, and so on.

    Raises:
        TypeError: gates say nothing of the sort.
    """
    if unknown := [name for name in notes if name not in _NOTES]:
        raise TypeError(f"gates say nothing like {unknown[0]!r} of a method; there are {', '.join(_NOTES)}")
    return Scripted(
        answer,
        {"description": description, "params": params, "deprecated": deprecated, "notes": notes},
    )


def scripted(answer: Any) -> Scripted:
    """The method for whatever stands in a service: already one, or a function or value."""
    return answer if isinstance(answer, Scripted) else method(answer)


def _signature(answer: Any) -> inspect.Signature | None:
    if not callable(answer):
        return None
    try:
        return inspect.signature(answer)
    except (ValueError, TypeError):  # some functions written in C say nothing of themselves
        return None


def _described(answer: Any, signature: inspect.Signature | None, about: Mapping[str, Any]) -> dict[str, Any]:
    notes = dict(about["notes"])
    given = about["params"]
    known = signature is not None and not any(
        one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in signature.parameters.values()
    )
    hints = _hints(answer) if callable(answer) else {}
    found: dict[str, Any] = {"params": []}
    if given is not None:
        found["params"] = given
    elif known and signature is not None:
        found["params"] = [_parameter(one, hints) for one in signature.parameters.values()]
        if any(one.kind is one.POSITIONAL_ONLY for one in signature.parameters.values()):
            found["paramStructure"] = "by-position"
    else:
        notes["undescribed"] = True
    text = about["description"]
    if text is None and callable(answer):
        text = inspect.getdoc(answer) if inspect.isroutine(answer) else None
    if text:
        found["description"] = printable(text, 20_000, lines=True)
        found["summary"] = found["description"].partition("\n")[0]
    returned = _returned(answer, hints)
    if returned == "ndarray":
        notes.setdefault("result", "array")
    elif returned is bytes:
        notes.setdefault("result", "bytes")
    if schema := _schema(returned):
        found["result"] = {"name": "result", "schema": schema}
    else:
        found["result"] = {"name": "result", "schema": {}}
    if about["deprecated"]:
        found["deprecated"] = True
    if notes:
        found["x-labgate"] = notes
    return found


def _parameter(one: inspect.Parameter, hints: Mapping[str, Any]) -> dict[str, Any]:
    schema = _schema(hints.get(one.name))
    if one.default is not one.empty and _is_plain(one.default):
        schema = {**schema, "default": one.default}
    return {"name": one.name, "schema": schema, "required": one.default is one.empty}


def _hints(answer: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(answer)
    except Exception:  # noqa: BLE001 - annotations may name what is not there; then they say nothing
        return {}


def _returned(answer: Any, hints: Mapping[str, Any]) -> Any:
    """The type of a result: `ndarray` for arrays, so that numpy need not be there; None where nothing is known."""
    numpy = sys.modules.get("numpy")
    kind = hints.get("return") if callable(answer) else type(answer)
    kind = typing.get_origin(kind) or kind
    return "ndarray" if numpy is not None and kind is numpy.ndarray else kind


def _schema(kind: Any) -> dict[str, Any]:
    """What a type says in JSON Schema, for the types that are JSON's own."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        parts = [_schema(one) for one in typing.get_args(kind)]
        return {"anyOf": parts} if all(parts) else {}
    name = _KINDS.get(typing.get_origin(kind) or kind)
    return {"type": name} if name else {}


def _is_plain(value: object) -> bool:
    """Whether JSON says the value as it is."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(one) for name, one in value.items())
    return value is None or type(value) in (str, int, float, bool)


def _awaited(found: Any) -> Any:
    if not inspect.iscoroutine(found):
        return found
    import asyncio

    return asyncio.run(found)


def parts_of(name: str, answer: Any) -> dict[str, Scripted]:
    """The methods that an entry of a service stands for: one, but for volumes, which have one that opens and one that reads."""
    if isinstance(answer, ScriptedVolume):
        reader = f"{name}_read"
        opens = method(
            answer.about,
            description="Open the volume.",
            safe=True,
            result="volume",
            volume={"read": reader},
        )
        reads = method(answer.read, description="A box of the volume.", safe=True, result="array")
        return {name: opens, reader: reads}
    return {name: scripted(answer)}
