"""Which HTTP request carries a call of an endpoint out?"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import numpy as np

from gateway.core import arrays, scanner
from gateway.core.call import Call
from gateway.core.faults import InvalidParams
from gateway.core.method import IN_PATH
from gateway.core.naming import shown
from gateway.core.reply import Fields
from gateway.dialects.cave.routes import ARROW, FILLS, Argument, Route, filled, typed
from gateway.dialects.cave.shaping import SHAPES
from gateway.dialects.openapi.requests import Request, arguments

_UINT64: Final = np.dtype("<u8")


class Asking:
    """One call of an endpoint: its arguments, and the request that they make."""

    def __init__(self, call: Call, route: Route, fills: Mapping[str, str]) -> None:
        """Raises InvalidParams for arguments that are none."""
        self.route = route
        self._fills = fills
        known = {one.name: one for one in route.arguments}
        needs_arrays = any(one.where == "raw" for one in route.arguments)
        self.given = arguments(call, "ndarray" if needs_arrays else "lists")
        self._known = known
        for one in route.arguments:
            if one.required and one.name not in self.given:
                raise InvalidParams(f"The parameter {one.name!r} is missing.")

    def lacks_version(self) -> str | None:
        """The name of the version that nobody gave, None where none is missing."""
        for one in self.route.arguments:
            if one.kind == "version" and self.given.get(one.name, b"null") == b"null":
                return one.name
        return None

    def with_version(self, name: str, version: int) -> None:
        """Use this version."""
        self.given[name] = b"%d" % version

    @property
    def may_be_cut(self) -> bool:
        """Whether the caller takes the rows that come before a limit for all."""
        return self.given.get("allow_truncated") == b"true"

    @property
    def wants_rows(self) -> int | None:
        """How many rows the caller asked for at most, None = all."""
        limit = self.given.get("limit", b"null")
        return int(limit) if limit.isdigit() else None

    def request(self) -> Request:
        """The request. Raises InvalidParams, which names the parameter, for what it cannot say."""
        route = self.route
        query = list(route.fixed)
        members: dict[str, bytes] = {}
        whole: bytes | None = None
        for name, raw in self._placed():
            one = self._known.get(name) or self._unknown(name)
            if one.where == "raw":
                whole = _uint64(raw, name)
            elif one.where == "body":
                whole = raw
            elif one.where == "member":
                members[self._wire(one, raw)] = self._member(one, raw)
            elif one.where == "query" and raw != b"null":
                query += self._queried(one, raw)
        body = whole if whole is not None else self._body(members)
        target = self._path() + (f"?{urlencode(query)}" if query else "")
        return Request(route.verb, target, self._fields(body), body)

    def _placed(self) -> list[tuple[str, bytes]]:
        found = dict(self.given)
        for one in self.route.arguments:
            if one.default is not None and one.where != "path" and one.name not in found:
                found[one.name] = json.dumps(typed(one)).encode()
        return list(found.items())

    def _unknown(self, name: str) -> Argument:
        has_members = any(one.where == "member" for one in self.route.arguments) and not self.route.shape
        return Argument(name, "any", name, "member" if has_members else "query", required=False)

    def _path(self) -> str:
        def put(found: Any) -> str:
            one = self._known.get(found[1])
            if one is None:
                raise InvalidParams(f"It is not known which {found[1]!r} the datastack has.")
            raw = self.given.get(one.name)
            if raw is None or raw == b"null":
                value = self._fills.get(one.default or "") if one.default in FILLS else typed(one)
            else:
                value = _value(raw, one.name)
            if value is None:
                raise InvalidParams(f"The parameter {one.name!r} is missing: it is part of the path.")
            text = _csv(value) if one.kind == "csv" else _text(value)
            if text in ("", ".", "..") or "/" in text or "\\" in text:
                raise InvalidParams(f"The parameter {one.name!r} would make the path another one.")
            return quote(text, safe=",")

        return IN_PATH.sub(put, filled(self.route, self._fills))

    def _queried(self, one: Argument, raw: bytes) -> list[tuple[str, str]]:
        value = _value(raw, one.name)
        if one.kind == "bool" and one.name == "level2":
            return [("stop_layer", "2")] if value else []
        match one.kind:
            case "time":
                return [(one.wire, _number(seconds(value, one.name)))]
            case "iso":
                return [(one.wire, _iso(value, one.name))]
            case "csv":
                return [(one.wire, _csv(value))]
            case "json":
                return [(one.wire, json.dumps(value if isinstance(value, list) else [value]))]
            case "bounds":
                return [(one.wire, _bounds(value, one.name))]
        if isinstance(value, list):
            return [(one.wire, _text(each)) for each in value]
        return [(one.wire, _text(value))]

    def _wire(self, one: Argument, raw: bytes) -> str:
        if one.name == "select_columns" and raw.lstrip()[:1] == b"{":
            return "select_column_map"
        if one.name == "suffixes" and raw.lstrip()[:1] == b"{" and one.kind == "any":
            return "suffix_map"
        return one.wire

    def _member(self, one: Argument, raw: bytes) -> bytes:
        if one.name.startswith("filter_") and raw != b"null":
            return self._of_table(raw)
        if one.kind == "iso" and raw != b"null":
            return json.dumps(_iso(_value(raw, one.name), one.name)).encode()
        if one.kind in ("ids", "rows") and raw.lstrip()[:1] != b"[":
            return b"[%b]" % raw
        return raw

    def _of_table(self, raw: bytes) -> bytes:
        """A filter as the service wants it, by table; who says columns alone means the table that is asked for."""
        table = self.given.get(self.route.wraps, b"null")
        if table == b"null" or scanner.opener(raw) != b"{":
            return raw
        if any(
            scanner.decoded(name) == _value(table, self.route.wraps) for name, _, _ in scanner.members(raw)
        ):
            return raw
        return b"{%b:%b}" % (table, raw)

    def _body(self, members: Mapping[str, bytes]) -> bytes | None:
        shape = SHAPES.get(self.route.shape)
        if shape is not None:
            made = shape({name: _value(raw, name) for name, raw in self.given.items()})
            return json.dumps(made).encode()
        kept = {name: raw for name, raw in members.items() if raw != b"null"}
        takes_members = any(one.where == "member" for one in self.route.arguments)
        if not kept and not takes_members:
            return None
        return b"{%b}" % b",".join(b"%b:%b" % (json.dumps(name).encode(), raw) for name, raw in kept.items())

    def _fields(self, body: bytes | None) -> Fields:
        sends = self.route.sends if body is not None else ""
        kind = ((b"Content-Type", sends.encode()),) if sends else ()
        # Services compress within an Arrow stream by what is asked for here; both are read by every reader of Arrow.
        coding = b"zstd" if self.route.gives == ARROW else b"identity"
        return (*kind, (b"Accept", b"*/*"), (b"Accept-Encoding", coding), (b"User-Agent", b"labgate"))


# --- values


def _value(raw: bytes, name: str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidParams(f"The parameter {shown(name)!r} is no JSON that can be sent.") from None


def _text(value: Any) -> str:
    """A value as the client of these services writes it in an address."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, bool | int | float) else json.dumps(value)


