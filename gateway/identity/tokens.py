"""Was this text signed by that key? The first step of verification; what it says is judged in `core.claims`."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any

from jwt import InvalidKeyError, InvalidSignatureError, PyJWS, PyJWTError
from msgspec import Struct

from gateway.core.claims import ADVICE, Issuer
from gateway.core.credentials import MAX_CREDENTIAL
from gateway.core.faults import Unauthenticated
from gateway.core.scanner import check
from gateway.identity.jwks import Key

# Strict base64url without padding; the signature may be absent here, so that `none` is refused by name.
_compact = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)")
# How deep Python's own reader goes differs from version to version.
_DEEPEST = 32
_jws = PyJWS(options={"enforce_minimum_key_length": True})


class Opened(Struct, frozen=True):
    """A JWT's parts, of which nothing is verified yet."""

    text: str
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @property
    def issuer(self) -> str | None:
        """Who made the token, as it says: fit to look up whose keys decide, and for nothing else."""
        issuer = self.claims.get("iss")
        return issuer if isinstance(issuer, str) else None


def opened(text: str) -> Opened:
    """The parts of a JWT in compact form (RFC 7519 section 7.2, steps 1 to 6 and 10).

    Raises `Unauthenticated` for whatever is none: too long, cut off, not JSON objects, a member twice (readers
    differ in which of the two they take).
    """
    if len(text) > MAX_CREDENTIAL:
        raise Unauthenticated(
            f"The token has {len(text)} bytes; at most {MAX_CREDENTIAL} are taken. {ADVICE}"
        )
    parts = _compact.fullmatch(text)
    if parts is None:
        raise Unauthenticated(
            f"The token is no whole JWT, which has three parts with dots between them: was it cut off? {ADVICE}"
        )
    return Opened(text, _object(parts[1], "header"), _object(parts[2], "payload"))


def verify(token: Opened, key: Key, algorithm: str, issuer: Issuer) -> None:
    """Checks the token's signature. Raises `Unauthenticated` if this key did not make it by this algorithm."""
    try:
        _jws.decode(token.text, key.public, algorithms=[algorithm])
    except InvalidSignatureError:
        raise issuer.refusal("The token's signature does not hold: it was changed or cut off.") from None
    except InvalidKeyError:
        raise issuer.refusal(
            "The token is signed by a key that is too short, or not of its algorithm."
        ) from None
    except (PyJWTError, ValueError):
        # PyJWT lets some of cryptography's errors about malformed signatures pass.
        raise issuer.refusal("The token's signature cannot be read: it was changed or cut off.") from None


def _object(segment: str, part: str) -> dict[str, Any]:
    try:
        raw = urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        check(raw, _DEEPEST)
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except _RefusedError as error:
        raise Unauthenticated(f"The token's {part} {error}. {ADVICE}") from None
    except (Base64Error, ValueError, RecursionError):
        raise Unauthenticated(
            f"The token's {part} cannot be read: it was changed or cut off. {ADVICE}"
        ) from None
    if not isinstance(value, dict):
        raise Unauthenticated(f"The token's {part} is no JSON object. {ADVICE}")
    return value


class _RefusedError(Exception):
    """JSON that Python would read, and that the gate does not take."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError("has a member twice")
    return members


def _no_number(name: str) -> None:
    raise _RefusedError(f"holds {name}, which is no JSON")
