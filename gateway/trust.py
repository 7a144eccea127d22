"""Whom does the gate believe who callers are? What the settings say, in the values of the room `identity`."""

from __future__ import annotations

from gateway import assembly
from gateway.core.claims import LOCAL, Issuer
from gateway.identity.authorities import Authority, Introspector, MiddleAuth
from gateway.identity.clients import Client
from gateway.identity.exchange import Terms as ExchangeTerms
from gateway.identity.granting import Endpoint
from gateway.identity.identities import Showing, Trusted
from gateway.identity.introductions import Account
from gateway.identity.introspection import Terms
from gateway.settings import Settings
from gateway.settings.identity import Introspection
from gateway.settings.introducing import ClientCredentials, Exchange


def trusted(settings: Settings) -> list[Trusted]:
    """The issuers of JWTs, with where their keys are."""
    return [Trusted(*pair) for pair in assembly.issuers(settings)]


def vouching(settings: Settings) -> list[Terms]:
    """Who is asked about tokens that say nothing of themselves."""
    return [
        Terms(_authority(one), one.fresh, one.negative, one.stale, one.stand_in)
        for one in settings.identity.introspection
    ]


def showing(settings: Settings) -> Showing:
    """What services are shown of callers."""
    exchanged = assembly.exchanged_issuers(settings)
    signs = LOCAL in exchanged or any(one.identity is not None for one in assembly.entries(settings).values())
    return Showing(exchanged, assembly.tells_rights(settings), signs)


def accounts(settings: Settings) -> dict[str, Account]:
    """Where the gate gets tokens of its own for services, by the names of their entries."""
    return {
        name: Account(_endpoint(one.client_credentials), _wanted(one.client_credentials))
        for name, one in assembly.entries(settings).items()
        if one.client_credentials is not None
    }


def exchanges(settings: Settings) -> dict[str, ExchangeTerms]:
    """Where callers' tokens are exchanged for services', by the names of their entries."""
    return {
        name: ExchangeTerms(
            name, _endpoint(one.exchange), frozenset(one.exchange.issuers), _wanted(one.exchange)
        )
        for name, one in assembly.entries(settings).items()
        if one.exchange is not None
    }


def _endpoint(one: ClientCredentials | Exchange) -> Endpoint:
    return Endpoint(one.url.text, Client(one.client_id, one.client_secret.get_secret_value(), one.auth))


def _wanted(one: ClientCredentials | Exchange) -> tuple[tuple[str, str], ...]:
    """What the token is to be for, as members of a form."""
    said = (("audience", one.audience), ("resource", one.resource), ("scope", " ".join(one.scope) or None))
    return tuple((name, value) for name, value in said if value is not None)


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
