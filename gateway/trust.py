"""Whom does the gate believe who callers are? What the settings say, in the values of the room `identity`."""

from __future__ import annotations

from gateway import assembly
from gateway.core.claims import Issuer
from gateway.identity.authorities import Authority, Introspector, MiddleAuth
from gateway.identity.clients import Client
from gateway.identity.identities import Trusted
from gateway.identity.introspection import Terms
from gateway.settings import Settings
from gateway.settings.identity import Introspection


def trusted(settings: Settings) -> list[Trusted]:
    """The issuers of JWTs, with where their keys are."""
    return [Trusted(*pair) for pair in assembly.issuers(settings)]


def vouching(settings: Settings) -> list[Terms]:
    """Who is asked about tokens that say nothing of themselves."""
    return [
        Terms(_authority(one), one.fresh, one.negative, one.stale, one.stand_in)
        for one in settings.identity.introspection
    ]


def _authority(one: Introspection) -> Authority:
    name = one.url.text.rstrip("/")
    if one.kind == "middle_auth":
        return MiddleAuth(name)
    issuer = Issuer(
        name,
        one.audience,
        (),
        groups_claim=one.groups_claim,
        scopes_claim=one.scopes_claim,
        leeway=one.leeway,
    )
    secret = "" if one.client_secret is None else one.client_secret.get_secret_value()
    return Introspector(one.url.text, issuer, Client(one.client_id or "", secret, one.auth), one.issuer)
