"""Where did the time of a request go? The value of the field `Server-Timing` (W3C Server Timing), in milliseconds."""

from __future__ import annotations

from typing import Final

from gateway.core.verdict import Hit, Verdict

TRIP: Final = b"cache;desc=%b, upstream;dur=%.1f, total;dur=%.1f"
"""What is known of a trip for somebody who was known: for those who write it into a longer text."""


def server_timing(
    cache: str | None, total: float, upstream: float | None = None, auth: float | None = None
) -> bytes:
    """What is known of a request whose answer begins now.

    `cache` = what the cache did, in a word; `total` = since the request came. `upstream` is the trip to the service, None where
    none was made; `auth` is how long it took to know who calls, None where that was known.
    """
    if cache is not None and upstream is not None and auth is None:
        return TRIP % (cache.encode(), upstream, total)
    said = [] if auth is None else [b"auth;dur=%.1f" % auth]
    if cache is not None:
        said.append(b"cache;desc=%b" % cache.encode())
    if upstream is not None:
        said.append(b"upstream;dur=%.1f" % upstream)
    said.append(b"total;dur=%.1f" % total)
    return b", ".join(said)


def is_of_memory(verdict: Verdict) -> bool:
    """Whether an answer came from memory: then no time is told, which would take longer than the answer."""
    return isinstance(verdict, Hit) and not verdict.tier
