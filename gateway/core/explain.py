"""What would happen to a call, and why? From decisions to plain values that can be written as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct, to_builtins

from gateway.core.cache_status import in_a_word
from gateway.core.deciding import Permit, sources
from gateway.core.faults import Fault
from gateway.core.limits import Named, in_words
from gateway.core.method import HttpBinding, Method
from gateway.core.naming import shown
from gateway.core.principal import Principal
from gateway.core.service import Service
from gateway.core.told_key import in_words as key_in_words
from gateway.core.told_key import told
from gateway.core.verdict import Entry, Hit, Miss, Pass, Stale, Verdict

_WHY: Final = {
    "not stored": "nothing is stored under its key",
    "no rule": "no rule says how long its reply serves; equal calls at the same time share one trip",
    "invalidated": "what is stored holds no longer: a write or a purge has ended one of `void_by`, or the epoch has changed",
    "older than asked for": "what is stored is older than the caller wants it",
    "from the future": "what is stored comes from the future: a clock was set back",
    "expired": "what is stored has expired",
    "to be validated": "what is stored serves only when the service has said that it still holds",
    "no reply for these fields": "replies are stored under its key, but none for what its fields say",
    "asked for": "the caller puts up with it",
    "unsafe": "the method may change something: every call goes to the service",
    "switched off": "an operator has switched the cache off",
}
"""The verdicts' reasons as sentences; one that is not here is told as it is."""


class Case(Struct, frozen=True):
    """What was decided about a call.

    `permits` are the policies that let it be, by what they are about: `policy` for the method, `path_policy` for the path.
    `verdict` is None where it was refused, and `refusal` says why. `flying` = a trip is under way that it would join.
    `tier` is where its entry is, None without one; `lineage` are the generations that it must agree with, where those are
    not its method's. `limits` are what its caller may have of such calls.
    """

    principal: Principal
    permits: dict[str, Permit | None]
    method: Method | None = None
    service: Service | None = None
    verdict: Verdict | None = None
    refusal: Fault | None = None
    flying: bool = False
    tier: str | None = None
    speaking: tuple[int, ...] = ()
    lineage: tuple[str, ...] = ()
    limits: tuple[Named, ...] = ()


def explained(case: Case, now: float, *, for_operators: bool) -> dict[str, Any]:
    """The explanation; `for_operators` it also says what is not the caller's own: policies as written, addresses.

    No credential is any part of it.
    """
    said: dict[str, Any] = {"method": case.method.qualified if case.method else None}
    if case.method is not None:
        said["service"] = case.method.service
    said |= _outcome(case)
    said["caller"] = _caller(case.principal, for_operators=for_operators)
    said |= {
        about: None if one is None else _policy(one, for_operators=for_operators)
        for about, one in case.permits.items()
    }
    if case.limits:
        said["limits"] = {one.name: in_words(one.limit) for one in case.limits}
    if for_operators and case.speaking:
        said["policies_of_caller"] = list(case.speaking)
    if case.method is not None and case.service is not None:
        said["safe"] = case.method.safe
        said["rule"] = _rule(case.method, case.service)
        if case.lineage and case.method.cache is None:
            said["rule"] = {"by": "the reply itself says how long it serves (RFC 9111)"}
        if case.verdict is not None:
            said |= _cached(case.method, case.verdict, case, now)
        if for_operators:
            said["upstream"] = _upstream(case.method, case.service)
    return said


def _outcome(case: Case) -> dict[str, Any]:
    if case.refusal is not None:
        return {"outcome": "refused", "fault": case.refusal.name, "why": case.refusal.message}
    match case.verdict:
        case Hit():
            why = "it is stored, and still fresh"
        case Stale(_, why=reason):
            why = f"it is stored, and stale ({_WHY.get(reason, reason)}), and may serve so"
        case Miss(why=reason) | Pass(why=reason):
            why = _WHY.get(reason, reason)
        case None:
            why = (
                "JSON-RPC calls go there: each call in a body is the method that it names; ask about that one"
            )
    return {"outcome": in_a_word(case.verdict) if case.verdict is not None else "unknown", "why": why}


def _caller(principal: Principal, *, for_operators: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"subject": principal.subject, "issuer": principal.issuer}
    if for_operators:
        said |= {"groups": list(principal.groups), "scopes": list(principal.scopes)}
    return said


def _policy(permit: Permit, *, for_operators: bool) -> dict[str, Any]:
    said: dict[str, Any] = {"number": permit.number, "to": permit.to, "allow": permit.allow}
    # What it says of limits is told beside it, in words.
    text = to_builtins(permit.policy)
    del text["limit"]
    return said | {"text": text} if for_operators else said


def _rule(method: Method, service: Service) -> dict[str, Any] | None:
    """The cache rule with its values, and the glob of the settings that it stands under."""
    if method.cache is None:
        return None
    glob = sources(service.rules, method.name.partition(".")[2]).get("cache")
    values: dict[str, Any] = to_builtins(method.cache)
    return {"glob": glob, **values}


def _cached(method: Method, verdict: Verdict, case: Case, now: float) -> dict[str, Any]:
    """The key, the entry, and what would end it."""
    if isinstance(verdict, Pass):
        return {}
    entry = verdict.entry if isinstance(verdict, Hit | Stale) else None
    key = verdict.entry.key if isinstance(verdict, Hit) else verdict.key
    parts = told(key)
    return {
        "key": {"hex": key.hex(), **(key_in_words(parts) if parts else {})},
        "tier": case.tier,
        "entry": None if entry is None else about_entry(entry, now),
        "void_by": list(case.lineage or (method.lineage if method.cache else ())),
        "in_flight": case.flying,
    }


def about_entry(entry: Entry, now: float) -> dict[str, Any]:
    """An entry's times and size; never its body."""
    return {
        "age": round(max(0.0, now - entry.stored) + entry.aged, 3),
        "ttl": round(entry.fresh_until - now, 3),
        "fresh_until": _at(entry.fresh_until),
        "stale_until": _at(entry.stale_until),
        "kind": "signpost" if entry.vary else entry.kind,
        "bytes": entry.length,
        "size": entry.size,
        "pinned": entry.pin,
    }


def _upstream(method: Method, service: Service) -> dict[str, Any]:
    binding = method.binding
    if isinstance(binding, HttpBinding):
        what = {"verb": binding.verb, "path": binding.path}
    else:
        what = {"method": shown(binding.method)}
    return {"urls": list(service.urls), "dialect": service.dialect, **what}


def _at(moment: float) -> str:
    """A moment of entries, in seconds since 1970, as RFC 3339 has it."""
    try:
        return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return "never"
