"""When could the upstream not tell two calls apart?"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from gateway.core.call import Call, Http
from gateway.core.method import CacheRule, Method
from gateway.core.principal import Principal
from gateway.core.scanner import canonical_spaces, sorted_members

LONG = 512
"""Bytes of parameters beyond which a digest stands for them in the key."""


def key(call: Call, rule: CacheRule) -> bytes:
    """The key of a call's reply: two calls share it only if the upstream could not tell them apart.

    It frames type and length of its parts: the target (service and upstream method), for whom, and the exact
    bytes of the parameters without the whitespace between tokens. Numbers are never decoded; named parameters
    are put in order only where the rule says `by_name`.
    """
    what = parameters(call.ask.raw, rule) if call.http is None else request(call.http)
    return prefix(call.method, call.principal, rule) + what


def prefix(method: Method, principal: Principal, rule: CacheRule) -> bytes:
    """What the keys of all calls of one method have in common, for the caller or for everyone."""
    who = EVERYONE if rule.share == "everyone" else _person(principal.issuer, principal.subject)
    return _target(method.service, method.binding.target) + who


def framed(kind: bytes, part: bytes) -> bytes:
    """The part with its type and length before it, so that no two lists of parts make the same bytes."""
    return b"%b%d:%b" % (kind, len(part), part)


def service_of(key: bytes) -> str:
    """The qualified name of the service whose reply has this key: every key begins with it. Empty for what is no key."""
    length, colon, rest = key[1:].partition(b":")
    if not colon or not length.isdigit() or len(length) > 9:
        return ""
    return rest[: int(length)].decode("utf-8", "replace")


EVERYONE = framed(b"p", b"*")


# Both are asked for again with every call, about the same few texts.
@lru_cache(65536)
def _target(service: str, method: str) -> bytes:
    return framed(b"s", service.encode()) + framed(b"m", method.encode("utf-8", "surrogatepass"))


@lru_cache(65536)
def _person(issuer: str, subject: str) -> bytes:
    return framed(b"p", framed(b"i", issuer.encode()) + framed(b"u", subject.encode()))


def request(ask: Http) -> bytes:
    """The part of a key that a request through a mount makes: its verb, target, choosing fields and body."""
    parts = [framed(b"h", ask.verb.encode()), framed(b"t", ask.target)]
    parts += [framed(b"f", value) for value in ask.chooses]
    if ask.body is not None:
        parts.append(framed(b"b", blake2b(ask.body, digest_size=32).digest() + b"%d" % len(ask.body)))
    return b"".join(parts)


def parameters(raw: bytes | None, rule: CacheRule) -> bytes:
    """The parameters' part of a key; absent parameters, an empty array and an empty object differ."""
    if raw is None:
        return b"-"
    text = (sorted_members(raw) if rule.by_name else None) or canonical_spaces(raw)
    if len(text) > LONG:
        return framed(b"d", blake2b(text, digest_size=32).digest() + b"%d" % len(text))
    return framed(b"j", text)
