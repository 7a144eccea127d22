"""How do gates with the same signing key tell each other of keys that one of them has made?

Each record is signed: whoever can write to what they share, and has not the signing key, can make no keys by it.
"""

from __future__ import annotations

from collections.abc import Mapping

import jwt
from msgspec import ValidationError, convert, to_builtins

from gateway.core.claims import LOCAL
from gateway.core.faults import Unauthenticated
from gateway.identity.ledger import Issued, is_id
from gateway.identity.local import ISSUER
from gateway.identity.signing import ALGORITHM, SigningKeys
from gateway.identity.tokens import opened, verify

_TYPE = "key-record+jwt"


def sealed(issued: Issued, keys: SigningKeys) -> str:
    """The record of a key, signed. It holds no key, and is no token: it says so in its type, and is for nobody."""
    said = {"iss": LOCAL, "record": to_builtins(issued)}
    headers = {"typ": _TYPE, "kid": keys.key_id}
    return jwt.encode(said, keys.signs, algorithm=ALGORITHM, headers=headers)


def unsealed(text: str, keys: SigningKeys) -> Issued | None:
    """The record, if it was signed by one of these; None for all else."""
    try:
        token = opened(text)
        header: Mapping[str, object] = token.header
        kid = header.get("kid")
        key = keys.ring.find(kid, ALGORITHM) if isinstance(kid, str) else None
        if key is None or header.get("typ") != _TYPE or header.get("alg") != ALGORITHM:
            return None
        verify(token, key, ALGORITHM, ISSUER)
        record = convert(token.claims.get("record"), Issued)
    except (Unauthenticated, ValidationError):
        return None
    known = is_id(record.id) and len(record.digest) == 64 and record.digest.startswith(record.id)
    return record if known else None
