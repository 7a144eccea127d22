"""With which key does the gate sign its own tokens?"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.identity import state
from gateway.identity.errors import IdentityError
from gateway.identity.jwks import Key, KeyRing

ALGORITHM = "EdDSA"


class SigningKeys:
    """The gate's own keys: the first signs, all verify."""

    def __init__(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        public = tuple(Key(thumbprint(key.public_key()), key.public_key(), (ALGORITHM,)) for key in keys)
        self.signs = keys[0]
        self.key_id = public[0].key_id
        self.ring = KeyRing(public)

        def shown(key: Ed25519PrivateKey) -> dict[str, str]:
            own = {"use": "sig", "alg": ALGORITHM, "kid": thumbprint(key.public_key())}
            return _members(key.public_key()) | own

        self.public = {"keys": [shown(key) for key in keys]}
        """The public ones, as a JSON Web Key Set."""


def signing_keys(folder: Path, pems: Sequence[str]) -> SigningKeys:
    """The keys of these PEM texts, or the one in the state folder, which is made if there is none.

    Raises IdentityError when a key cannot be used.
    """
    if pems:
        names = (f"identity.signing_keys[{number}]" for number in range(len(pems)))
        return SigningKeys([_private_key(pem.encode(), name) for pem, name in zip(pems, names, strict=True)])
    path = folder / state.SIGNING_KEY
    try:
        pem = state.read_private(path)
    except FileNotFoundError:
        state.write_once(path, _new_pem())
        pem = state.read_private(path)  # ours, or that of a process that was quicker
    return SigningKeys([_private_key(pem, str(path))])


def thumbprint(key: Ed25519PublicKey) -> str:
    """The key's name: RFC 7638 with the members of RFC 8037 section 2."""
    return _base64url(sha256(json.dumps(_members(key), separators=(",", ":")).encode()).digest())


def _members(key: Ed25519PublicKey) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes_raw())}


def _private_key(pem: bytes, name: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise IdentityError(f"{name} is encrypted: the gate has no password for it") from None
    except (ValueError, UnsupportedAlgorithm):
        raise IdentityError(f"{name} is no private key in PEM form") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"{name} is no Ed25519 key: make one with `openssl genpkey -algorithm ed25519`")
    return key


def _new_pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
