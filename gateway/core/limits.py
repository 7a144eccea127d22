"""What may one caller have in all, or by one policy: how often, how much of it at once, how many bytes? And how is it told?"""

from __future__ import annotations

from math import ceil

from msgspec import Struct

from gateway.core.rates import Rate


class Limit(Struct, frozen=True, gc=False):
    """What each principal may have: calls at a `rate`, `concurrency` of them at once, answers of so many `bytes`."""

    rate: Rate | None = None
    concurrency: int | None = None
    bytes: Rate | None = None


class Named(Struct, frozen=True):
    """A limit, and what it is called: `caller` for what holds for all that somebody does, else `policy-3`."""

    name: str
    limit: Limit


CALLER = "caller"
"""The limit that holds for all that a principal does."""


def of_policy(number: int) -> str:
    """What the limit of a policy is called; the policies of the settings are counted from 1."""
    return f"policy-{number}"


def policy_item(name: str, rate: Rate, unit: str = "") -> str:
    """A rate as an item of the field RateLimit-Policy: its quota, and the seconds in which it comes back."""
    kind = f';qu="{unit}"' if unit else ""
    return f'"{name}";q={rate.burst}{kind};w={max(1, ceil(rate.burst * rate.seconds / rate.count))}'


def policy_items(named: Named) -> list[str]:
    """A limit as items of the field RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers)."""
    limit, name = named.limit, named.name
    found = []
    if limit.rate is not None:
        found.append(policy_item(name, limit.rate))
    if limit.concurrency is not None:
        found.append(f'"{name}-at-once";q={limit.concurrency};qu="concurrent-requests"')
    if limit.bytes is not None:
        found.append(policy_item(f"{name}-bytes", limit.bytes, "content-bytes"))
    return found


def in_words(limit: Limit) -> dict[str, str | int]:
    """A limit for people: `{"rate": "100/s", "burst": 200}`."""
    said: dict[str, str | int] = {}
    if limit.rate is not None:
        said["rate"] = _per(limit.rate)
        if limit.rate.burst != limit.rate.count:
            said["burst"] = limit.rate.burst
    if limit.concurrency is not None:
        said["concurrency"] = limit.concurrency
    if limit.bytes is not None:
        said["bytes"] = _per(limit.bytes)
    return said


def _per(rate: Rate) -> str:
    units = {1: "s", 60: "min", 3600: "h", 86400: "d"}
    return f"{rate.count}/{units.get(rate.seconds, f'{rate.seconds}s')}"
