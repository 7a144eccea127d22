"""Which token does an operator want made, and may they have it made?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from msgspec import Struct

from gateway.core.claims import LOCAL
from gateway.core.deciding import speaking
from gateway.core.faults import BadRequest, Forbidden
from gateway.core.naming import shown
from gateway.core.policy import Policy, is_path
from gateway.core.principal import Principal

TTL: Final = 30 * 86400.0
"""Seconds that a token lasts unless the wish says otherwise."""

_KNOWN: Final = ("subject", "groups", "scopes", "ttl", "opaque")
_EXAMPLE: Final = '{"subject": "ada", "groups": ["lab"], "ttl": 86400}'


class TokenWish(Struct, frozen=True):
    """Whom the token shall speak for, with which groups and scopes, for how many seconds; `opaque` = a key, no signed token."""

    subject: str
    groups: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    ttl: float = TTL
    opaque: bool = False

    @property
    def principal(self) -> Principal:
        """Whom the gate would take its bearer for."""
        return Principal(subject=self.subject, issuer=LOCAL, groups=self.groups, scopes=self.scopes)


class TokenDesk(Protocol):
    """Who makes tokens, and knows those that were made. Everything waits for the disk; faults are raised."""

    def all(self) -> list[dict[str, Any]]:
        """What is known of each, oldest first; never a token itself."""

    def make(self, wish: TokenWish) -> tuple[str, dict[str, Any]]:
        """A new token, and what is known of it."""

    def revoke(self, given: str) -> dict[str, Any]:
        """Take back the token of this id, or of the beginning of one."""


def wish_of(said: Any) -> TokenWish:
    """The wish that a body says. Raises `BadRequest`."""
    if not isinstance(said, dict):
        raise BadRequest(f"Say which token is wanted: {_EXAMPLE}.")
    stray = next((name for name in said if name not in _KNOWN), None)
    if stray is not None:
        raise BadRequest(f"{shown(stray)} is nothing that a token has; there are {', '.join(_KNOWN)}.")
    subject = said.get("subject")
    if not isinstance(subject, str) or not subject:
        raise BadRequest(f"A token has a subject, whom it speaks for: {_EXAMPLE}.")
    ttl, opaque = said.get("ttl", TTL), said.get("opaque", False)
    if not isinstance(ttl, int | float) or isinstance(ttl, bool):
        raise BadRequest(f"ttl is a number of seconds, not {shown(repr(ttl))}.")
    if not isinstance(opaque, bool):
        raise BadRequest(f"opaque is true or false, not {shown(repr(opaque))}.")
    return TokenWish(subject, _names(said, "groups"), _names(said, "scopes"), float(ttl), opaque)


def _names(said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = said.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise BadRequest(f"{name} is a list of texts, not {shown(repr(value))}.")
    return tuple(dict.fromkeys(value))


def check_maker(policies: Sequence[Policy], maker: Principal, wish: TokenWish) -> None:
    """Nobody has a token made that may do more than they do themselves: that would be a way up.

    For others than themselves only those have one made who may call every method. Raises `Forbidden`.
    """
    own = speaking(policies, maker)
    may = {glob for number in own for glob in policies[number - 1].allow}
    if "*" not in may and (wish.subject, LOCAL) != (maker.subject, maker.issuer):
        raise _TooMuch(
            f"A policy has to let {maker.subject!r} call everything (`*`) for tokens that speak for others."
        )
    for number in speaking(policies, wish.principal):
        more = [glob for glob in policies[number - 1].allow if ("/**" if is_path(glob) else "*") not in may]
        if number not in own and more:
            raise _TooMuch(
                f"The token could do more than {maker.subject!r} may: policy {number} speaks of it, and allows {more[0]}."
            )


class _TooMuch(Forbidden):
    """On pages of operators a refusal is a 403."""

    status = 403

    @property
    def name(self) -> str:
        return "Forbidden"
