"""Does what a signed token says hold here and now, and for whom does it speak?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.core.faults import Unauthenticated
from gateway.core.principal import Principal

LOCAL: Final = "labgate"
"""Issuer and audience of the tokens that the gate itself makes."""

ADVICE: Final = "Ask whoever runs the gate for a new one: `labgated token create`."
"""What a caller can do whose token is none of another issuer's."""

MAX_NAME = 256
"""Characters of a subject, a group, a scope or a token's id; bytes of a key's id."""

MAX_NAMES = 256
"""Groups of one token, and scopes."""

_PLAIN_TYPES = frozenset({"jwt", "at+jwt"})
_LATEST = 1e12  # Seconds since 1970; also what keeps NaN, infinity and integers of any size out.
# Controls, line separators and surrogates: subjects and groups reach headers, logs and cache keys.
_unprintable = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Issuer(Struct, frozen=True):
    """Whose tokens are accepted, and what they must say.

    `issuer` is exactly the token's `iss`; one of `audiences` must be in its `aud`. `algorithms` are those of
    public keys (RFC 7518 section 3.1). `max_lifetime` (from `iat` to `exp`) and `leeway` (how far ahead `iat` and
    `nbf` may be) are seconds. With `typ`, the token's header must name that type; without, it is a plain JWT or an
    access token, and none of another kind, like a logout token (RFC 8725 section 3.11).
    """

    issuer: str
    audiences: tuple[str, ...]
    algorithms: tuple[str, ...]
    groups_claim: str = "groups"
    scopes_claim: str = "scope"
    max_lifetime: float = 86400.0
    typ: str | None = None
    leeway: float = 60.0

    @property
    def advice(self) -> str:
        """What a caller whose token does not hold can do about it."""
        if self.issuer == LOCAL:
            return ADVICE
        return f"Get a new one from {shown(self.issuer)}."

    def refusal(self, text: str) -> Unauthenticated:
        """The fault that says what is wrong with a token of this issuer, and what to do."""
        return Unauthenticated(f"{text} {self.advice}")


class Signature(Struct, frozen=True):
    """How a token says it was signed; `key_id` is text of the caller's, to look a key up by and nothing else."""

    algorithm: str
    key_id: str | None


def judge_header(header: Mapping[str, Any], issuer: Issuer) -> Signature:
    """How the token with this header is signed (RFC 7515 section 4.1).

    Keys that the header itself brings or points to (`jwk`, `jku`, `x5c`, `x5u`) are not looked at. Raises
    `Unauthenticated` when the header says anything that the issuer's tokens may not.
    """
    if "crit" in header or "b64" in header:
        raise issuer.refusal("The token asks for extensions of JWS that the gate does not have (crit, b64).")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise issuer.refusal(
            f"The token is signed by {shown(algorithm)}; of this issuer, {' or '.join(issuer.algorithms)} is taken."
        )
    _judge_type(header.get("typ"), issuer)
    key_id = header.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise issuer.refusal("The token's key id (kid) is not text.")
    if key_id is not None and len(key_id.encode("utf-8", "surrogatepass")) > MAX_NAME:
        raise issuer.refusal(f"The token's key id (kid) is longer than {MAX_NAME} bytes.")
    return Signature(algorithm, key_id)


def judge_claims(claims: Mapping[str, Any], issuer: Issuer, now: float) -> Principal:
    """For whom a token with these claims speaks at `now` (seconds since 1970); RFC 7519 section 4.1.

    The signature must have been verified. Raises `Unauthenticated` when a claim is missing, does not hold, or is
    not of its kind: nothing is guessed.
    """
    if claims.get("iss") != issuer.issuer:
        raise issuer.refusal(f"The token is of another issuer, {shown(claims.get('iss'))}.")
    judge_audience(claims.get("aud"), issuer)
    expires = _judge_times(claims, issuer, now)
    return Principal(
        subject=_subject(claims, issuer),
        issuer=issuer.issuer,
        groups=names_in(claims, issuer.groups_claim, issuer),
        scopes=names_in(claims, issuer.scopes_claim, issuer),
        expires=expires,
        token_id=_token_id(claims, issuer),
    )


def shown(value: object) -> str:
    """A value out of a token as it may stand in a fault: in ASCII, on one line, short."""
    text = ascii(value) if isinstance(value, str | int | float | None) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."


