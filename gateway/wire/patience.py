"""What has taken too long? The times of a caller's connection, as decisions."""

from __future__ import annotations

from enum import Enum

from gateway.wire.limits import Limits
from gateway.wire.phase import Phase


class Overdue(Enum):
    """What ends."""

    SILENT = "a connection on which nothing is asked, or whose last answer had its time to arrive"
    HEAD = "a head that is not whole"
    BODY = "a body of which too little comes"


def credited(since: float, now: float, moved: int, rate: int) -> float:
    """When the present silence began: each byte that moved makes up for the time that it may take, none for more.

    So whoever moves on at `rate` is never silent for long, and whoever moved much at once has no more time than others.
    """
    return min(now, since + moved / rate)


def overdue(phase: Phase, silent: float, limits: Limits, *, unwelcome: bool, invited: bool) -> Overdue | None:
    """What ends after so many seconds of silence in a phase, if anything does.

    `unwelcome` = there is no room for the caller, who has as little time as a head to be told so. `invited` = the caller
    knows that the body is awaited, and nobody keeps it from coming.
    """
    if phase is Phase.IDLE:
        return (
            Overdue.SILENT if silent > (limits.header_seconds if unwelcome else limits.idle_seconds) else None
        )
    if phase is Phase.HEAD:
        return Overdue.HEAD if silent > limits.header_seconds else None
    if phase is Phase.LINGER:
        return Overdue.SILENT if silent > limits.linger_seconds else None
    if phase is Phase.BODY and invited:
        return Overdue.BODY if silent > limits.body_seconds else None
    return None
