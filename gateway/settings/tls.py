"""Where is TLS spoken, with whose certificates, and who are callers that show one?"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, model_validator

from gateway.settings.addresses import HostName
from gateway.settings.sections import Section
from gateway.settings.values import FilePath, Flag, Texts, Word, refusal, several, shown

_NAMES = ("uri", "email", "dns", "CN", "O", "OU", "C", "ST", "L", "DC", "UID")


def _version(value: Any) -> str:
    """YAML reads a version without quotes as a number."""
    written = str(value) if isinstance(value, str | float) else ""
    if written not in ("1.2", "1.3"):
        raise refusal(f"{shown(value)} is no version of TLS that is spoken here", "write 1.2 or 1.3")
    return written


def _name(written: str) -> str:
    kind, equals, value = written.partition("=")
    if not equals or not value.strip():
        fix = 'write KIND=VALUE, for example "OU=Imaging" or "uri=spiffe://lab.org/*"'
        raise refusal("does not say which name of a certificate", fix)
    if kind not in _NAMES:
        meant = next((one for one in _NAMES if one.lower() == kind.strip().lower()), None)
        fix = f"write `{meant}`" if meant else f"write one of {', '.join(_NAMES)}"
        raise refusal(f"{shown(kind)} is no kind of name in a certificate", fix)
    return written


Name = Annotated[str, AfterValidator(_name)]


class Tls(Section):
    """TLS on a listener: the certificate that callers are shown, and which of theirs are asked for.

    `certificate` holds its chain too, and the private key unless `key` does. `client_ca` are the authorities of callers'
    certificates; with them `client` is `required`, unless it says `optional`. `minimum` is the oldest version spoken.
    """

    certificate: FilePath
    key: FilePath | None = None
    client_ca: FilePath | None = None
    client: Annotated[Literal["none", "optional", "required"] | None, Word] = None
    minimum: Annotated[Literal["1.2", "1.3"], PlainValidator(_version)] = "1.2"

    @model_validator(mode="after")
    def _authorities_are_named_where_certificates_are_asked_for(self) -> "Tls":
        if self.client in ("optional", "required") and self.client_ca is None:
            fix = "add `client_ca: FILE`, the authorities that callers' certificates come from"
            raise refusal("nobody could say whose certificates are right", fix, ("client",))
        if self.client == "none" and self.client_ca is not None:
            raise refusal("nobody is asked for a certificate", "remove it, or `client: none`", ("client_ca",))
        return self

    @property
    def asks(self) -> Literal["none", "optional", "required"]:
        """Whether callers are asked for a certificate, and may come without."""
        return self.client or ("none" if self.client_ca is None else "required")


class UpstreamTls(Section):
    """TLS towards a service: who is trusted to vouch for it, and who the gate is.

    `ca` are the authorities that its certificate must come from, instead of the system's. `certificate` and `key` are the
    gate's own. `server_name` is the name that its certificate must have, where that is not the URL's host.
    """

    ca: FilePath | None = None
    certificate: FilePath | None = None
    key: FilePath | None = None
    server_name: HostName | None = None
    verify: Flag = True

    @model_validator(mode="after")
    def _each_part_means_something(self) -> "UpstreamTls":
        if self.key is not None and self.certificate is None:
            raise refusal("a key without its certificate", "add `certificate: FILE`", ("key",))
        if not self.verify:
            for key, value in (("ca", self.ca), ("server_name", self.server_name)):
                if value is not None:
                    raise refusal("nothing is verified", "remove it, or `verify: false`", (key,))
        return self


class Certificates(Section):
    """How callers are known by their certificates.

    `subject` are the kinds of names that can be it: the first that a certificate has, once, is. `groups` and `scopes` say
    what further names bring, `KIND=VALUE` with any number of `*`.
    """

    subject: Annotated[
        tuple[Annotated[Literal["uri", "email", "dns", "cn"], Word], ...],
        BeforeValidator(several),
        Field(min_length=1),
    ] = ("uri", "email", "dns", "cn")
    groups: Mapping[Name, Texts] = Field(default_factory=dict)
    scopes: Mapping[Name, Texts] = Field(default_factory=dict)
