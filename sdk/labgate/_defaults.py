"""Which parameters does a client fill in that a call does not give?

A materialization's version and a moment in time are two ways to say which state of the data is meant: who gives one of
them in a call does not get the other one filled in, and where both are bound the version is taken. `version` is also
the `materialization_version` of methods that call it so, as in CAVE's own client.
"""

from __future__ import annotations

from labgate._names import printable
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

_SPELLINGS = {
    "version": ("version", "materialization_version"),
    "materialization_version": ("materialization_version", "version"),
}
_VERSIONS = ("version", "materialization_version")
_MOMENT = "timestamp"


def checked_defaults(defaults: Any) -> dict[str, Any]:
    """The bound values: those for one namespace (`"materialize.version"`) first, then versions; None binds nothing.

    Raises:
        SetupError: they are no values by name.
    """
    if not hasattr(defaults, "keys") or not all(isinstance(name, str) and name for name in defaults):
        raise SetupError("defaults are values by the names of parameters")
    found = {name: value for name, value in defaults.items() if value is not None}
    order = sorted(found, key=lambda name: ("." not in name, name.rpartition(".")[2] == _MOMENT))
    return {name: found[name] for name in order}


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The bound values with changes: a version takes the place of a version under its other name."""
    kept = checked_defaults(old)
    checked_defaults(new)
    for name in new:
        start, dot, last = name.rpartition(".")
        for other in _SPELLINGS.get(last, (last,)):
            kept.pop(f"{start}{dot}{other}", None)
    return checked_defaults({**kept, **new})


def fill(
    method: str, wires: Collection[str], given: dict[str, Any], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments, with the bound values of parameters that the method has and the call does not give.

    Args:
        method: its whole name.
        wires: its parameters' names.
        given: what the call gives; None is given, too.
        defaults: what is bound.
    """
    filled = dict(given)
    for name, value in defaults.items():
        start, dot, last = name.rpartition(".")
        if dot and not method.startswith(f"{start}."):
            continue
        others = (_MOMENT,) if last in _VERSIONS else _VERSIONS if last == _MOMENT else ()
        if any(filled.get(other) is not None for other in others):
            continue
        for wire in _SPELLINGS.get(last, (last,)):
            if wire in wires and wire not in filled:
                filled[wire] = value
    return filled


def shown(defaults: Mapping[str, Any]) -> str:
    """The bound values for a repr; only versions and moments by their value, for others may be secrets."""
    words = [
        f" {name}={printable(str(value), 80)}"
        if name.rpartition(".")[2] in (*_VERSIONS, _MOMENT)
        else f" {name}=..."
        for name, value in defaults.items()
    ]
    return "".join(words)
