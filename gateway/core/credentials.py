"""Which of a request's header fields is the credential for the gate?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hmac import compare_digest

from gateway.core.faults import Forbidden, Unauthenticated
from gateway.core.reply import Fields
from gateway.core.service import Service

MAX_CREDENTIAL = 8192
"""Bytes of a token; more are refused before anything is decoded."""

_AUTHORIZATION = b"authorization"
_OWN = b"labgate-token"
_LENGTH = len(_OWN)
# RFC 9110 section 11.4: a scheme, then spaces (no tabs) and what belongs to it.
_credentials = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +(.*))?", re.DOTALL)
_BEARER = b"Bearer "
_OF_TOKENS = b"-._~+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def credential(fields: Fields) -> str | None:
    """The token by which the caller wants to be known to the gate, or None where there is none.

    `Labgate-Token: TOKEN` goes before `Authorization: Bearer TOKEN`, which is then the upstream's, like every
    scheme that the gate does not own. Raises `Unauthenticated` where it is not plain which token is meant, and
    where it is none (RFC 6750 section 2.1): a credential that fails never makes an anonymous caller.
    """
    # Both names are of one length: of the other fields no more is looked at.
    shown = [(name.lower(), value.strip(b" \t")) for name, value in fields if len(name) == _LENGTH]
    own = {value for name, value in shown if name == _OWN}
    if own:
        if len(own) > 1:
            raise Unauthenticated("The Labgate-Token fields hold different tokens: send one.")
        return _token(own.pop(), "Labgate-Token")
    values = [value for name, value in shown if name == _AUTHORIZATION]
    if len(values) > 1:
        raise Unauthenticated(
            "There are several Authorization fields: send one, and the gate's token as `Labgate-Token: TOKEN` "
            "if the service needs an Authorization of its own."
        )
    return _bearer(values[0]) if values else None


def _bearer(value: bytes) -> str | None:
    token = value[len(_BEARER) :]
    if value.startswith(_BEARER) and _is_token(token):
        return token.decode("ascii")
    parts = _credentials.fullmatch(value)
    if parts is None:
        raise Unauthenticated("The Authorization field cannot be read: write `Authorization: Bearer TOKEN`.")
    if parts[1].lower() != b"bearer":
        return None
    return _token(parts[2] or b"", "Authorization: Bearer")


def _token(value: bytes, where: str) -> str:
    if not value:
        raise Unauthenticated(
            f"There is no token after `{where}`: is the variable that should hold it empty?"
        )
    if len(value) > MAX_CREDENTIAL:
        raise Unauthenticated(
            f"The token after `{where}` has {len(value)} bytes; at most {MAX_CREDENTIAL} are taken."
        )
    if not _is_token(value):
        what = "a list" if b"," in value else "characters that no token has"
        raise Unauthenticated(
            f"There is {what} after `{where}`: send one token, without quotes or spaces in it."
        )
    return value.decode("ascii")


def _is_token(value: bytes) -> bool:
    """Whether it is a b64token (RFC 9110 section 11.2) of no more bytes than a token may have."""
    if len(value) > MAX_CREDENTIAL:
        return False
    core = value.rstrip(b"=")
    return bool(core) and not core.translate(None, _OF_TOKENS)


def check_fields(service: Service, first: Mapping[bytes, bytes]) -> None:
    """Refuse a caller who sends another value than the service's own in a field that is checked.

    `first` has the fields' values by their names in lower case. Raises `Forbidden`, which shows no value.
    """
    for name, value in service.headers.items():
        key = name.lower().encode("latin-1")
        if (
            key in service.checked
            and key in first
            and not compare_digest(first[key], value.encode("latin-1"))
        ):
            raise Forbidden(
                f"The field {name} is not the one of the service {service.qualified!r}: leave it out, the gate sends its own."
            )
