"""Which doors are there for operators alone, beside those of the cache and the switches? The parts behind the console's panels."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from gateway.core.sums import Family
from gateway.doors.audit_records import AuditDoor
from gateway.doors.method_times import AskTimes, MethodTimesDoor
from gateway.doors.policies import PoliciesDoor
from gateway.doors.reception import Place
from gateway.doors.tokens import RevokeDoor, TokensDoor
from gateway.doors.traffic import TrafficDoor
from gateway.doors.usage import UsageDoor
from gateway.identity.signing import SigningKeys
from gateway.identity.token_desk import LedgerDesk
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.settings.audit import STDERR
from gateway.telemetry.audit_tail import last_records
from gateway.usage import UsageBook

_READ: Final = ("GET", "HEAD")


def operators_places(
    settings: Settings,
    relay: Relay,
    signing: SigningKeys | None,
    numbers: Callable[[], Awaitable[Sequence[Family]]],
    wall: Callable[[], float],
    usage: UsageBook | None,
    method_times: AskTimes,
) -> dict[str, list[Place]]:
    """The doors by their addresses; those of tokens only where the gate makes any."""
    place = partial(Place, "operator", operators=True)
    places = {
        "/-/usage": [place(UsageDoor(None if usage is None else usage.told, wall), _READ)],
        "/-/traffic": [place(TrafficDoor(numbers, wall), _READ)],
        "/-/methods": [place(MethodTimesDoor(method_times), _READ)],
        "/-/policies": [place(PoliciesDoor(relay), _READ)],
        "/-/audit": [place(_audit(settings), _READ)],
    }
    if signing is not None and settings.identity.local_tokens:
        desk = LedgerDesk(settings.state_dir, signing, wall)
        places["/-/tokens"] = [place(TokensDoor(desk, relay), (*_READ, "POST"), changes=True)]
        places["/-/tokens/revoke"] = [place(RevokeDoor(desk), ("POST",), changes=True)]
    return places


def _audit(settings: Settings) -> AuditDoor:
    wanted = settings.telemetry.audit
    if wanted is None:
        return AuditDoor(None, "No audit log is kept: `telemetry: {audit: FILE}` in the settings begins one.")
    if wanted.file == STDERR:
        return AuditDoor(None, "The audit log goes to the gate's stderr, and is kept where that is.")
    return AuditDoor(partial(last_records, wanted.file), "")
