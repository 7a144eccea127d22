"""Whom does a token speak for?"""

from __future__ import annotations

from msgspec import Struct

ANONYMOUS_ISSUER = "anonymous"


class Bearer(Struct, frozen=True, gc=False):
    """A token that may be sent on; it shows itself nowhere. `exchanged` = only to where it is exchanged for another."""

    token: str
    exchanged: bool = False

    def __repr__(self) -> str:
        return "Bearer(…)"


class Principal(Struct, frozen=True, gc=False):
    """Whom a credential speaks for.

    `expires` is when the credential ends, in seconds since 1970; `token_id` is its own id (`jti`). `bearer` is the credential
    itself, where services may be sent it that the same issuer is for. `rights` tells tokens of one subject apart in keys, where
    some service sees what they may do: see `introducing.with_rights`.
    """

    subject: str
    issuer: str
    groups: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    expires: float = float("inf")
    token_id: str | None = None
    bearer: Bearer | None = None
    rights: bytes = b""

    @property
    def anonymous(self) -> bool:
        """Whether there was no credential."""
        return self.issuer == ANONYMOUS_ISSUER


ANONYMOUS = Principal(subject="anonymous", issuer=ANONYMOUS_ISSUER)
