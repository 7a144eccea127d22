"""What is told of a token that was made here? Never the token itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.identity.ledger import Issued


def standing(token: Issued, revoked: Mapping[str, float], now: float) -> str:
    """Whether it holds: `valid`, `expired` or `revoked`."""
    if token.id in revoked:
        return "revoked"
    return "valid" if now < token.expires else "expired"


def kind(token: Issued) -> str:
    """`key`, which says nothing of itself, or `jwt`."""
    return "key" if token.digest else "jwt"


def described(
    token: Issued, revoked: Mapping[str, float], used: Mapping[str, float], now: float
) -> dict[str, object]:
    """Everything that is known of it, for JSON; `revoked` and `used` tell when, by ids, in seconds since 1970."""
    told: dict[str, object] = {
        "id": token.id,
        "kind": kind(token),
        "subject": token.subject,
        "groups": token.groups,
        "scopes": token.scopes,
        "created": date(token.created),
        "expires": date(token.expires),
        "state": standing(token, revoked, now),
    }
    if token.id in used:
        told["last_used"] = date(used[token.id])
    if token.id in revoked:
        told["revoked"] = date(revoked[token.id])
    return told


def date(time: float) -> str:
    """A moment in seconds since 1970 as a date (RFC 3339)."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
