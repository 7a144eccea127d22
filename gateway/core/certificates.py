"""For whom does a client certificate speak that was verified already?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from gateway.core.principal import Principal

ISSUER: Final = "certificate"
"""The issuer of principals that a certificate names."""

Kind: TypeAlias = Literal["uri", "email", "dns", "cn"]
"""What of a certificate can be a subject: the kinds of alternative names, and the common name."""

_LONGEST: Final = 512


class PeerCertificate(Struct, frozen=True):
    """A caller's certificate, whose chain was verified: its names, and when it ends (seconds since 1970).

    `names` are pairs of kind and value in the order of the certificate: `CN`, `O`, `OU`… of its subject, then `uri`,
    `email` and `dns` of its alternative names. `fingerprint` tells certificates apart.
    """

    fingerprint: str
    names: tuple[tuple[str, str], ...]
    expires: float


class _Grant(Struct, frozen=True):
    """What a name that fits brings."""

    kind: str
    fits: re.Pattern[str]
    words: tuple[str, ...]


class Naming(Struct, frozen=True):
    """How certificates become principals: which name is the subject, and what further names bring."""

    subject: tuple[Kind, ...]
    groups: tuple[_Grant, ...] = ()
    scopes: tuple[_Grant, ...] = ()


def naming(
    subject: Iterable[Kind], groups: Mapping[str, tuple[str, ...]], scopes: Mapping[str, tuple[str, ...]]
) -> Naming:
    """The rules as the settings have them: `{"OU=Imaging": ("imaging",)}`; `*` in a value is any number of characters."""
    return Naming(tuple(subject), _grants(groups), _grants(scopes))


def _grants(written: Mapping[str, tuple[str, ...]]) -> tuple[_Grant, ...]:
    found = []
    for name, words in written.items():
        kind, _, value = name.partition("=")
        pattern = ".*".join(map(re.escape, value.split("*")))
        found.append(_Grant(kind, re.compile(pattern, re.DOTALL), words))
    return tuple(found)


def principal_of(certificate: PeerCertificate, rules: Naming) -> Principal | None:
    """Whom the certificate names; None if it has none of the names that can be a subject."""
    subject = next((found for kind in rules.subject if (found := _first(certificate, kind))), None)
    if subject is None:
        return None
    return Principal(
        subject,
        ISSUER,
        _brought(certificate, rules.groups),
        _brought(certificate, rules.scopes),
        certificate.expires,
    )


def _first(certificate: PeerCertificate, kind: str) -> str | None:
    wanted = "CN" if kind == "cn" else kind
    values = [value for each, value in certificate.names if each == wanted]
    # Which of several names is meant, nobody has said.
    usable = len(values) == 1 and values[0].isprintable() and 0 < len(values[0]) <= _LONGEST
    return values[0] if usable else None


def _brought(certificate: PeerCertificate, grants: tuple[_Grant, ...]) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for grant in grants:
        if any(kind == grant.kind and grant.fits.fullmatch(value) for kind, value in certificate.names):
            found.update(dict.fromkeys(grant.words))
    return tuple(found)
