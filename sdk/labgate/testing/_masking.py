"""What must never stand in a recording, and what stands there instead?"""

from __future__ import annotations

import re

from labgate._codec import decode_msgpack
from labgate.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MASK = "***"
_NAMES = (
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "middle_auth_token",
    "password",
    "passwd",
    "secret",
    "client_secret",
    "api_key",
    "apikey",
    "private_key",
    "authorization",
    "license_id",
    "signature",
)
_SECRET_FIELD = re.compile(r"auth|token|secret|key|cookie|license|password|credential", re.IGNORECASE)
_MEMBER = re.compile(
    rb'("(?:%b)"\s*:\s*")((?:[^"\\]|\\.)*)(")' % "|".join(_NAMES).encode("ascii"), re.IGNORECASE
)
_IN_A_QUERY = re.compile(rf"([?&](?:{'|'.join(_NAMES)}|key|sig)=)[^&#]*", re.IGNORECASE)
_JWT = re.compile(rb"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")
_SHORTEST = 6  # shorter secrets are found in innocent text


def is_secret(name: str) -> bool:
    """Whether a parameter or member of this name holds what must not be written down."""
    return name.lower() in _NAMES


class Masks:
    """The secrets that one recording knows of."""

    def __init__(self) -> None:
        self._secrets: set[bytes] = set()

    def learn(self, fields: Iterable[tuple[str, str]]) -> None:
        """Take what a request's header fields say in secret: credentials, and whatever is called a key or a license."""
        for name, value in fields:
            if _SECRET_FIELD.search(name):
                for word in {value, value.rpartition(" ")[2]}:
                    if len(word) >= _SHORTEST:
                        self._secrets.add(word.encode("latin-1"))

    def target(self, target: str) -> str:
        """A request's target without secrets."""
        return self.text(_IN_A_QUERY.sub(rf"\g<1>{MASK}", target))

    def text(self, text: str) -> str:
        """A text without the secrets that are known."""
        for secret in self._secrets:
            text = text.replace(secret.decode("latin-1"), MASK)
        return text

    def body(self, body: bytes, kind: str) -> bytes:
        """A body without secrets; of what is no JSON the length stays."""
        if "json" in kind:
            body = _MEMBER.sub(rb"\g<1>***\g<3>", body)
            body = _JWT.sub(b"***", body)
        elif "msgpack" in kind:
            for secret in _secrets_of(body):
                body = body.replace(secret, b"*" * len(secret))
        for secret in self._secrets:
            if secret in body:
                body = body.replace(secret, b"***" if "json" in kind else b"*" * len(secret))
        return body


def _secrets_of(body: bytes) -> set[bytes]:
    """The texts in a msgpack body that stand under names for secrets."""
    lower = body.lower()
    if not any(name.encode("ascii") in lower for name in _NAMES):
        return set()
    try:
        found: set[bytes] = set()
        _collect(decode_msgpack(body), found)
    except (Error, RecursionError):
        return set()
    return found


def _collect(value: Any, found: set[bytes]) -> None:
    if isinstance(value, dict):
        for name, one in value.items():
            if isinstance(name, str) and is_secret(name) and isinstance(one, str) and one:
                found.add(one.encode("utf-8", "surrogatepass"))
            else:
                _collect(one, found)
    elif isinstance(value, list):
        for one in value:
            _collect(one, found)
