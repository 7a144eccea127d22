"""What has an operator switched off, or taken out of service, while the gate runs?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from gateway.core.faults import BadRequest, Unavailable
from gateway.core.naming import alike, shown
from gateway.core.verdict import Pass

if TYPE_CHECKING:
    from gateway.core.withdrawals import Withdrawal

SWITCHED_OFF = Pass("switched off")
"""The verdict on every call while the cache is off."""

RETRY_AFTER: Final = 30
"""Seconds after which a caller may ask whether a service is back: nobody knows when that will be."""

_NAMES: Final = ("lanes", "cache")
_WORDS: Final = {"on": True, "off": False}


class Cordon(Struct, frozen=True):
    """A service takes no new calls: who said so, and since when (seconds since 1970)."""

    by: str
    since: float


class Wish(Struct, frozen=True):
    """What an operator wants changed; a switch that is None and a service that is not named stay as they are."""

    lanes: bool | None = None
    cache: bool | None = None
    cordon: Mapping[str, bool] = {}


class Switches:
    """What is on, and which services (by qualified name) are cordoned: plain values that whoever acts on them reads.

    They hold in every worker, and end with the gate. A cordoned service takes no new calls, not even such as memory could
    answer; those under way go on.
    """

    def __init__(self) -> None:
        self.lanes = True
        self.cache = True
        self.cordons: dict[str, Cordon] = {}
        self.withdrawn: Mapping[str, Withdrawal] = {}
        """Beyond the gate's end; see `withdraw`."""
        self.closed: frozenset[str] = frozenset()
        """The services that nobody gets anything of: those that are cordoned, and those that are disabled."""

    def take(self, *, lanes: bool, cache: bool, cordons: Mapping[str, Cordon]) -> None:
        """Be as somebody else's are."""
        self.lanes, self.cache, self.cordons = lanes, cache, dict(cordons)
        self._close()

    def withdraw(self, withdrawn: Mapping[str, Withdrawal]) -> None:
        """These services were drained or disabled, and no others."""
        self.withdrawn = withdrawn
        self._close()

    def _close(self) -> None:
        disabled = (name for name, one in self.withdrawn.items() if one.state == "disabled")
        self.closed = frozenset((*self.cordons, *disabled))

    @property
    def hinder(self) -> bool:
        """Whether something is off that memory could answer."""
        return bool(self.closed) or not self.cache

    def change(self, wish: Wish, by: str, now: float) -> tuple[str, ...]:
        """Do as wished; what changed by it, in words: `cache off`, `cordon files`. To wish for what is changes nothing."""
        done = []
        for name in _NAMES:
            wanted = getattr(wish, name)
            if wanted is not None and wanted != getattr(self, name):
                setattr(self, name, wanted)
                done.append(f"{name} {_word(wanted)}")
        for service, out in sorted(wish.cordon.items()):
            if out and service not in self.cordons:
                self.cordons[service] = Cordon(by, now)
                done.append(f"cordon {service}")
            elif not out and service in self.cordons:
                del self.cordons[service]
                done.append(f"uncordon {service}")
        self._close()
        return tuple(done)

    def why(self, service: str) -> str | None:
        """Why the service takes no calls, None if it does."""
        cordon, withdrawal = self.cordons.get(service), self.withdrawn.get(service)
        if cordon is None:
            return None if withdrawal is None else withdrawal.why()
        since = datetime.fromtimestamp(cordon.since, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"an operator took it out of service at {since}"

    def notice(self, service: str) -> str:
        """What callers are told of a service that takes no calls, beside that it is down."""
        withdrawal = self.withdrawn.get(service)
        return "" if withdrawal is None else withdrawal.notice()

    def refusal(self, service: str, now: float) -> Unavailable:
        """What is said to whoever calls a service that nobody gets anything of."""
        withdrawal = self.withdrawn.get(service)
        if withdrawal is not None:
            return withdrawal.refusal(service, now)
        return Unavailable(
            f"The service {service!r} takes no calls: {self.why(service)}. "
            "Call again later, or ask whoever runs the gate.",
            retry_after=RETRY_AFTER,
        )

    def shown(self, services: Collection[str]) -> dict[str, Any]:
        """How everything stands, in the form in which a change is asked for."""
        return {
            **{name: _word(getattr(self, name)) for name in _NAMES},
            "cordon": {service: service in self.cordons for service in sorted(services)},
        }


def wish_of(said: object, services: Collection[str]) -> Wish:
    """What a request's decoded body asks for. Raises `BadRequest` with everything that is wrong, and what is right."""
    if not isinstance(said, dict) or not said:
        raise BadRequest(
            'Say what to change, as a JSON object: {"cache": "off"}, {"cordon": {"SERVICE": true}}.'
        )
    problems: list[str] = []
    wanted: dict[str, Any] = {}
    for name, value in said.items():
        if name in _NAMES:
            if not isinstance(value, str) or value not in _WORDS:
                problems.append(f'{name} is "on" or "off", not {_quoted(value)}')
            else:
                wanted[name] = _WORDS[value]
        elif name == "cordon":
            problems += _wrong_with(value, services)
            wanted[name] = value
        else:
            problems.append(f"no switch is called {_quoted(name)}: there are {', '.join(_NAMES)} and cordon")
    if problems:
        raise BadRequest(f"Nothing was changed: {'; '.join(problems)}.")
    return Wish(**wanted)


def _wrong_with(cordon: object, services: Collection[str]) -> list[str]:
    if not isinstance(cordon, dict):
        return [f'cordon names services: {{"SERVICE": true}}, not {_quoted(cordon)}']
    problems = [
        f"cordon.{shown(name)} is true or false, not {_quoted(value)}"
        for name, value in cordon.items()
        if not isinstance(value, bool)
    ]
    for name in cordon:
        if name not in services:
            close = alike(name, sorted(services))
            fix = f"perhaps {' or '.join(close)}" if close else "GET /-/switches lists them"
            problems.append(f"no service is called {_quoted(name)} ({fix})")
    return problems


def _word(on: bool) -> str:
    return "on" if on else "off"


def _quoted(value: object) -> str:
    return shown(repr(value))
