"""What may a caller do, and by which policy? Told to nobody but themselves: of others' policies it says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.core.deciding import Permit
from gateway.core.faults import Fault
from gateway.core.policy import Policy, is_meant
from gateway.core.principal import Principal


def policies_of(policies: Sequence[Policy], principal: Principal) -> list[dict[str, Any]]:
    """The policies that speak of the principal.

    Each with its number, counted from 1, the words of its `to` that mean them, and what it allows.
    """
    found: list[dict[str, Any]] = []
    for number, policy in enumerate(policies, 1):
        words = [word for word in policy.to if is_meant(word, principal)]
        if words:
            said: dict[str, Any] = {"number": number, "to": words, "allow": list(policy.allow)}
            found.append(said | ({"operate": True} if policy.operate else {}))
    return found


def permission(name: str, permit: Permit | None, refusal: Fault | None) -> dict[str, Any]:
    """Whether a method may be called: by which policy, or why not."""
    said: dict[str, Any] = {"method": name, "allowed": refusal is None}
    if refusal is not None:
        return said | {"fault": refusal.name, "why": refusal.message}
    if permit is not None:
        said["policy"] = {"number": permit.number, "to": permit.to, "allow": permit.allow}
    return said
