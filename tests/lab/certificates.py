"""An authority made on the spot, and the certificates that it gives out."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_OID = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME}
_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
_LOCAL = ("dns:localhost", "dns:gate.lab.org")


def _name(subject: str) -> x509.Name:
    parts = [part.partition("=") for part in subject.split(", ") if part]
    return x509.Name([x509.NameAttribute(_OID[kind], value) for kind, _, value in parts])


def _alternative(written: str) -> x509.GeneralName:
    kind, _, value = written.partition(":")
    kinds = {"dns": x509.DNSName, "uri": x509.UniformResourceIdentifier, "email": x509.RFC822Name}
    return kinds[kind](value)


@dataclass(frozen=True)
class Issued:
    """A certificate with its key, in files."""

    certificate: Path
    key: Path

    def context(self, authority: Authority) -> ssl.SSLContext:
        """What a client with this certificate connects with."""
        made = authority.context()
        made.load_cert_chain(self.certificate, self.key)
        return made


class Authority:
    """Whom the tests trust; `file` is its certificate."""

    def __init__(self, folder: Path, name: str = "lab") -> None:
        self._folder = folder
        self._numbers = count()
        self._name = _name(f"CN={name} authority")
        self._key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(self._name, self._key, timedelta(days=100)).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        made = made.add_extension(_SIGNS, critical=True)  # RFC 5280, as newer Pythons insist
        self.file = folder / f"{name}-ca.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, valid: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=40))
            .not_valid_after(now + valid)
        )

    def issue(
        self,
        subject: str = "CN=gate",
        *names: str,
        valid: timedelta = timedelta(days=90),
        password: bytes = b"",
    ) -> Issued:
        """A certificate for `CN=ada, OU=Imaging` with these alternative names, by default those of this machine."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._builder(_name(subject), key, valid)
        alternative = [_alternative(one) for one in names or _LOCAL if one != "none"]
        if not names:
            alternative.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        if alternative:
            made = made.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        number = next(self._numbers)
        issued = Issued(self._folder / f"{number}.crt", self._folder / f"{number}.key")
        issued.certificate.write_bytes(
            made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        form = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        issued.key.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, form)
        )
        return issued

    def context(self) -> ssl.SSLContext:
        """What a client that trusts this authority connects with."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(self.file)
        return made
