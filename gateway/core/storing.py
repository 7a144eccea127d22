"""May the reply to a request through a mount be stored by a rule, and for which other requests does it serve?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.core.method import Method
from gateway.core.reply import Fields

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


def choosing(fields: Fields) -> tuple[bytes, ...]:
    """The part of a request's fields by which an upstream chooses among representations, every value of each.

    A field that is empty is not one that is absent, and two fields are not one with a comma.
    """
    found: dict[bytes, list[bytes]] = {name: [] for name in _CHOOSING}
    for name, value in fields:
        values = found.get(name.lower())
        if values is not None:
            values.append(b"%d:%b" % (len(value), value))
    return tuple(b"".join(values) for values in found.values())


def why_not_shared(verb: str, first: Mapping[bytes, bytes], method: Method) -> str | None:
    """Why this request is neither answered from memory nor its reply stored; None if it may be."""
    if not method.safe:
        return "unsafe"
    if method.cache is None:
        return "no rule"
    if verb == "HEAD":
        return "HEAD"
    for name, why in _OF_ONE_REQUEST:
        if name in first:
            return why
    if b"authorization" in first and b"labgate-token" in first:
        return "a credential for the upstream"
    scheme = first.get(b"authorization", b"").partition(b" ")[0].lower()
    return "a credential for the upstream" if scheme not in (b"", b"bearer") else None


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
            if b"no-store" in said:
                return "no-store"
            if b"private" in said and (method.cache is None or method.cache.share == "everyone"):
                return "private"
        elif lower == b"vary":
            others = {word.lower() for word in _words.findall(value)}.difference(_CHOOSING)
            if others:
                return "it varies by more than the key holds"
    return None
