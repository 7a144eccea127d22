"""Does a replica pass a health check, and what does it take until it counts as sick?"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

FALL: Final = 2
"""Checks in a row that a replica fails until it is sick; the first that it passes makes it well."""

_VERSION: Final = b'{"jsonrpc":"2.0","id":"labgate-health","method":'


class HealthCheck(Struct, frozen=True):
    """What each replica is asked `every` so many seconds, and has `timeout` seconds to answer.

    It is a GET of `path`, or the JSON-RPC method `method`, called without parameters at `path`.
    """

    path: str = "/"
    method: str = ""
    every: float = 5.0
    timeout: float = 2.0


def body_of(check: HealthCheck) -> bytes | None:
    """The body of the request, None for that of a GET."""
    return _VERSION + msgspec.json.encode(check.method) + b',"params":[]}' if check.method else None


def passes(check: HealthCheck, status: int, body: bytes) -> bool:
    """Whether the answer is one of a replica that is well: 2xx or 3xx, and for a method a result."""
    if not 200 <= status < 400:
        return False
    if not check.method:
        return True
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return isinstance(said, dict) and "result" in said