def _csv(value: Any) -> str:
    return ",".join(map(_text, value)) if isinstance(value, list) else _text(value)


def _number(value: float) -> str:
    return repr(value)


def seconds(value: Any, name: str) -> float:
    """A moment in seconds since 1970: such a number, or a date in ISO 8601, in UTC unless it says otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return _date(value, name).timestamp()


def _iso(value: Any, name: str) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC).isoformat()
        except (ValueError, OverflowError, OSError):
            raise InvalidParams(f"The parameter {name!r} is no moment.") from None
    return _date(value, name).isoformat()


def _date(value: Any, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidParams(
            f"The parameter {name!r} is no moment: write a date like 2026-01-31T12:00:00+00:00, or seconds since 1970."
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _bounds(value: Any, name: str) -> str:
    rows = value if isinstance(value, list) else []
    if len(rows) != 3 or not all(isinstance(row, list) and len(row) == 2 for row in rows):
        raise InvalidParams(
            f"The parameter {name!r} is [[xmin, xmax], [ymin, ymax], [zmin, zmax]], in voxels."
        )
    return "_".join("-".join(map(_text, row)) for row in rows)


def _uint64(raw: bytes, name: str) -> bytes:
    """Numbers as the 64 bits that each of them has, the lowest byte first."""
    if scanner.opener(raw) == b"{":
        form = _value(raw, name).get("$ndarray")
        try:
            found = arrays.from_json(form)
        except arrays.NotSayable as problem:
            raise InvalidParams(f"The parameter {name!r} cannot be sent: {problem}.") from problem
        if found is None or found.dtype.kind not in "iu":
            raise InvalidParams(f"The parameter {name!r} is no array of integers.")
        ids = np.frombuffer(found.data, found.dtype)
        if found.dtype.kind == "i" and ids.size and ids.min() < 0:
            raise InvalidParams(f"The parameter {name!r} holds a negative number.")
        return ids.astype(_UINT64).tobytes()
    value = _value(raw, name)
    numbers = value if isinstance(value, list) else [value]
    if not all(type(one) is int and 0 <= one < 1 << 64 for one in numbers):
        raise InvalidParams(f"The parameter {name!r} holds something else than integers from 0 to 2^64 - 1.")
    return np.array(numbers, _UINT64).tobytes()
