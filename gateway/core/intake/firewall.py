"""Which parameters reach the service? Those that the entry declares, of the kind and in the bounds that it declares.

An Intake server renders every text as a template, which may run commands, and lets any argument of a driver be overridden.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from gateway.core.intake.entries import Entry, evaluated
from gateway.core.intake.refusals import Refusal
from gateway.core.naming import shown


def checked(entry: Entry, given: object) -> dict[str, Any]:
    """The parameters that the service is sent: those given, in their declared kinds, and the declared defaults of the others.

    A default that the service evaluates stays the service's to fill in. Raises Refusal, which names the parameter.
    """
    if given is None:
        given = {}
    if not isinstance(given, dict):
        raise Refusal(400, "parameters is no map")
    declared = {one["name"]: one for one in entry.parameters}
    for name in given:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise Refusal(400, f"{entry.name} has no parameter {shown(str(name))}; it declares: {known}")
    found: dict[str, Any] = {}
    for name, parameter in sorted(declared.items()):
        default = parameter.get("default")
        if name in given and not (given[name] == default and evaluated(default)):
            found[name] = _fit(parameter, given[name])
        elif default is not None and not evaluated(default):
            found[name] = _usual(parameter, default)
    return found


def _usual(parameter: Mapping[str, Any], default: Any) -> Any:
    try:
        return _fit(parameter, default)
    except Refusal:  # a word of the driver's own, like `today`
        return default


def _fit(parameter: Mapping[str, Any], value: Any) -> Any:
    name = shown(str(parameter["name"]))
    if evaluated(value):
        raise Refusal(400, f"parameter {name}: templates, env() and shell() are refused")
    kind = str(parameter.get("type", ""))
    try:
        fit = _KINDS.get(kind, _same)(value)
    except (ValueError, TypeError, OverflowError):
        raise Refusal(400, f"parameter {name}: {shown(str(value))} is no {kind}") from None
    if kind == "datetime" and isinstance(fit, str):
        return fit  # in words that the service may know; it checks the bounds itself
    _within(parameter, name, fit)
    return fit


def _within(parameter: Mapping[str, Any], name: str, value: Any) -> None:
    allowed = parameter.get("allowed")
    if isinstance(allowed, list) and allowed and value not in allowed:
        raise Refusal(400, f"parameter {name}: {shown(str(value))} is not one of {shown(str(allowed))}")
    least, most = parameter.get("min"), parameter.get("max")
    try:
        low = least is not None and value < least
        high = most is not None and value > most
    except TypeError:
        raise Refusal(
            400, f"parameter {name}: {shown(str(value))} cannot be compared with its bounds"
        ) from None
    if low or high:
        raise Refusal(400, f"parameter {name}: {shown(str(value))} is out of bounds ({least} to {most})")


# --- kinds


def _same(value: Any) -> Any:
    return value


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in (0, 1):
        return bool(value)
    words = {"true": True, "false": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ValueError("no truth")


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("no number")
    found = int(value)
    if isinstance(value, float) and found != value:
        raise ValueError("no whole number")
    if not -(2**63) <= found < 2**64:
        raise OverflowError("beyond 64 bits")
    return found


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("no number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise TypeError("no text")
    return str(value)


def _moment(value: Any) -> datetime | str:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise TypeError("no moment")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def _map(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise TypeError("no map")
    return value


_KINDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "bool": _truth,
    "int": _integer,
    "float": _number,
    "str": _text,
    "unicode": _text,
    "datetime": _moment,
    "list": _list,
    "dict": _map,
}
