"""What became of it when the settings were taken anew, and how is that told?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol, TypeAlias

from msgspec import Struct, to_builtins

from gateway.core.faults import Unavailable
from gateway.core.sums import Family

What: TypeAlias = Literal["reloaded", "unchanged", "refused"]
_WHATS: Final[tuple[What, ...]] = ("reloaded", "unchanged", "refused")


class Outcome(Struct, frozen=True):
    """What a reload did at a time (seconds since 1970), or would do now, and who asked for it.

    `changes` are differences of the settings, in words; `problems` say why they were refused. Neither holds a secret.
    """

    what: What
    at: float
    by: str
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


class History:
    """The reloads of a gate so far: the last of them whole, the others counted."""

    def __init__(self, began: float) -> None:
        """`began`: when the first settings were taken, in seconds since 1970."""
        self.last: Outcome | None = None
        self.taken = began
        """When the settings that hold were taken."""
        self._counts: Counter[What] = Counter()

    def note(self, outcome: Outcome) -> None:
        """One more; that nothing has changed is worth to be remembered only where it ends a refusal."""
        self._counts[outcome.what] += 1
        if outcome.what != "unchanged" or self.last is None or self.last.what == "refused":
            self.last = outcome
        if outcome.what == "reloaded":
            self.taken = outcome.at

    def shown(self) -> dict[str, Any]:
        """For operators."""
        last = None if self.last is None else to_builtins(self.last)
        return {"settings_of": self.taken, "last": last}

    def families(self) -> list[Family]:
        """For Prometheus."""
        refused = self.last is not None and self.last.what == "refused"
        counted = tuple(
            ("labgate_reloads_total", (("what", what),), float(self._counts[what])) for what in _WHATS
        )
        return [
            Family("labgate_reloads", "counter", "How often the settings were taken anew, or refused.", False, counted),
            Family("labgate_reload_refused", "gauge", "Whether the settings were refused when they were last looked at.", False,
                   (("labgate_reload_refused", (), float(refused)),)),
            Family("labgate_settings_taken_seconds", "gauge", "When the settings that hold were taken, in seconds since 1970.", False,
                   (("labgate_settings_taken_seconds", (), self.taken),)),
        ]  # fmt: skip


class Reloading(Protocol):
    """Who takes the settings of a running gate anew."""

    async def reload(self, by: str) -> Outcome:
        """Take them, if they can be used and have changed."""

    async def look(self, by: str) -> Outcome:
        """What `reload` would do now."""

    def shown(self) -> Mapping[str, Any]:
        """How it stands, for operators."""

    def families(self) -> Sequence[Family]:
        """The same as numbers."""


async def asked(reloading: Reloading | None, by: str, *, only_look: bool) -> dict[str, Any]:
    """The outcome as plain data. Raises `Unavailable` where nobody can."""
    if reloading is None:
        raise Unavailable("This gate was started without a settings file: there is nothing to take anew.")
    outcome = await (reloading.look(by) if only_look else reloading.reload(by))
    found: dict[str, Any] = to_builtins(outcome)
    return found
