"""Whom do callers' certificates name? Found out once for each certificate."""

from __future__ import annotations

from typing import Final

from cachetools import LRUCache

from gateway.core.certificates import Naming, PeerCertificate, principal_of
from gateway.core.principal import Principal

_KEPT: Final = 4096


class CertificatePrincipals:
    """The principals of certificates; the same one each time, so that what was decided for it is found again."""

    def __init__(self, rules: Naming) -> None:
        self._rules = rules
        self._known: LRUCache[str, Principal | None] = LRUCache(_KEPT)

    def __call__(self, certificate: PeerCertificate) -> Principal | None:
        """Whom the certificate names; None if it names nobody."""
        fingerprint = certificate.fingerprint
        if fingerprint not in self._known:
            self._known[fingerprint] = principal_of(certificate, self._rules)
        return self._known[fingerprint]
