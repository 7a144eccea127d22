"""Which keys are in a JSON Web Key Set (RFC 7517), and for which signatures is each?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt import PyJWK, PyJWTError
from msgspec import Struct

from gateway.core.claims import MAX_NAME

MAX_BYTES = 256 * 1024
MAX_KEYS = 100

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_LONGEST_RSA = 8192  # bits; the work of one verification grows with their square
_BY_CURVE = {"P-256": ("ES256",), "P-384": ("ES384",), "P-521": ("ES512",), "Ed25519": ("EdDSA",)}
_PUBLIC_MEMBERS = ("kty", "crv", "x", "y", "n", "e")
# Points of order 1 to 8 (RFC 7748 section 6.1): a signature of zeros holds for any text under such a "key".
# Computed from the curve, with their encodings above the field's prime; the sign bit is left out.
_SMALL_ORDER = frozenset(
    bytes.fromhex(point)
    for point in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


class KeySetError(Exception):
    """This is no JSON Web Key Set; the text says why."""


class Key(Struct, frozen=True):
    """A public key, its id, and the algorithms (RFC 7518, RFC 8037) whose signatures it verifies."""

    key_id: str | None
    public: PublicKey
    algorithms: tuple[str, ...]


class KeyRing:
    """The keys of one issuer at one moment; never changed, replaced whole."""

    def __init__(self, keys: tuple[Key, ...]) -> None:
        self._keys = keys
        self._by_id: dict[str | None, list[Key]] = {}
        for key in keys:
            self._by_id.setdefault(key.key_id, []).append(key)

    def find(self, key_id: str | None, algorithm: str) -> Key | None:
        """The key for a signature; without an id only where the ring leaves no choice."""
        fit = [
            key
            for key in (self._keys if key_id is None else self._by_id.get(key_id, ()))
            if algorithm in key.algorithms
        ]
        return fit[0] if fit and (key_id is not None or len(fit) == 1) else None

    def covers(self, other: KeyRing) -> bool:
        """Whether every key of the other ring is still here."""
        here = {_identity(key) for key in self._keys}
        return all(_identity(key) in here for key in other._keys)

    def __len__(self) -> int:
        return len(self._keys)


def read_keys(raw: bytes) -> KeyRing:
    """The keys for signatures in a JSON Web Key Set; keys of other kinds and uses are passed over.

    Raises KeySetError when it is no key set, or larger than one may be.
    """
    if len(raw) > MAX_BYTES:
        raise KeySetError(f"more than {MAX_BYTES} bytes")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise KeySetError("not JSON") from None
    listed = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise KeySetError("no JSON Web Key Set: it has no list `keys`")
    if len(listed) > MAX_KEYS:
        raise KeySetError(f"more than {MAX_KEYS} keys")
    found = (_key(entry) for entry in listed if isinstance(entry, dict))
    return KeyRing(tuple(key for key in found if key is not None))


def _key(entry: Mapping[str, Any]) -> Key | None:
    """The key, if it is a public key for signatures; None for all else."""
    key_id, operations = entry.get("kid"), entry.get("key_ops")
    if entry.get("use", "sig") != "sig" or (isinstance(operations, list) and "verify" not in operations):
        return None
    if key_id is not None and not (isinstance(key_id, str) and len(key_id) <= MAX_NAME):
        return None
    algorithms: tuple[str, ...] = (
        _RSA if entry.get("kty") == "RSA" else _BY_CURVE.get(str(entry.get("crv")), ())
    )
    if "alg" in entry:
        algorithms = tuple(name for name in algorithms if name == entry["alg"])
    if not algorithms:
        return None
    # Only public members are read: a set that leaks private ones does not make us hold them.
    members = {name: entry[name] for name in _PUBLIC_MEMBERS if name in entry}
    try:
        public = PyJWK(members, algorithms[0]).key
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return Key(key_id, public, algorithms) if _is_sound(public) else None


def _is_sound(public: object) -> bool:
    if isinstance(public, RSAPublicKey):
        return (
            public.key_size <= _LONGEST_RSA
        )  # short ones are refused by name when a token is signed by them
    if isinstance(public, Ed25519PublicKey):
        return not _is_small_order(public)
    return isinstance(public, EllipticCurvePublicKey)


def _is_small_order(public: Ed25519PublicKey) -> bool:
    raw = public.public_bytes_raw()
    return raw[:31] + bytes((raw[31] & 0x7F,)) in _SMALL_ORDER


def _identity(key: Key) -> tuple[str | None, bytes]:
    return key.key_id, key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