def span(seconds: float) -> str:
    """A length of time in the largest unit that fits it."""
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            return _counted(int(seconds // size), unit)
    return _counted(max(1, int(seconds)), "second")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" + ("" if number == 1 else "s")


def _judge_type(typ: object, issuer: Issuer) -> None:
    # RFC 7515 section 4.1.9: a media type, in any case, `application/` may be left out.
    if issuer.typ is None and typ is None:
        return
    wanted = _PLAIN_TYPES if issuer.typ is None else {_media_type(issuer.typ)}
    if not isinstance(typ, str) or _media_type(typ) not in wanted:
        raise issuer.refusal(
            f"The token is of the type {shown(typ)}; of this issuer, {' or '.join(sorted(wanted))} is taken."
        )


def _media_type(typ: str) -> str:
    return typ.lower().removeprefix("application/")


def judge_audience(audience: object, issuer: Issuer) -> None:
    """Refuse a token that was made for others (RFC 7519 section 4.1.3)."""
    if audience is None:
        raise issuer.refusal("The token does not say for whom it was made (aud).")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise issuer.refusal("The token's audience (aud) is neither text nor a list of texts.")
    if not set(named) & set(issuer.audiences):
        wanted = " or ".join(map(shown, issuer.audiences))
        other = shown(named[0]) if named else "nobody"
        raise issuer.refusal(f"The token is for another audience: {other}, not {wanted}.")


def _judge_times(claims: Mapping[str, Any], issuer: Issuer, now: float) -> float:
    """When the token ends."""
    expires, issued, not_before = (time_in(claims, name, issuer) for name in ("exp", "iat", "nbf"))
    if expires is None:
        raise issuer.refusal("The token does not say when it ends (exp).")
    if now >= expires:
        raise issuer.refusal(f"The token expired {span(now - expires)} ago.")
    for begin in (issued, not_before):
        if begin is not None and begin > now + issuer.leeway:
            raise issuer.refusal(
                f"The token begins to hold in {span(begin - now)} only: do the clocks of its issuer and of the gate agree?"
            )
    # Without `iat` its life has begun at some time before now, by a clock that may be ahead of ours.
    lifetime = expires - (now + issuer.leeway if issued is None else issued)
    if lifetime > issuer.max_lifetime:
        raise issuer.refusal(
            f"The token was made to last longer than the {span(issuer.max_lifetime)} that this issuer's may."
        )
    return expires


def time_in(claims: Mapping[str, Any], name: str, issuer: Issuer) -> float | None:
    """The moment of a claim, in seconds since 1970; None where there is none."""
    value = claims.get(name)
    if value is None:
        return None
    # bool is an int to Python, not to JSON; and every comparison with NaN is false.
    if type(value) not in (int, float) or not 0 <= value <= _LATEST:
        raise issuer.refusal(f"The token's {name} is no time in seconds since 1970.")
    return float(value)


def _subject(claims: Mapping[str, Any], issuer: Issuer) -> str:
    subject = claims.get("sub")
    if subject is None:
        raise issuer.refusal("The token does not say whom it speaks for (sub).")
    return name_in(subject, "sub", issuer)


def _token_id(claims: Mapping[str, Any], issuer: Issuer) -> str | None:
    token_id = claims.get("jti")
    return None if token_id is None else name_in(token_id, "jti", issuer)


def names_in(claims: Mapping[str, Any], claim: str, issuer: Issuer) -> tuple[str, ...]:
    """Groups or scopes: a list of texts, or words in one text (RFC 8693 section 4.2), each once."""
    value = claims.get(claim)
    if value is None:
        return ()
    if not isinstance(value, str | list):
        raise issuer.refusal(f"The token's {shown(claim)} is neither text nor a list of texts.")
    names = [word for word in value.split(" ") if word] if isinstance(value, str) else value
    if len(names) > MAX_NAMES:
        raise issuer.refusal(f"The token's {shown(claim)} has more than {MAX_NAMES} entries.")
    return tuple(dict.fromkeys(name_in(name, claim, issuer) for name in names))


def name_in(value: object, claim: str, issuer: Issuer) -> str:
    """A name as it may stand in policies, logs and keys."""
    if not isinstance(value, str) or not value:
        raise issuer.refusal(f"The token's {shown(claim)} holds something that is no text, or empty.")
    if len(value) > MAX_NAME:
        raise issuer.refusal(f"The token's {shown(claim)} holds a text longer than {MAX_NAME} characters.")
    if _unprintable.search(value):
        raise issuer.refusal(f"The token's {shown(claim)} holds control characters.")
    return value
