"""How is TLS spoken, towards callers and towards upstreams, and with which files?

Only versions 1.2 and 1.3, ciphers with forward secrecy and authentication, HTTP/1.1, no compression, no renegotiation.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

from cryptography import x509

from gateway.core.certificates import PeerCertificate

LOOK_SECONDS: Final = 2.0
"""From one look for changed files to the next."""

_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_SHORT: Final = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
    "userId": "UID",
}
_ALTERNATIVE: Final = {"URI": "uri", "email": "email", "DNS": "dns"}

log = logging.getLogger(__name__)


class TlsError(OSError):
    """A file cannot be used; `key` is the setting that names it, `fix` says what to do."""

    def __init__(self, key: str, text: str, fix: str) -> None:
        super().__init__(text)
        self.key = key
        self.text = text
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.key}: {self.text} ({self.fix})"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What callers are shown, and which certificates of theirs are asked for. Without a `key` it is beside the certificate."""

    certificate: Path
    key: Path | None = None
    client_ca: Path | None = None
    client: Literal["none", "optional", "required"] = "none"
    minimum: Literal["1.2", "1.3"] = "1.2"

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is made of."""
        return tuple(one for one in (self.certificate, self.key, self.client_ca) if one is not None)

    def context(self) -> ssl.SSLContext:
        """The context of these files, as they are now. Raises TlsError."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = _VERSIONS[self.minimum]
        _settle(made)
        _load_chain(made, self.certificate, self.key)
        if self.client_ca is not None and self.client != "none":
            _load_authorities(made, self.client_ca, "client_ca")
            made.verify_mode = ssl.CERT_REQUIRED if self.client == "required" else ssl.CERT_OPTIONAL
        return made


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """Whom an upstream's certificate must come from, and the gate's own for it. `server_name` goes over the URL's host."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str | None = None
    verify: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is made of."""
        return tuple(one for one in (self.ca, self.certificate, self.key) if one is not None)

    def context(self) -> ssl.SSLContext:
        """The context of these files, as they are now. Raises TlsError."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        _settle(made)
        if not self.verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        elif self.ca is None:
            made.load_default_certs()
        else:
            _load_authorities(made, self.ca, "ca")
        if self.certificate is not None:
            _load_chain(made, self.certificate, self.key)
        return made


def _settle(context: ssl.SSLContext) -> None:
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _load_chain(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    _readable(certificate, "certificate")
    if key is not None:
        _readable(key, "key")
    named = "certificate" if key is None else "key"
    encrypted = False

    def password() -> str:
        nonlocal encrypted
        encrypted = True
        return ""  # without it, OpenSSL would ask on the terminal

    try:
        context.load_cert_chain(certificate, key, password)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or ""
        if encrypted:
            fix = "take the passphrase off: openssl pkey -in OLD -out NEW, and let only the gate read it"
            raise TlsError(named, "the key has a passphrase", fix) from error
        if reason == "KEY_VALUES_MISMATCH":
            raise TlsError(
                named, "the key is not the certificate's", "name the key that the certificate was made for"
            ) from error
        if expires(certificate) is None:
            fix = "give the certificate in PEM form, those of intermediate authorities behind it"
            raise TlsError("certificate", f"no certificate is in {certificate}", fix) from error
        if reason in ("EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "CA_KEY_TOO_SMALL"):
            fix = "make a new one: RSA of 2048 bits or more, or EC, signed with SHA-256"
            raise TlsError("certificate", "the certificate is too weak to be taken", fix) from error
        fix = "give the private key in PEM form" + ("" if key else ", beside the certificate or as `key`")
        raise TlsError(named, f"no private key is in {key or certificate}", fix) from error


def _load_authorities(context: ssl.SSLContext, file: Path, key: str) -> None:
    _readable(file, key)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError as error:
        fix = "give the authorities' certificates in PEM form, one after the other"
        raise TlsError(key, f"no certificate is in {file}", fix) from error


def _readable(file: Path, key: str) -> None:
    try:
        with file.open("rb"):
            pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise TlsError(
            key, f"{file} cannot be read: {reason}", "name a file that the gate may read"
        ) from error


def expires(file: Path) -> float | None:
    """When the first certificate in a file ends, in seconds since 1970; None if there is none to be read."""
    try:
        return x509.load_pem_x509_certificates(file.read_bytes())[0].not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return None


def peer_certificate(transport: asyncio.BaseTransport) -> PeerCertificate | None:
    """The certificate that a caller has shown on this connection and that was verified."""
    link = transport.get_extra_info("ssl_object")
    said: dict[str, Any] | None = None if link is None else link.getpeercert()
    if not said:
        return None
    names = [(_SHORT.get(name, name), value) for part in said.get("subject", ()) for name, value in part]
    names += [(_ALTERNATIVE.get(kind, kind), value) for kind, value in said.get("subjectAltName", ())]
    return PeerCertificate(
        sha256(link.getpeercert(True)).hexdigest(),
        tuple(names),
        float(ssl.cert_time_to_seconds(said["notAfter"])),
    )


_Stamp = tuple[tuple[int, int, int], ...]


class Live:
    """A context that is made anew when its files have changed: connections that are made from then on have it.

    Files are written one after the other, so they are read once two looks have found them alike. What cannot be used is
    refused, and the last good context stays. A whole new context also ends the sessions that could be resumed.
    """

    def __init__(self, name: str, tls: ServerTls | UpstreamTls) -> None:
        """`name` is the setting, for the log. Raises TlsError."""
        self.name = name
        self.tls = tls
        self._seen = self._tried = self._stamp()
        self.context = self._made()
        self.ends = self._ends()
        """When the gate's own certificate ends, in seconds since 1970; None where it has none."""

    def _made(self) -> ssl.SSLContext:
        try:
            return self.tls.context()
        except TlsError as error:
            raise TlsError(f"{self.name}.{error.key}", error.text, error.fix) from error

    def _ends(self) -> float | None:
        return None if self.tls.certificate is None else expires(self.tls.certificate)

    def look(self) -> None:
        """Look for changes; this reads files."""
        found = self._stamp()
        settled, self._seen = found == self._seen, found
        if not settled or found == self._tried:
            return
        self._tried = found
        try:
            self.context = self._made()
        except TlsError as error:
            log.warning("the changed files are not taken, the old ones stay: %s", error)
        else:
            self.ends = self._ends()
            log.info("%s: the files have changed; new connections have the new ones", self.name)

    def _stamp(self) -> _Stamp:
        return tuple(_stamp_of(file) for file in self.tls.files)


def _stamp_of(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)


async def keep_live(
    each: Sequence[Live], sleep: Callable[[float], Any] = asyncio.sleep, seconds: float = LOOK_SECONDS
) -> None:
    """Look for changed files, for ever."""
    while True:
        await sleep(seconds)
        await asyncio.to_thread(_look, each)


def _look(each: Iterable[Live]) -> None:
    for one in each:
        one.look()
