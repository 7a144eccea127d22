"""What does the cache see of a request through a mount?"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.conditions import named_in_request
from gateway.core.credentials_shown import without_secrets, without_sent_cookies
from gateway.core.http_freshness import HttpCache
from gateway.core.keys import person
from gateway.core.method import Method
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.storing import CHOSEN, choosing, own_credential, why_passed
from gateway.core.wanted import Wanted, root_of, rule_for
from gateway.doors.notes import Notes
from gateway.doors.way import Way


def chooses_of(notes: Notes, service: Service) -> tuple[bytes, ...]:
    """What a request says in the fields by which the service's replies differ."""
    settings = service.http_cache
    found = notes.choosing
    if settings.vary_on:
        found = choosing(notes.asked, settings.vary_on)
    if not settings.accept_encoding:
        found = (found[0], b"", *found[2:])
    return (*found, notes.first.get(b"host", b"")) if service.keep_host else found


def chosen_by(settings: HttpCache, *, keep_host: bool) -> frozenset[bytes]:
    """The names of these fields."""
    names = CHOSEN.union(settings.vary_on, (b"host",) if keep_host else ())
    return names if settings.accept_encoding else names - {b"accept-encoding"}


def credential_of(notes: Notes, service: Service, secrets: tuple[bytes, ...] = ()) -> bytes:
    """What stands in keys for the caller's own credentials for the service, `secrets` of the query among them."""
    idle = service.http_cache.idle_cookies
    if not secrets and not (idle and b"cookie" in notes.first):
        return notes.own_credential
    return own_credential(without_sent_cookies(notes.asked, idle), notes.first, secrets)


def why_not_asked(service: Service, notes: Notes, verb: str, method: Method, query: bytes) -> str | None:
    """Why the cache has no part in a request; None where a stored reply may answer it."""
    settings = service.http_cache
    why = why_passed(verb, _first(notes, settings), method, on=settings.on)
    if why is None and method.cache is not None and without_secrets(query, settings.secret_query)[1]:
        return "a credential for the upstream"
    return why


def _first(notes: Notes, settings: HttpCache) -> Mapping[bytes, bytes]:
    """The first value of each field, without cookies that say nothing."""
    first = notes.first
    if not settings.idle_cookies or b"cookie" not in first:
        return first
    left = without_sent_cookies(notes.asked, settings.idle_cookies)
    if any(name.lower() == b"cookie" for name, _ in left):
        return first
    return {name: value for name, value in first.items() if name != b"cookie"}


def wanted_of(
    way: Way, notes: Notes, method: Method, principal: Principal, query: bytes, body: bytes | None
) -> Wanted:
    """The request as the cache sees it."""
    service = way.service
    rule = rule_for(method)
    asks = bool(rule.when) or rule.share == "authorized"
    query, secrets = without_secrets(query, service.http_cache.secret_query)
    named = named_in_request(method, way.inner, query, body) if asks else {}
    credential = credential_of(notes, service, secrets)
    root = root_of(
        method,
        principal,
        way.verb,
        chooses_of(notes, service),
        body,
        way.rest + query,
        named,
        credential=credential,
    )
    return Wanted(
        rule,
        root,
        person(principal.issuer, principal.subject, principal.rights),
        notes.asked,
        notes.demand,
        way.lineage_of(method, query),
        chosen_by(service.http_cache, keep_host=service.keep_host),
        service.http_cache,
        bool(credential),
        notes.special,
        named,
    )
