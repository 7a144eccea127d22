"""How many connections does the system leave room for? Each takes a file descriptor, and often two."""

from __future__ import annotations

import logging
import sys
from typing import Final

log = logging.getLogger("labgate")

KEPT: Final = 256
"""Descriptors for everything but callers: files of the cache, listeners, Redis, services that are asked what they offer."""

_PLENTY: Final = 1 << 20
"""More are not asked for: some systems allow so many that programs which close all of them take minutes."""


def raised() -> int:
    """How many descriptors this process may have: the most that its system allows without asking anybody."""
    if sys.platform == "win32":
        return _PLENTY
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _PLENTY if hard == resource.RLIM_INFINITY else min(hard, _PLENTY)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return _PLENTY if soft == resource.RLIM_INFINITY else soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (ValueError, OSError):  # macOS allows fewer than it says
        return soft
    return most


def room(descriptors: int) -> int:
    """For how many callers' connections so many descriptors suffice: each may hold one to a service, or a file, too."""
    return max(1, (descriptors - KEPT) // 2 if descriptors > 2 * KEPT else descriptors // 4)


def connections(wanted: int, descriptors: int) -> int:
    """How many connections of callers there may be; it is logged where these are fewer than were wanted."""
    found = room(descriptors)
    if found >= wanted:
        return wanted
    log.warning(
        "only %d connections of callers are served at once, and not %d: the system gives this process %d file "
        "descriptors. Give it %d (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of containers)",
        found,
        wanted,
        descriptors,
        2 * wanted + KEPT,
    )
    return found
