"""What does an answer of middle_auth say of whoever has a token, and whose token may a service be sent?

middle_auth is CAVE's service for tokens and permissions; its answer to `GET /api/v1/user/cache` tells who a token's owner is.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from gateway.core.call import Call
from gateway.core.claims import MAX_NAME
from gateway.core.faults import Forbidden
from gateway.core.principal import Bearer, Principal
from gateway.core.reply import Fields
from gateway.core.service import Service

MAX_NAMES: Final = 8192
"""Groups of one user, and permissions: a member of many datasets has a few for each."""

_unprintable = re.compile("[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]")


class Vouched(Struct, frozen=True):
    """Whom a token speaks for, and what is to be shown of them: the members of middle_auth's answer itself.

    `ends` is when the token does, in seconds since 1970, as far as that was said.
    """

    principal: Principal
    said: dict[str, Any]
    ends: float = float("inf")


def token_id(token: str) -> str:
    """What a token that says nothing of itself is called: by it, it is revoked. 32 hexadecimal digits."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def judge_user(said: Any, issuer: str, token: str, until: float) -> Vouched | None:
    """The owner of a token, as middle_auth tells; None for an answer that tells of nobody.

    The subject is the e-mail address, or `user:ID`. A scope is `view:DATASET` for each permission whose terms of service were
    accepted. `until` (seconds since 1970) is when the verdict ends.
    """
    if not isinstance(said, dict):
        return None
    number, email = said.get("id"), said.get("email")
    if type(number) is not int or number < 0:
        return None
    subject = email if isinstance(email, str) and _is_name(email) else f"user:{number}"
    groups = said.get("groups")
    if groups is None:
        groups = []
    if not isinstance(groups, list):
        return None
    principal = Principal(
        subject=subject,
        issuer=issuer,
        groups=tuple(dict.fromkeys(filter(_is_name, groups)))[:MAX_NAMES],
        scopes=_scopes(said),
        expires=until,
        token_id=token_id(token),
        bearer=Bearer(token),
    )
    return Vouched(principal, said)


def told_of(principal: Principal) -> dict[str, Any]:
    """What middle_auth would say of a principal of the gate's own, so that services behind the gate know them.

    The number is made of the subject: it stays the same, and two people hardly share one of 2^52.
    """
    permissions: dict[str, list[str]] = {}
    for scope in principal.scopes:
        kind, colon, dataset = scope.partition(":")
        if colon and dataset:
            permissions.setdefault(dataset, []).append(kind)
    levels = {dataset: 2 if "edit" in kinds else 1 for dataset, kinds in permissions.items()}
    number = (
        int.from_bytes(sha256(f"{principal.issuer}\n{principal.subject}".encode()).digest()[:8], "big") >> 12
    )
    return {
        "id": number,
        "parent_id": None,
        "service_account": False,
        "name": principal.subject,
        "email": principal.subject,
        "admin": False,
        "pi": "",
        "affiliations": [],
        "groups": list(principal.groups),
        "permissions": levels,
        "permissions_v2": permissions,
        "permissions_v2_ignore_tos": permissions,
        "missing_tos": [],
    }


def _scopes(said: dict[str, Any]) -> tuple[str, ...]:
    permissions = said.get("permissions_v2")
    found: dict[str, None] = {}
    for dataset, kinds in permissions.items() if isinstance(permissions, dict) else ():
        for kind in kinds if isinstance(kinds, list) else ():
            # A dataset with a colon could pass for another permission.
            if _is_name(kind) and _is_name(dataset) and ":" not in kind:
                found[f"{kind}:{dataset}"] = None
        if len(found) > MAX_NAMES:
            break
    return tuple(found)[:MAX_NAMES]


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_NAME and not _unprintable.search(value)


def bearer_of(service: Service, principal: Principal, linked: str | None) -> str | None:
    """The token that a service is sent for this caller, None if it is sent none; `linked` is one that they keep at the gate.

    A caller's own goes only to a service whose own issuer vouched for it. Raises `Forbidden` where there is none to send.
    """
    match service.bearer:
        case "gate":
            return service.token
        case "caller":
            own = principal.bearer
            if own is not None and not own.exchanged and principal.issuer == service.vouches:
                return own.token
            if principal.anonymous:
                return None
            raise Forbidden(
                f"The service {service.qualified!r} wants to know its own users, and your token was not made for it: "
                f"call with a token of {service.vouches or 'its own issuer'}."
            )
        case "linked":
            if linked is not None:
                return linked
            raise Forbidden(
                f"The service {service.qualified!r} wants a token of your own, and you have linked none: "
                f'labgate.link(lab, "{service.entry or service.name}").'
            )
    return None


def told_apart(service: Service, call: Call) -> str:
    """What stands for the caller where a service's answers of a moment ago are known; callers that it sees alike are one."""
    if service.bearer in ("caller", "linked"):
        return call.bearer or ""
    one = call.principal
    return f"{one.issuer}\n{one.subject}\n{one.rights.hex()}" if service.sees_callers else ""


def bearer_fields(token: str | None) -> Fields:
    """The field that carries a token (RFC 6750 section 2.1), or none."""
    return () if token is None else ((b"Authorization", b"Bearer " + token.encode("latin-1")),)
