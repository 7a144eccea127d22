"""How does the gate say to others who asks it? By a short token that it signs, and whose key it publishes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import jwt
from cachetools import LRUCache

from gateway.core.credentials import MAX_CREDENTIAL
from gateway.core.faults import Forbidden
from gateway.core.principal import Bearer, Principal
from gateway.identity.signing import ALGORITHM, SigningKeys

LIFE: Final = 60.0
"""Seconds from its making to its end; half of them it is used."""
TYPE: Final = "identity+jwt"
"""What its header says, so that nobody takes it for a token of the gate's own (RFC 8725 section 3.11), least of all the gate."""
_MOST: Final = 16384
_LONGEST: Final = MAX_CREDENTIAL - 1024
"""Servers take heads of 8 KiB, and there are other fields."""


class Passports:
    """Tokens that say who asks, for one audience each. `issuer` is what they name as theirs."""

    def __init__(self, keys: SigningKeys, issuer: Callable[[], str]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._made: LRUCache[tuple[str, tuple[str, ...], Principal], tuple[Bearer, float]] = LRUCache(_MOST)

    def of(self, principal: Principal, audience: str, claims: Collection[str], now: float) -> str:
        """The token for a caller, with these claims beside the subject. Raises `Forbidden` for one that would be too long."""
        key = (audience, tuple(claims), principal)
        known = self._made.get(key)
        if known is not None and now < known[1]:
            return known[0].token
        ends = min(now + LIFE, principal.expires)
        token = self._sign(principal, audience, claims, now, ends)
        if len(token) > _LONGEST:
            raise Forbidden(
                f"What {principal.subject!r} may do is too much to be told to {audience!r}: leave `groups` or `scope` out of the "
                "`claims` of its `identity`."
            )
        self._made[key] = Bearer(token), now + (ends - now) / 2
        return token

    def _sign(
        self, principal: Principal, audience: str, claims: Collection[str], now: float, ends: float
    ) -> str:
        said = {
            "iss": self._issuer(),
            "aud": audience,
            "sub": principal.subject,
            # Subjects of several issuers may be called the same.
            "idp": principal.issuer,
            "iat": int(now),
            "exp": int(ends),
        }
        if "groups" in claims:
            said["groups"] = list(principal.groups)
        if "scope" in claims:
            said["scope"] = " ".join(principal.scopes)
        headers = {"typ": TYPE, "kid": self._keys.key_id}
        return jwt.encode(said, self._keys.signs, algorithm=ALGORITHM, headers=headers)
