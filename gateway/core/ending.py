"""Who may end the gate, when somebody asks for it?"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeAlias

from gateway.core.faults import Unavailable

log = logging.getLogger("labgate")

Ending: TypeAlias = Callable[[], None]
"""Has the whole gate take no more calls, let those under way end, and end; returns at once."""


def end(ending: Ending | None, by: str) -> None:
    """End it, as `by` wishes. Raises `Unavailable` where nobody can."""
    if ending is None:
        raise Unavailable("This gate is part of another program, which ends it.")
    log.warning("%s has the gate drain and end", by)
    ending()
