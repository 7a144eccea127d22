"""What does the cache see of a request through a mount?"""

from __future__ import annotations

from gateway.core.conditions import named_in_request
from gateway.core.http_freshness import HttpCache
from gateway.core.keys import person
from gateway.core.method import Method
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.storing import CHOSEN, choosing
from gateway.doors.notes import Notes
from gateway.doors.way import Way
from gateway.http_book import Wanted, root_of, rule_for


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


def wanted_of(
    way: Way, notes: Notes, method: Method, principal: Principal, query: bytes, body: bytes | None
) -> Wanted:
    """The request as the cache sees it."""
    service = way.service
    rule = rule_for(method)
    asks = bool(rule.when) or rule.share == "authorized"
    named = named_in_request(method, way.inner, query, body) if asks else {}
    root = root_of(
        method,
        principal,
        way.verb,
        chooses_of(notes, service),
        body,
        way.rest + query,
        named,
        credential=notes.own_credential,
    )
    return Wanted(
        rule,
        root,
        person(principal.issuer, principal.subject),
        notes.asked,
        notes.demand,
        way.lineage_of(method, query),
        chosen_by(service.http_cache, keep_host=service.keep_host),
        service.http_cache,
        bool(notes.own_credential),
        notes.special,
        named,
    )
