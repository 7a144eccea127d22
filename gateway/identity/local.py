"""What do the tokens say that the gate itself makes?"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import jwt

from gateway.core.claims import LOCAL, MAX_NAME, MAX_NAMES, Issuer, judge_claims
from gateway.core.credentials import MAX_CREDENTIAL
from gateway.core.faults import Unauthenticated
from gateway.core.principal import Principal
from gateway.identity.errors import IdentityError
from gateway.identity.ledger import Issued
from gateway.identity.signing import ALGORITHM, SigningKeys

MAX_TTL = 366 * 86400.0
"""Seconds that a token of the gate's may last."""

ISSUER = Issuer(LOCAL, (LOCAL,), (ALGORITHM,), max_lifetime=MAX_TTL, typ="at+jwt")
"""What the gate's own tokens must say."""


def issue(
    keys: SigningKeys, subject: str, groups: Sequence[str], scopes: Sequence[str], ttl: float, now: float
) -> tuple[str, Issued]:
    """A new token (RFC 9068), and what to write down about it; `ttl` and `now` are seconds.

    Raises IdentityError for a token that would not be accepted.
    """
    principal = checked(subject, groups, scopes, ttl, now)
    token_id = secrets.token_hex(16)
    claims = _claims(subject, groups, scopes, ttl, now) | {"jti": token_id}
    headers = {"typ": "at+jwt", "kid": keys.key_id}
    token = jwt.encode(claims, keys.signs, algorithm=ALGORITHM, headers=headers)
    if len(token) > MAX_CREDENTIAL:
        raise IdentityError(
            f"the token would have more than {MAX_CREDENTIAL} bytes: give it fewer groups and scopes"
        )
    return token, Issued(token_id, subject, principal.groups, principal.scopes, int(now), principal.expires)


def checked(subject: str, groups: Sequence[str], scopes: Sequence[str], ttl: float, now: float) -> Principal:
    """Whom a token with these claims would speak for. Raises IdentityError for one that would not be accepted."""
    if not 1 <= ttl <= MAX_TTL:
        raise IdentityError(f"a token lasts from one second to {MAX_TTL // 86400:.0f} days")
    if any(" " in scope for scope in scopes):
        raise IdentityError("a scope has no spaces: give --scope once for each")
    try:
        return judge_claims(_claims(subject, groups, scopes, ttl, now), ISSUER, now)
    except Unauthenticated as fault:
        raise IdentityError(
            f"subject, groups and scopes are texts of 1 to {MAX_NAME} characters without control characters, "
            f"at most {MAX_NAMES} groups and as many scopes"
        ) from fault


def _claims(
    subject: str, groups: Sequence[str], scopes: Sequence[str], ttl: float, now: float
) -> dict[str, Any]:
    return {
        "iss": LOCAL,
        "aud": LOCAL,
        "sub": subject,
        "groups": list(groups),
        "scope": " ".join(scopes),
        "iat": int(now),
        "exp": int(now) + int(ttl),
    }
