"""What is told of an entry, and what is known of it? Where its data lie is for those who may go there themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.core.intake.wire import UnreadableError

_evaluated = re.compile(r"\{\{|\{%|\{#|(?:shell|env)\s*\(", re.IGNORECASE)
_by_the_client = re.compile(r"client_(?:shell|env)\s*\(", re.IGNORECASE)
DIRECT: Final = ("forbid", "allow", "force")


def evaluated(value: Any) -> bool:
    """Whether a text anywhere in the value would be rendered, executed, or replaced by a variable of a process."""
    return _found(_evaluated, value)


def _found(pattern: re.Pattern[str], value: Any) -> bool:
    match value:
        case str():
            return pattern.search(value) is not None
        case dict():
            return any(_found(pattern, one) for pair in value.items() for one in pair)
        case list() | tuple():
            return any(_found(pattern, one) for one in value)
    return False


class Entry(Struct, frozen=True):
    """An entry as it is listed: `said` is what callers are told, the others what the gate goes by."""

    said: dict[str, Any]
    name: str
    container: str
    direct: str
    drivers: tuple[str, ...]
    parameters: tuple[Mapping[str, Any], ...]

    @property
    def nested(self) -> bool:
        """Whether it is a catalog of its own."""
        return self.container == "catalog"


def entry_of(value: Any) -> Entry:
    """The entry that a service lists, or that was told before. Raises UnreadableError for what is none."""
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        raise UnreadableError("an entry has no name")
    direct = value.get("direct_access", "forbid")
    drivers = (*_texts(value.get("driver")), *_texts(value.get("plugin")))
    return Entry(
        told(value),
        value["name"],
        str(value.get("container", "")),
        direct if direct in DIRECT else "forbid",
        tuple(dict.fromkeys(drivers)),
        tuple(_parameters(value)),
    )


def told(value: Mapping[str, Any]) -> dict[str, Any]:
    """What callers are told: no arguments where they may not go to the data, nothing that their own machine would run."""
    said = dict(value)
    if said.get("direct_access") not in ("allow", "force") or _found(_by_the_client, said.get("args")):
        said["args"] = {}
    if "user_parameters" in said:
        said["user_parameters"] = [_parameter_told(one) for one in _parameters(value)]
    return said


def is_run_by_the_client(value: Any) -> bool:
    """Whether a text anywhere in the value would be run by the caller's own machine."""
    return _found(_by_the_client, value)


def _parameter_told(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in parameter.items() if not _found(_by_the_client, one)}


def _parameters(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = value.get("user_parameters") or ()
    if not isinstance(listed, list | tuple):
        return []
    return [one for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)]


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list | tuple) else ()
