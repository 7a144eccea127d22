"""May the reply to a request through a mount be stored by a rule, and for which other requests does it serve?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Final

from gateway.core.http_storing import VERBS
from gateway.core.method import Method
from gateway.core.reply import Fields
from gateway.core.serving import SPECIAL

_CHOOSING: Final = (
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"origin",
    b"content-type",
    b"content-encoding",
)
"""What the key holds of a request's fields: what decides the bytes of many servers, whether they say Vary or not."""

_OF_ONE_REQUEST: Final = (
    (b"range", "range"),
    (b"if-match", "conditional"),
    (b"if-none-match", "conditional"),
    (b"if-modified-since", "conditional"),
    (b"if-unmodified-since", "conditional"),
    (b"if-range", "conditional"),
    (b"cookie", "a cookie of the caller's"),
)
_words = re.compile(rb"[^\s,;=\"]+")


CHOSEN: Final = frozenset(_CHOOSING)
"""The names of these fields, in lower case."""


def choosing(fields: Fields, more: tuple[bytes, ...] = ()) -> tuple[bytes, ...]:
    """The part of a request's fields by which an upstream chooses among representations, every value of each.

    `more` are further names, in lower case.

    A field that is empty is not one that is absent, and two fields are not one with a comma.
    """
    found: dict[bytes, list[bytes]] = {name: [] for name in (*_CHOOSING, *more)}
    for name, value in fields:
        values = found.get(name.lower())
        if values is not None:
            values.append(b"%d:%b" % (len(value), value))
    return tuple(b"".join(values) for values in found.values())


def why_passed(verb: str, first: Mapping[bytes, bytes], method: Method, *, on: bool) -> str | None:
    """Why the cache has no part in a request through a mount; None where a stored reply may answer it.

    `on` = replies say themselves whether they are stored, where no rule does.
    """
    if not method.safe:
        return "unsafe"
    if method.cache is None and not (on and verb in VERBS):
        return "no rule"
    # These two are for the service to judge (RFC 9111 section 4.3.2).
    if b"if-match" in first or b"if-unmodified-since" in first:
        return "conditional"
    if verb not in ("GET", "HEAD") and not SPECIAL.isdisjoint(first):
        return "range" if b"range" in first else "conditional"
    return None if method.cache is None else _why_not_by_rule(first)


def _why_not_by_rule(first: Mapping[bytes, bytes]) -> str | None:
    """Why an operator's rule does not speak of a request: it has a credential for the service itself."""
    if b"cookie" in first:
        return "a cookie of the caller's"
    return "a credential for the upstream" if _has_own_credential(first) else None


def _has_own_credential(first: Mapping[bytes, bytes]) -> bool:
    if b"authorization" in first and b"labgate-token" in first:
        return True
    return first.get(b"authorization", b"").partition(b" ")[0].lower() not in (b"", b"bearer")


def own_credential(fields: Fields, first: Mapping[bytes, bytes], shown: tuple[bytes, ...] = ()) -> bytes:
    """What stands in a key for the caller's own credentials for the service, empty where there are none.

    `shown` are others that stood elsewhere than in a field.
    """
    names = {b"cookie"} | ({b"authorization"} if _has_own_credential(first) else set())
    found = [(name.lower(), value) for name, value in fields if name.lower() in names]
    found += [(b"?", value) for value in shown]
    if not found:
        return b""
    # Keys are shown to operators and leave the process; credentials do neither.
    text = b"".join(b"%d:%b%d:%b" % (len(name), name, len(value), value) for name, value in found)
    return blake2b(text, digest_size=32).digest()


def why_not_shared(verb: str, first: Mapping[bytes, bytes], method: Method) -> str | None:
    """Why a JSON-RPC body through a mount is neither answered from memory nor its reply stored; None if it may be."""
    if not method.safe:
        return "unsafe"
    if method.cache is None:
        return "no rule"
    if verb == "HEAD":
        return "HEAD"
    for name, why in _OF_ONE_REQUEST:
        if name in first:
            return why
    return "a credential for the upstream" if _has_own_credential(first) else None


def why_not_kept(status: int, fields: Fields, method: Method) -> str | None:
    """Why a reply is not stored, whatever the operator's rule says; None if it is.

    Only a 200 is: what RFC 9111 allows beyond that is not the rule's to say. `no-store` and `private` hold.
    """
    if status != 200:
        return f"status {status}"
    for name, value in fields:
        lower = name.lower()
        if lower == b"set-cookie":
            return "it sets a cookie"
        if lower == b"cache-control":
            said = {word.lower() for word in _words.findall(value)}
            if method.cache is not None and method.cache.force:
                continue
            if b"no-store" in said:
                return "no-store"
            if b"private" in said and (method.cache is None or method.cache.share != "nobody"):
                return "private"
        elif lower == b"vary":
            others = {word.lower() for word in _words.findall(value)}.difference(_CHOOSING)
            if others:
                return "it varies by more than the key holds"
    return None
