"""Which services has an operator taken out of service until further notice, and what are their callers told?"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct

from gateway.core.faults import BadRequest, Unavailable
from gateway.core.naming import alike, shown
from gateway.core.switches import RETRY_AFTER

State: TypeAlias = Literal["enabled", "drained", "disabled"]

STATES: Final = ("enabled", "drained", "disabled")
_LONGEST: Final = 1000
"""Characters of a message."""
_KEYS: Final = ("service", "state", "message", "until")
_EARLIEST, _LATEST = 0.0, 32503680000.0
"""Seconds since 1970 of the years that a time of the day can be written for."""


class Withdrawal(Struct, frozen=True, forbid_unknown_fields=True):
    """A service (by its qualified name) that takes no calls: who said so, when, and what its callers are to know.

    `drained` = nothing more is sent to it, what is stored goes on to be served; `disabled` = nobody gets anything; `enabled` = it takes
    calls again, which other gates may not have heard of. Times are seconds since 1970; `until` is what callers are told, and
    ends nothing by itself.
    """

    state: State
    by: str
    since: float
    message: str = ""
    until: float | None = None

    def why(self) -> str:
        """Why it takes no calls, for the lists and the operator."""
        text = f"an operator {_DONE[self.state]} at {_moment(self.since)}"
        if self.until is not None:
            text += f", until {_moment(self.until)}"
        return f"{text}: {self.message}" if self.message else text

    def notice(self) -> str:
        """What is said to callers beside that it is down."""
        return self.message or self.why()

    def refusal(self, service: str, now: float) -> Unavailable:
        """What is said to whoever calls it."""
        wait = RETRY_AFTER if self.until is None else max(RETRY_AFTER, math.ceil(self.until - now))
        return Unavailable(f"The service {service!r} takes no calls: {self.why()}.", retry_after=wait)


_DONE: Final[Mapping[State, str]] = {
    "enabled": "enabled it",
    "drained": "drained it",
    "disabled": "disabled it",
}


def asked_for(said: object, services: Collection[str], by: str, now: float) -> tuple[str, Withdrawal]:
    """The service that a request's decoded body is about, and what is to hold of it.

    Raises `BadRequest` with everything that is wrong, and what is right.
    """
    if not isinstance(said, dict):
        raise BadRequest('Say what to change, as a JSON object: {"service": NAME, "state": "drained"}.')
    name, state = said.get("service"), said.get("state")
    message, until = said.get("message", ""), said.get("until")
    problems = [
        f"there is no {shown(str(key))}: there are {', '.join(_KEYS)}" for key in said.keys() - set(_KEYS)
    ]
    if not isinstance(name, str) or name not in services:
        close = alike(name, sorted(services)) if isinstance(name, str) else []
        fix = f"perhaps {' or '.join(close)}" if close else "GET /-/services lists them"
        problems.append(f"no service is called {shown(repr(name))} ({fix})")
    if state not in STATES:
        problems.append(f"state is one of {', '.join(STATES)}, not {shown(repr(state))}")
    if not isinstance(message, str) or len(message) > _LONGEST or not message.isprintable():
        problems.append(f"message is one line of at most {_LONGEST} characters")
    if until is not None and not (_is_number(until) and max(now, _EARLIEST) < until < _LATEST):
        problems.append("until is a moment that is yet to come, in seconds since 1970")
    if problems:
        raise BadRequest(f"Nothing was changed: {'; '.join(problems)}.")
    if state == "enabled":
        return str(name), Withdrawal("enabled", by, now)
    found: State = "drained" if state == "drained" else "disabled"
    return str(name), Withdrawal(found, by, now, message, None if until is None else float(until))


def told(services: Collection[str], withdrawn: Mapping[str, Withdrawal]) -> dict[str, Any]:
    """How every service stands, for operators."""
    return {name: _told(withdrawn.get(name)) for name in sorted(services)}


def _told(one: Withdrawal | None) -> dict[str, Any]:
    if one is None:
        return {"state": "enabled"}
    return {
        "state": one.state,
        "by": one.by,
        "since": one.since,
        "message": one.message,
        "until": one.until,
    }


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
