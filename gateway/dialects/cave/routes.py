"""What does each part of a deployment offer? The endpoints that CAVEclient knows, as data in `routes/`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml
from msgspec import Struct

from gateway.core.method import IDEMPOTENT_VERBS, IN_PATH, SAFE_VERBS, HttpBinding, Param, Place
from gateway.core.service import Described

JSON: Final = "application/json"
FILLS: Final = frozenset(("datastack", "aligned_volume", "table"))
"""What stands in the place of a default where it is the caller's datastack that says it."""
ARROW: Final = "arrow"

_FILTERS: Final = (
    *("filter_in_dict?:dict", "filter_out_dict?:dict>filter_notin_dict", "filter_equal_dict?:dict"),
    *("filter_greater_dict?:dict", "filter_less_dict?:dict", "filter_greater_equal_dict?:dict"),
    *("filter_less_equal_dict?:dict", "filter_spatial_dict?:dict", "filter_regex_dict?:dict"),
    *("select_columns?:any", "offset?:int", "limit?:int", "desired_resolution?:point"),
)
"""What every query of tables takes."""

_IDS: Final = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_POINT: Final = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
_TIME: Final = {"type": ["string", "number", "null"], "format": "date-time"}
SCHEMAS: Final[Mapping[str, dict[str, Any]]] = {
    "id": {"type": "integer", "minimum": 0},
    "int": {"type": "integer"},
    "str": {"type": "string"},
    "bool": {"type": "boolean"},
    "time": _TIME,
    "iso": _TIME,
    "version": {"type": ["integer", "null"], "description": "default: the newest"},
    "ids": _IDS,
    "csv": {"type": "array"},
    "json": {"type": "array"},
    "list": {"type": "array"},
    "rows": {"type": ["array", "object"]},
    "dict": {"type": "object"},
    "any": {},
    "point": _POINT,
    "points": {"type": "array", "items": _POINT},
    "bounds": {
        "type": "array",
        "items": {"type": "array", "items": {"type": "integer"}},
        "minItems": 3,
        "maxItems": 3,
    },
}
"""The kinds of arguments, and what is said of them."""

_argument = re.compile(
    r"(?P<name>\w+)(?P<optional>\?)?:(?P<kind>\w+)(?:>(?P<wire>\w+))?(?:@(?P<where>\w+))?(?:=(?P<default>\w+))?"
)


class Argument(Struct, frozen=True):
    """One argument: its kind, where it goes (`path`, `query`, `member`, `body`, `raw`, `gate`) and as what.

    `default` is what is sent where it is not given; for a text, it may be the name of what the datastack fills in.
    """

    name: str
    kind: str
    wire: str
    where: str
    required: bool
    default: str | None = None


class Route(Struct, frozen=True):
    """One endpoint as a method.

    `fixed` stands in every query. `sends` is the media type of the body, empty for none. `shape` names what makes the body of
    several arguments; `gives` is how the answer is read; `take` is the member of it that is the result; `array` is the dtype
    as which a list of numbers is given. `wraps` is the argument that names the table to which filters belong.
    """

    name: str
    verb: str
    path: str
    arguments: tuple[Argument, ...]
    about: str
    safe: bool
    sends: str = JSON
    fixed: tuple[tuple[str, str], ...] = ()
    shape: str = ""
    gives: str = "json"
    take: str = ""
    array: str = ""
    result: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    wraps: str = ""


@cache
def routes(part: str) -> Mapping[str, Route]:
    """The endpoints of a part, by the names of their methods; none for a part of which nobody knows any."""
    file = files("gateway.dialects.cave") / "routes" / f"{part}.yaml"
    if not file.is_file():
        return {}
    return {
        name: _route(name, said) for name, said in yaml.safe_load(file.read_text(encoding="utf-8")).items()
    }


def _route(name: str, said: Mapping[str, Any]) -> Route:
    verb, _, path = said["http"].partition(" ")
    gives, array = said.get("gives", "json"), said.get("array", "")
    result = said.get("result") or (
        "table" if gives == ARROW else "array" if gives == "uint64" or array else ""
    )
    return Route(
        name,
        verb,
        path,
        tuple(_arguments(said.get("args", ()), verb, path)),
        said["about"],
        said.get("safe", verb in SAFE_VERBS),
        said.get("sends", JSON),
        tuple(said.get("fixed", {}).items()),
        said.get("shape", ""),
        gives,
        said.get("take", ""),
        array,
        result,
        tuple((key, str(said[key])) for key in ("query", "of") if key in said),
        said.get("wraps", ""),
    )


def _arguments(written: Any, verb: str, path: str) -> Iterator[Argument]:
    in_path = set(IN_PATH.findall(path))
    for one in written:
        for text in _FILTERS if one == "...filters" else (one,):
            found = _argument.fullmatch(text)
            if found is None:
                raise ValueError(f"no argument: {text}")
            name = found["name"]
            usual = "path" if name in in_path else "query" if verb in SAFE_VERBS else "member"
            optional = bool(found["optional"]) or found["default"] is not None or found["kind"] == "version"
            yield Argument(
                name,
                found["kind"],
                found["wire"] or name,
                found["where"] or usual,
                not optional,
                found["default"],
            )


def described(route: Route, part: str, fills: Mapping[str, str]) -> Described:
    """The endpoint as a method of a datastack's service: what belongs to the datastack stands in its path already."""
    facts: dict[str, Any] = {"result": route.result} if route.result else {}
    facts |= {key: f"{part}.{value}" if key == "query" else value for key, value in route.facts}
    return Described(
        route.name,
        params=tuple(_param(one) for one in route.arguments),
        structure="either",
        summary=route.about,
        safe=route.safe,
        idempotent=route.safe or route.verb in IDEMPOTENT_VERBS,
        binding=HttpBinding(
            route.verb,
            filled(route, fills),
            tuple(_places(route)),
            route.sends,
            "*/*" if route.gives != "json" else "application/json, */*;q=0.5",
        ),
        facts=facts,
    )


def filled(route: Route, fills: Mapping[str, str]) -> str:
    """The endpoint's path with what belongs to the datastack; an argument of the same name is the caller's."""
    own = {one.name for one in route.arguments}
    return IN_PATH.sub(
        lambda found: found[0] if found[1] in own else fills.get(found[1], found[0]), route.path
    )


def _param(one: Argument) -> Param:
    schema = dict(SCHEMAS[one.kind])
    if one.default is not None and one.default not in FILLS:
        schema["default"] = typed(one)
    return Param(one.name, required=one.required, schema=schema)


def typed(one: Argument) -> Any:
    """An argument's default as a value."""
    if one.default is None or one.kind == "str":
        return one.default
    return one.default == "true" if one.kind == "bool" else int(one.default)


def _places(route: Route) -> Iterator[Place]:
    for one in route.arguments:
        if one.where in ("path", "query", "member", "body"):
            yield Place(one.name, one.where, one.wire)  # type: ignore[arg-type]
