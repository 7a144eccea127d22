"""When could the upstream not tell two calls apart?"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

from gateway.core.call import Call, Http
from gateway.core.conditions import Named, named_params, shared_by
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
    named = named_params(call.ask.raw, call.method) if rule.share == "authorized" else None
    return prefix(call.method, call.principal, rule, named) + what


def prefix(method: Method, principal: Principal, rule: CacheRule, named: Named | None = None) -> bytes:
    """What the keys of all calls of one method have in common, for the caller or for everyone.

    Where a rule names a right, that depends on a call's parameters by name too.
    """
    return target(method.service, method.binding.target) + scope(rule, principal, named or {})


def scope(rule: CacheRule, principal: Principal, named: Named) -> bytes:
    """The part of a key that says for whom: everyone, one principal, or all who have a right, as this one has now."""
    if rule.share == "everyone":
        return EVERYONE
    right = shared_by(rule, principal, named) if rule.share == "authorized" else None
    if right is not None:
        return framed(b"r", right.encode("utf-8", "surrogatepass"))
    return person(principal.issuer, principal.subject, principal.rights)


def framed(kind: bytes, part: bytes) -> bytes:
    """The part with its type and length before it, so that no two lists of parts make the same bytes."""
    return b"%b%d:%b" % (kind, len(part), part)


def service_of(key: bytes) -> str:
    """The qualified name of the service whose reply has this key: every key begins with it. Empty for what is no key."""
    frame = first_frame(key)
    return frame[frame.find(b":") + 1 :].decode("utf-8", "replace")


def first_frame(key: bytes) -> bytes:
    """The part that a key begins with: its service. Empty for what is no key."""
    colon = key.find(b":")
    length = key[1:colon] if colon > 0 else b""
    return key[: colon + 1 + int(length)] if length.isdigit() and len(length) < 10 else b""


EVERYONE = framed(b"p", b"*")


# Both are asked for again with every call, about the same few texts.
@lru_cache(65536)
def target(service: str, method: str) -> bytes:
    """The part of a key that stands for what is called upstream."""
    return framed(b"s", service.encode()) + framed(b"m", method.encode("utf-8", "surrogatepass"))


@lru_cache(65536)
def person(issuer: str, subject: str, rights: bytes) -> bytes:
    """The part of a key that stands for one principal."""
    who = framed(b"i", issuer.encode()) + framed(b"u", subject.encode())
    return framed(b"p", who + framed(b"g", rights.hex().encode()) if rights else who)


def request(ask: Http) -> bytes:
    """The part of a key that a request through a mount makes: what `constant` has, then its target to the key's end."""
    return constant(ask.verb, ask.chooses, ask.body, ask.credential) + ask.target


def constant(verb: str, chooses: tuple[bytes, ...], body: bytes | None, credential: bytes) -> bytes:
    """What stands before the target: verb, choosing fields, body and credential. Requests of one kind share it.

    Nothing follows the target, so that it needs no length: a key is made of two pieces.
    """
    parts = [framed(b"h", verb.encode())]
    parts += [framed(b"f", value) for value in chooses]
    if body is not None:
        parts.append(framed(b"b", blake2b(body, digest_size=32).digest() + b"%d" % len(body)))
    if credential:
        parts.append(framed(b"c", credential))
    return b"".join(parts) + b"t:"


def parameters(raw: bytes | None, rule: CacheRule) -> bytes:
    """The parameters' part of a key; absent parameters, an empty array and an empty object differ."""
    if raw is None:
        return b"-"
    text = (sorted_members(raw) if rule.by_name else None) or canonical_spaces(raw)
    if len(text) > LONG:
        return framed(b"d", blake2b(text, digest_size=32).digest() + b"%d" % len(text))
    return framed(b"j", text)
