"""Is a call the repetition of one before, by a client that did not wait for its answer, or did not get it?

Clients like CryoSPARC's send a call again, byte for byte, when its answer does not come in time: with the same id, which is
a UUID made for this one call. Ids that count, or that are short, say nothing: two programs may use the same. Others say it
in the field Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07): there any text is a key, because it is meant as one.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from msgspec import Struct

from gateway.core.faults import BadRequest, Conflict
from gateway.core.principal import Principal

FIELD: Final = b"idempotency-key"

_uuid = re.compile(
    rb'"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"'
).fullmatch
# A string of RFC 8941 section 3.3.3; most clients leave its quotes out.
_key = re.compile(rb'"((?:[ !#-\[\]-~]|\\["\\]){1,255})"|([!#-+\--:<-\[\]-~]{1,255})').fullmatch


class Once(Struct, frozen=True):
    """What a call is known by that shall be carried out once.

    `key` is what its repetitions agree in, `owner` stands for whose it is, `said` for what else they must agree in: another
    call with the same key is a mistake. Empty = the key stands for all of it.
    """

    key: bytes
    owner: bytes
    said: bytes = b""


class KeyReused(Conflict):
    """The same key has been used for another call: section 2.7 of the draft wants a 422."""

    status = 422
    plain = 422

    @property
    def name(self) -> str:
        """It is a conflict."""
        return "Conflict"


def key_reused() -> KeyReused:
    """The fault of a key that was used for something else."""
    return KeyReused(
        "The Idempotency-Key was used for another call a moment ago: make a new one for each call, and keep it for its "
        "repetitions only."
    )


def key_of(field: bytes | None) -> bytes | None:
    """The key that the field says, None without it. Raises `BadRequest`."""
    if field is None:
        return None
    found = _key(field.strip())
    if found is None:
        raise BadRequest(
            "Idempotency-Key must be one key of at most 255 printable characters, such as a UUID in quotes."
        )
    return bytes(found[1] or found[2])


def by_key(principal: Principal, client: str, place: str, key: bytes, said: tuple[bytes, ...]) -> Once:
    """A call with a key. `place` is where keys are told apart, `said` is all that the caller said there.

    `client` is the caller's address: those whom nobody knows share no keys with others who are as unknown.
    """
    owner = owner_of(principal, client)
    return Once(_digest((b"key", owner, place.encode(), key)), owner, _digest(said))


def by_id(
    principal: Principal, service: str, verb: str, target: bytes, body: bytes, call_id: bytes | None
) -> Once | None:
    """A call by its JSON-RPC id as it was written, None where that does not tell it from others."""
    if call_id is None or not _uuid(call_id):
        return None
    owner = owner_of(principal, "")
    return Once(_digest((b"id", owner, service.encode(), verb.encode(), target, body)), owner)


def owner_of(principal: Principal, client: str) -> bytes:
    """What stands for a principal."""
    return _digest(
        (
            principal.issuer.encode(),
            principal.subject.encode(),
            client.encode() if principal.anonymous else b"",
        )
    )


def _digest(parts: tuple[bytes, ...]) -> bytes:
    """A digest of the parts, each framed by its length."""
    digest = blake2b(digest_size=32)
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()
