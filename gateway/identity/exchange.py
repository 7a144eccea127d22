"""For which token of a service's is a caller's exchanged (RFC 8693)?"""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import sha256
from typing import Final

from aiohttp import ClientSession
from msgspec import Struct

from gateway.core.claims import LOCAL
from gateway.core.faults import Forbidden
from gateway.core.principal import Principal
from gateway.identity.granting import Endpoint, Grant, granted
from gateway.identity.grants import Grants
from gateway.identity.passport import Passports

_GRANT: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS: Final = "urn:ietf:params:oauth:token-type:access_token"
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_MOST: Final = 16384


class Terms(Struct, frozen=True):
    """Where tokens are exchanged, whose (issuers' names), and for what: the members of the form that say it."""

    service: str
    endpoint: Endpoint
    issuers: frozenset[str]
    wanted: tuple[tuple[str, str], ...] = ()


class Exchange:
    """One service's tokens, by the caller's. Times are seconds since 1970 and come in."""

    def __init__(self, terms: Terms, session: ClientSession, passports: Passports | None) -> None:
        """Callers by a token of the gate's own are spoken for by `passports`."""
        self._terms = terms
        self._session = session
        self._passports = passports
        self._grants = Grants(_MOST)

    def at_hand(self, principal: Principal, now: float) -> str | None:
        """The service's token for this caller, if there is one. Raises `Forbidden` for whose token is not exchanged."""
        key = self._key(principal)
        return self._grants.at_hand(key, now, lambda at: self._ask(principal, at))

    async def obtain(self, principal: Principal, now: float) -> str:
        """The service's token for this caller. Raises `Forbidden` and `Unavailable`."""
        key = self._key(principal)
        return await self._grants.obtain(key, now, lambda at: self._ask(principal, at))

    async def close(self) -> None:
        """End the questions under way."""
        await self._grants.close()

    def _key(self, principal: Principal) -> Hashable:
        """What stands for the caller's token: itself, where it says more than the gate read of it."""
        if principal.issuer not in self._terms.issuers:
            raise Forbidden(
                f"The service {self._terms.service!r} wants to know who asks, and tokens of {principal.issuer!r} are not exchanged "
                f"for its own: call with one of {' or '.join(sorted(self._terms.issuers))}."
            )
        if principal.bearer is not None:
            return sha256(principal.bearer.token.encode("utf-8", "surrogatepass")).digest()
        return principal.issuer, principal.subject, principal.groups, principal.scopes

    async def _ask(self, principal: Principal, now: float) -> Grant:
        subject, kind = self._subject(principal, now)
        form = {
            "grant_type": _GRANT,
            "subject_token": subject,
            "subject_token_type": kind,
            "requested_token_type": _ACCESS,
            **dict(self._terms.wanted),
        }
        purpose = f"token for the service {self._terms.service!r}"
        return await granted(self._session, self._terms.endpoint, form, purpose)

    def _subject(self, principal: Principal, now: float) -> tuple[str, str]:
        if principal.bearer is not None:
            return principal.bearer.token, _ACCESS
        if principal.issuer != LOCAL or self._passports is None:
            raise Forbidden(f"There is no token of {principal.subject!r} that could be exchanged.")
        return self._passports.of(principal, self._terms.endpoint.url, ("groups", "scope"), now), _JWT
