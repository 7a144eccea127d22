"""What does an authorization server say of a token that it was asked about (RFC 7662 section 2.2)?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.claims import Issuer, judge_audience, name_in, names_in, shown, time_in
from gateway.core.principal import Bearer, Principal
from gateway.core.vouching import Vouched, token_id

_PROVEN = ("cnf",)


def is_active(said: object) -> bool | None:
    """Whether the token holds, as the answer says; None for an answer that does not say it."""
    active = said.get("active") if isinstance(said, dict) else None
    return active if isinstance(active, bool) else None


def judge_introspected(
    said: Mapping[str, Any], issuer: Issuer, token: str, now: float, fresh: float, named: str | None = None
) -> Vouched:
    """For whom an active token speaks, for at most `fresh` seconds from `now` (since 1970).

    `issuer` is who was asked, with the audiences of which the token must name one (none = any); `named` is what it must give
    as the token's own `iss`. Raises `Unauthenticated` for what does not hold or is not of its kind: nothing is guessed.
    """
    kind = said.get("token_type")
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        raise issuer.refusal(f"The token is of the type {shown(kind)}, which is not shown as a Bearer token.")
    if any(said.get(name) is not None for name in _PROVEN):
        # RFC 7800: whoever shows it would have to prove that a key is theirs, too.
        raise issuer.refusal(
            "The token is bound to a key of its owner's (cnf): the gate takes Bearer tokens alone."
        )
    if named is not None and said.get("iss") != named:
        raise issuer.refusal(f"The token is of another issuer, {shown(said.get('iss'))}.")
    if issuer.audiences:
        judge_audience(said.get("aud"), issuer)
    expires, begins = time_in(said, "exp", issuer), time_in(said, "nbf", issuer)
    if expires is not None and now >= expires:
        raise issuer.refusal("The token has expired.")
    if begins is not None and begins > now + issuer.leeway:
        raise issuer.refusal("The token does not hold yet (nbf).")
    ends = float("inf") if expires is None else expires
    principal = Principal(
        subject=_subject(said, issuer),
        issuer=issuer.issuer,
        groups=names_in(said, issuer.groups_claim, issuer),
        scopes=names_in(said, issuer.scopes_claim, issuer),
        expires=min(ends, now + fresh),
        token_id=token_id(token),
        # A token for the gate is for nobody behind it: they are sent one that it was exchanged for.
        bearer=Bearer(token, exchanged=bool(issuer.audiences)),
    )
    return Vouched(principal, {}, ends)


def _subject(said: Mapping[str, Any], issuer: Issuer) -> str:
    """The owner; a client that acts for itself may have no other name than its id."""
    for claim in ("sub", "username"):
        if said.get(claim) is not None:
            return name_in(said[claim], claim, issuer)
    if said.get("client_id") is not None:
        return "client:" + name_in(said["client_id"], "client_id", issuer)
    raise issuer.refusal("It is not said whom the token speaks for (sub, username, client_id).")
