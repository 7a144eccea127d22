"""When could the upstream not tell two calls apart?"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from gateway.core.call import Call
from gateway.core.method import CacheRule
from gateway.core.scanner import canonical_spaces, sorted_members

LONG = 512
"""Bytes of parameters beyond which a digest stands for them in the key."""


def key(call: Call, rule: CacheRule) -> bytes:
    """The key of a call's reply: two calls share it only if the upstream could not tell them apart.

    It frames type and length of its parts: the target (service and upstream method), for whom, and the exact
    bytes of the parameters without the whitespace between tokens. Numbers are never decoded; named parameters
    are put in order only where the rule says `by_name`.
    """
    method, principal = call.method, call.principal
    who = EVERYONE if rule.share == "everyone" else _person(principal.issuer, principal.subject)
    return _target(method.service, method.binding.target) + who + parameters(call.ask.raw, rule)


def framed(kind: bytes, part: bytes) -> bytes:
    """The part with its type and length before it, so that no two lists of parts make the same bytes."""
    return b"%b%d:%b" % (kind, len(part), part)


EVERYONE = framed(b"p", b"*")


# Both are asked for again with every call, about the same few texts.
@lru_cache(65536)
def _target(service: str, method: str) -> bytes:
    return framed(b"s", service.encode()) + framed(b"m", method.encode("utf-8", "surrogatepass"))


@lru_cache(65536)
def _person(issuer: str, subject: str) -> bytes:
    return framed(b"p", framed(b"i", issuer.encode()) + framed(b"u", subject.encode()))


def parameters(raw: bytes | None, rule: CacheRule) -> bytes:
    """The parameters' part of a key; absent parameters, an empty array and an empty object differ."""
    if raw is None:
        return b"-"
    text = (sorted_members(raw) if rule.by_name else None) or canonical_spaces(raw)
    if len(text) > LONG:
        return framed(b"d", blake2b(text, digest_size=32).digest() + b"%d" % len(text))
    return framed(b"j", text)
