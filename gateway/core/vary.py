"""Which fields of a request chose a reply, and did two requests say the same in them (RFC 9111 section 4.1)?"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from gateway.core.http_fields import values
from gateway.core.keys import first_frame, framed
from gateway.core.reply import Fields

PRINCIPAL: Final = b":principal"
"""Stands among the names where a reply is for one principal alone; no field is called so."""

MOST_NAMES: Final = 32
"""Names beyond which a reply is not stored: a key would be as large as a request."""

UNKNOWN: Final = frozenset(
    (
        b"forwarded",
        b"labgate-timeout",
        b"via",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
        b"x-request-id",
    )
)
"""Fields that the gate writes anew for each request: what varies by them serves no other."""

_SECRET: Final = frozenset((b"authorization", b"cookie", b"labgate-token", b"proxy-authorization"))
"""Fields whose values are in keys as digests: keys lie in files, and are shown to operators."""

_name = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch
_space = re.compile(rb"[ \t]*,[ \t]*")


def names_of(fields: Fields) -> frozenset[bytes] | str:
    """The names, in lower case, by which a reply was chosen; or why no other request can be sure to get the same."""
    found = {one.strip(b" \t").lower() for value in values(fields, b"vary") for one in value.split(b",")} - {
        b""
    }
    if b"*" in found:
        return "it varies by more than a request says"
    if not all(map(_name, found)):
        return "its Vary cannot be read"
    if found & UNKNOWN:
        return "it varies by what the gate adds"
    return frozenset(found) if len(found) <= MOST_NAMES else "it varies by too many fields"


def variant(root: bytes, names: tuple[bytes, ...], asked: Fields, person: bytes) -> bytes:
    """The key of the reply under `root` for a request that says this in the fields of these names.

    It begins with the service, as its root does.
    """
    parts = [first_frame(root), framed(b"v", root)]
    for name in names:
        parts.append(framed(b"n", name))
        parts.append(person if name == PRINCIPAL else _said(name, values(asked, name)))
    return b"".join(parts)


def _said(name: bytes, found: list[bytes]) -> bytes:
    """What a request says in one field: nothing is not the same as an empty text."""
    if not found:
        return b"-"
    joined = b",".join(value.strip(b" \t") for value in found)
    if name in _SECRET:
        return framed(b"f", b"digest " + blake2b(joined, digest_size=16).hexdigest().encode())
    # Within quotes a space may mean something.
    return framed(b"f", joined if b'"' in joined else _space.sub(b",", joined))
