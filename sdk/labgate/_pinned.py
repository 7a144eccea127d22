"""What of a method does a lock file pin, and which later state of the method breaks with it?

A change breaks what was pinned when a program written for it would be refused, or would get something else: a
parameter that is gone or newly required, another order, a narrower type, another default; a result of another kind or
without a member; a method that is no longer safe. Whatever only adds, and every text, may change.
"""

from __future__ import annotations

import json

from labgate._fitting import Fitting, meaning_of
from labgate._method import Method

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._fitting import Schemas

# What the gate says of a method that is told in another way here, or is for the gate and for the moment.
_OTHERWISE = ("cache", "scopes", "deprecated", "down", "http", "safe", "idempotent", "undescribed", "result")


def pinned(name: str, text: bytes) -> dict[str, Any]:
    """What is pinned of a method, from its description in the catalog."""
    method = Method(name, text)
    notes = method.description.get("x-labgate")
    notes = notes if isinstance(notes, dict) else {}
    found: dict[str, Any] = {}
    if method.open:
        found["open"] = True
    else:
        found["params"] = [
            {
                "name": one.wire,
                **({"required": True} if one.required else {}),
                **({"schema": meaning} if (meaning := meaning_of(one.schema)) else {}),
            }
            for one in (*method.named, *method.odd.values())
        ]
    if method.description.get("paramStructure") == "by-position":
        found["by_position"] = True
    result = method.description.get("result")
    if isinstance(result, dict) and (meaning := meaning_of(result.get("schema"))):
        found["result"] = meaning
    if isinstance(notes.get("result"), str):
        found["kind"] = notes["result"]
    if marks := {mark: notes[mark] for mark in sorted(notes) if mark not in _OTHERWISE}:
        found["marks"] = marks
    if notes.get("safe") is True:
        found["safe"] = True
    return found


def breaks(then: dict[str, Any], now: dict[str, Any], schemas: Schemas, schemas_now: Schemas) -> list[str]:
    """Why a program that was written for a method as it was pinned does not get along with what it is now.

    Args:
        then: what was pinned.
        now: what would be pinned today.
        schemas: the named schemas of the lock file.
        schemas_now: those of today.
    """
    found = []
    if then.get("kind") != now.get("kind"):
        found.append(f"the result is {_kind(now)}, and was {_kind(then)}")
    marks, marks_now = _marks(then), _marks(now)
    found += [f"its mark {mark!r} has changed" for mark in marks if marks[mark] != marks_now.get(mark)]
    if then.get("safe") is True and now.get("safe") is not True:
        found.append("it is not safe any more")
    if "params" in then and "params" in now:
        taken = Fitting(schemas, schemas_now, expects=False)
        found += _parameter_breaks(_by_name(then), _by_name(now), taken)
        found += _order_breaks(_by_name(then), _by_name(now))
    answers = Fitting(schemas_now, schemas, expects=True)
    if reason := answers.misfit(now.get("result"), then.get("result")):
        found.append(f"the result: {reason}")
    return found


def _parameter_breaks(
    then: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]], taken: Fitting
) -> list[str]:
    found = []
    for name, was in then.items():
        one = now.get(name)
        if one is None:
            found.append(f"the parameter {name!r} is gone")
            continue
        if one.get("required") and not was.get("required"):
            found.append(f"the parameter {name!r} is required now")
        old, new = _default(was), _default(one)
        if old != new:
            found.append(f"the default of {name!r} is {new or 'not told'}, and was {old or 'not told'}")
        if reason := taken.misfit(was.get("schema"), one.get("schema")):
            found.append(f"the parameter {name!r}: {reason}")
    found += [
        f"there is a new required parameter {name!r}"
        for name, one in now.items()
        if name not in then and one.get("required")
    ]
    return found


def _order_breaks(then: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> list[str]:
    """Whether arguments that are given by position land elsewhere; what is gone altogether was told before."""
    old, new = _positional(then), _positional(now)
    if old == new[: len(old)] or not set(old) <= set(now):
        return []
    return [f"by position it takes {', '.join(new)}, and took {', '.join(old)}"]


def _positional(params: dict[str, dict[str, Any]]) -> list[str]:
    described = {"params": list(params.values())}
    method = Method("", json.dumps(described).encode("ascii"))
    return [one.wire for one in method.named[: method.positional]]


def _by_name(method: dict[str, Any]) -> dict[str, dict[str, Any]]:
    listed = method["params"]
    return {
        one["name"]: one
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict) and isinstance(one.get("name"), str)
    }


def _default(parameter: dict[str, Any]) -> str:
    schema = parameter.get("schema")
    return json.dumps(schema["default"]) if isinstance(schema, dict) and "default" in schema else ""


def _marks(method: dict[str, Any]) -> dict[str, Any]:
    marks = method.get("marks")
    return marks if isinstance(marks, dict) else {}


def _kind(method: dict[str, Any]) -> str:
    return f"of the kind {method['kind']!r}" if isinstance(method.get("kind"), str) else "a plain value"
