"""How do gates that share a Redis advertise the same methods, though each of them asks the services?

What one has heard that is new, all advertise within a second: they look every half. A service that one of them sees go down, or
come back, is asked by the others at once.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from msgspec import ValidationError

from gateway.core.agreeing import Agreed, proposed
from gateway.core.service import Description, Service
from gateway.core.told import read, written

LOOK: Final = 0.5
"""Seconds from one look at what the others have agreed on to the next."""
_TRIES: Final = 4
_ANEW_SECONDS: Final = 10.0
"""From one question because Redis does not have the last answer to the next, where it takes nothing."""

log = logging.getLogger(__name__)


class Seen(Protocol):
    """What is agreed on of one service: `raw` as it is written, `strange` if no gate of ours has done so."""

    agreed: Agreed | None
    raw: bytes
    turns: int
    strange: bool


class Offers(Protocol):
    """Where it is written; what fails is None or False."""

    async def seen(self) -> Mapping[str, Any] | None:
        """All of it, by what stands for the services."""

    async def text(self, name: str, digest: str) -> str | None:
        """A description that was agreed on."""

    async def agree(self, name: str, before: bytes, agreed: Agreed, text: str) -> bool:
        """Have all agree on this one, if what is there is still `before`."""

    async def keep(self, name: str) -> bool:
        """It was heard again; whether it is there."""

    async def turn(self, name: str) -> int | None:
        """The service went down or came back: how often so far."""

    async def now(self) -> float | None:
        """The time that all agree on, in seconds."""


class Learner(Protocol):
    """What knows the services here."""

    @property
    def asks(self) -> bool:
        """Whether the services are asked here, and not by another worker."""

    def adopt(self, service: str, description: Description, dialect: str) -> None:
        """Advertise this from now on."""

    def nudge(self, service: str) -> None:
        """Ask the service now."""


class Agreement:
    """Keeps what this gate advertises in agreement with the others; `run` as one task."""

    def __init__(self, offers: Offers, stamps: Mapping[str, bytes], digest: Callable[[bytes], str]) -> None:
        """`stamps` stand for the settings of each service: only gates with the same settings agree on it."""
        self._offers = offers
        self._stamps = stamps
        self._digest = digest
        self._mine: dict[str, str] = {}
        """The digest of what is advertised here, by service."""
        self._turns: dict[str, int] = {}
        self._untold: dict[str, bool] = {}
        """Services whose last answer Redis was not there to hear, or did not take, and whether an operator had asked for it."""
        self._anew: dict[str, float] = {}
        self._telling: set[asyncio.Task[None]] = set()

    async def settle(
        self, service: Service, description: Description, dialect: str, *, force: bool
    ) -> tuple[Description, str]:
        """What to advertise of a service that has just described itself so; `force` = an operator asked."""
        name = self._name(service.qualified)
        if name is None:
            return description, dialect
        text = await asyncio.to_thread(_text, description, dialect)
        heard = self._digest(text.encode("utf-8", "surrogatepass"))
        force = self._untold.pop(service.qualified, False) or force
        for _ in range(_TRIES):
            seen, now = await self._offers.seen(), await self._offers.now()
            if seen is None or now is None:
                self._untold[service.qualified] = force
                break
            one = seen.get(name)
            if one is not None and one.strange:
                break  # nobody to agree with
            agreed = None if one is None else one.agreed
            wanted = proposed(agreed, heard, now, force=force)
            if wanted is None and agreed is not None:
                kept = heard == agreed.digest and await self._offers.keep(name)
                found = (description, dialect) if kept else await self._read(name, agreed.digest)
                if found is not None:
                    self._mine[service.qualified] = agreed.digest
                    return found
                wanted = Agreed(heard, agreed.past)  # its text was lost
            if wanted is not None and await self._offers.agree(
                name, b"" if one is None else one.raw, wanted, text
            ):
                self._anew.pop(service.qualified, None)
                break
        else:
            self._untold[service.qualified] = force
        self._mine[service.qualified] = heard
        return description, dialect

    def turned(self, service: str) -> None:
        """A service went down here, or came back: let the others ask it."""
        task = asyncio.create_task(self._tell_turn(service), name=f"tell replicas of {service}")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def run(self, learner: Learner) -> None:
        """Look at what the others say, again and again."""
        while True:
            await asyncio.sleep(LOOK)
            if learner.asks:
                try:
                    await self._look(learner)
                except Exception:
                    # It must go on: else this gate would never agree again.
                    log.exception("what the replicas advertise could not be taken over")

    async def _look(self, learner: Learner) -> None:
        seen = await self._offers.seen()
        if seen is None:
            return
        for service in list(self._stamps):
            name = self._name(service)
            if name is None:
                continue
            one = seen.get(name)
            if service in self._untold or one is None or (one.agreed is None and not one.strange):
                self._begin_anew(service, learner)
            if one is None:
                continue
            if one.turns != self._turns.get(service, one.turns):
                learner.nudge(service)
            self._turns[service] = one.turns
            if service in self._untold or one.agreed is None or one.agreed.digest == self._mine.get(service):
                continue
            found = await self._read(name, one.agreed.digest)
            if found is not None:
                self._mine[service] = one.agreed.digest
                learner.adopt(service, *found)

    def _begin_anew(self, service: str, learner: Learner) -> None:
        """Redis was away when the service was asked, or has forgotten what was agreed on: ask again."""
        now = asyncio.get_running_loop().time()
        if service in self._mine and now - self._anew.get(service, -math.inf) > _ANEW_SECONDS:
            self._anew[service] = now
            learner.nudge(service)

    async def _read(self, name: str, digest: str) -> tuple[Description, str] | None:
        text = await self._offers.text(name, digest)
        try:
            return None if text is None else await asyncio.to_thread(_read, text)
        except (ValidationError, ValueError):
            return None

    async def _tell_turn(self, service: str) -> None:
        name = self._name(service)
        turns = None if name is None else await self._offers.turn(name)
        if turns is not None:
            self._turns[service] = turns

    def _name(self, service: str) -> str | None:
        stamp = self._stamps.get(service)
        return None if stamp is None else stamp.hex()


def _text(description: Description, dialect: str) -> str:
    return f"{dialect}\n{written(description)}"


def _read(text: str) -> tuple[Description, str]:
    dialect, _, description = text.partition("\n")
    return read(description), dialect
