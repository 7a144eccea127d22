"""Does a rule's exception hold for this call and its result, and does the caller have the right that a rule names?"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from msgspec.structs import replace

from gateway.core.method import IN_PATH, CacheRule, Clause, HttpBinding, Method, When
from gateway.core.paths import Steps
from gateway.core.policy import is_meant, pattern
from gateway.core.principal import Principal

LARGEST: Final = 1 << 20
"""Bytes of a result beyond which no condition on it holds: it would have to be read whole."""

LARGEST_BODY: Final = 64 << 10
"""Bytes of a request's body beyond which its members are no parameters that a condition could name."""

_decoder = msgspec.json.Decoder()
_placeholder = re.compile(r"\{params\.([^{}]+)\}")
_plain = re.compile(r"[A-Za-z0-9._/@-]+").fullmatch
_KINDS: Final = ("scope:", "group:", "subject:")

_Written = tuple[int, tuple[str, ...], Callable[[str], re.Match[str] | None]]

Named = Mapping[str, Any]
"""Parameters by name, or the members of a result."""


def named_params(raw: bytes | None, method: Method) -> Named:
    """The parameters of a JSON-RPC call by their names; those by position have the names that the method gives them."""
    said = _decoded(raw or b"")
    if isinstance(said, dict):
        return said
    if isinstance(said, list) and method.params is not None:
        return dict(zip((param.name for param in method.params), said, strict=False))
    return {}


def named_in_request(method: Method, inner: Steps, query: bytes, body: bytes | None = None) -> Named:
    """The parameters of a request through a mount by their names: those of its path, of its query, and of a short body."""
    binding = method.binding
    found: dict[str, Any] = {}
    if len(query) > 1:
        found.update(parse_qsl(query[1:].decode("utf-8", "replace"), keep_blank_values=True))
    if not isinstance(binding, HttpBinding):
        return found
    members: Named | None = None
    for place in binding.places:
        if place.where == "query" and place.name in found:
            found[place.param] = found[place.name]
        elif place.where == "member":
            members = _members(body) if members is None else members
            if place.name in members:
                found[place.param] = members[place.name]
    count, written = _written(binding.path)
    if count != len(inner):
        return found
    for at, names, matches in written:
        match = matches(inner[at].decode("utf-8", "replace"))
        if match:
            found.update(zip(names, match.groups(), strict=False))
    return found


@lru_cache(4096)
def _written(path: str) -> tuple[int, tuple[_Written, ...]]:
    """How many steps a binding's path has, and those of them that hold parameters."""
    steps = path.split("/")[1:]
    found: list[_Written] = []
    for at, step in enumerate(steps):
        names = tuple(IN_PATH.findall(step))
        if names:
            literal = re.escape(step).replace(r"\{", "{").replace(r"\}", "}")
            found.append((at, names, re.compile(IN_PATH.sub("(.+)", literal)).fullmatch))
    return len(steps), tuple(found)


def _members(body: bytes | None) -> Named:
    said = _decoded(body) if body and len(body) <= LARGEST_BODY else None
    return said if isinstance(said, dict) else {}


def named_in_result(body: bytes) -> Named:
    """The members of a result that is a JSON object; none where it is no such, or too large to be read."""
    said = _decoded(body) if len(body) <= LARGEST else None
    return said if isinstance(said, dict) else {}


def _decoded(text: bytes) -> Any:
    try:
        return _decoder.decode(text) if text else None
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None


def in_force(rule: CacheRule, params: Named, result: Named, now: float) -> CacheRule:
    """The rule as it holds for a call with these parameters and this result: the first exception that applies counts.

    `now` is in seconds since 1970.
    """
    for one in rule.when:
        if _holds(one, params, result, now):
            return replace(rule, fresh=one.fresh, stale=one.stale)
    return rule


def may_keep(rule: CacheRule) -> bool:
    """Whether the rule stores anything, whatever the call says."""
    return rule.fresh > 0 or any(one.fresh > 0 for one in rule.when)


def _holds(one: When, params: Named, result: Named, now: float) -> bool:
    return all(_passes(test, params, now) for test in one.params) and all(
        _passes(test, result, now) for test in one.result
    )


def _passes(test: Clause, said: Named, now: float) -> bool:
    """Whether a member, which a dotted name finds, is one of the globs, or past; None is what is not there."""
    value: Any = said.get(test.name)
    if value is None:
        value = said
        for step in test.name.split("."):
            value = value.get(step) if isinstance(value, dict) else None
    if test.before is not None:
        moment = _moment(value)
        return moment is not None and moment <= now - test.before
    if value is None:
        return None in test.globs
    text = _text(value)
    return text is not None and any(one is not None and _glob(one, text) for one in test.globs)


def _moment(value: Any) -> float | None:
    """A moment in seconds since 1970; dates without a zone are in UTC. None for what is none."""
    try:
        found = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        found = None
    if found is None and isinstance(value, str):
        try:
            date = datetime.fromisoformat(value)
        except ValueError:
            return None
        found = (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp()
    return found if found is not None and math.isfinite(found) else None


def _text(value: Any) -> str | None:
    """A plain value as it is compared: texts as they are, others as JSON writes them."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode() if isinstance(value, bool | int | float) else None


def _glob(glob: str, text: str) -> bool:
    if glob == "*":
        return True
    return re.fullmatch(pattern(glob).replace("[^/]*", "(?s:.*)"), text) is not None


def right_of(rule: CacheRule, params: Named) -> str | None:
    """The right that a call's rule asks for, its parameters put in; None where one of them is not a plain word."""
    missing = False

    def put(found: re.Match[str]) -> str:
        nonlocal missing
        text = _text(params.get(found[1]))
        # Whoever could write a colon could make one right look like another.
        missing = missing or text is None or not _plain(text)
        return text or ""

    right = _placeholder.sub(put, rule.authorized)
    if missing or not right:
        return None
    return right if right.startswith(_KINDS) else f"scope:{right}"


def shared_by(rule: CacheRule, principal: Principal, params: Named) -> str | None:
    """The right by which this principal shares the rule's entries with others, None where they have an own."""
    right = right_of(rule, params)
    return right if right is not None and is_meant(right, principal) else None
