"""How are callers known: by which tokens, of whom, and who is asked about them?"""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from gateway.settings.addresses import Endpoint, KeySource, login_at, metadata_of
from gateway.settings.problems import Where
from gateway.settings.sections import Section
from gateway.settings.tls import Certificates
from gateway.settings.values import (
    HIDDEN,
    Flag,
    Seconds,
    Secret,
    Text,
    Texts,
    Timeout,
    Word,
    each,
    refusal,
    several,
    shown,
)

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def _algorithm(value: Any) -> Any:
    if isinstance(value, str) and (value.upper().startswith("HS") or value.lower() == "none"):
        fix = "use RS256, ES256 or EdDSA"
        raise refusal(f"{shown(value)} lets whoever can verify a token make one", fix)
    return str(value) if isinstance(value, str) else value


def _key(value: Any) -> Any:
    if isinstance(value, str) and "PRIVATE KEY-----" not in value:
        raise refusal(
            "no private key in PEM form", "give the text of the file, as ${file:/etc/labgate/key.pem}"
        )
    return value


def _scope(written: str) -> str | None:
    return None if re.fullmatch(r"[!#-\[\]-~]{1,256}", written) else "is no scope"


Scope = Annotated[
    str, each(_scope, "write one word without spaces and quotes (RFC 6749 section 3.3)"), HIDDEN
]


class DeviceLogin(Section):
    """How people log in at an issuer from a notebook or a terminal (RFC 8628): what the gate tells the SDK to say there.

    `client_id` is a public client's, which has no secret; `scopes` are asked for. With `resource` the token is asked for
    the gate's own address (RFC 8707), with `audience` for what some servers want named in its place.
    """

    client_id: Text
    scopes: Annotated[tuple[Scope, ...], BeforeValidator(several)] = ()
    audience: Text | None = None
    resource: Flag = True


class Issuer(Section):
    """Whose JWTs are accepted.

    `jwks` is a URL or a file; without it the issuer's metadata says where its keys are, and `issuer` is a URL. `max_lifetime` (from `iat` to `exp`, at most) and `leeway` (between clocks) are
    seconds. With `typ`, the token's header must name that type. With `device`, people can log in there by `labgate login`.
    """

    issuer: Text
    audience: Annotated[Texts, Field(min_length=1)]
    jwks: KeySource | None = None
    algorithms: Annotated[
        tuple[Annotated[Algorithm, BeforeValidator(_algorithm)], ...],
        BeforeValidator(several),
        Field(min_length=1),
    ] = ("RS256", "ES256", "EdDSA")
    groups_claim: Text = "groups"
    scopes_claim: Text = "scope"
    max_lifetime: Timeout = 86400.0
    typ: Text | None = None
    leeway: Seconds = 30.0
    device: DeviceLogin | None = None

    @model_validator(mode="after")
    def _its_metadata_can_be_found(self) -> "Issuer":
        if self.device is not None:
            login_at(self.issuer)
        if self.jwks is None:
            metadata_of(self.issuer)
        return self

    @field_validator("leeway")
    @classmethod
    def _leeway_is_small(cls, value: float) -> float:
        if value > 300:
            raise refusal("more than five minutes keep expired tokens alive", "write at most 5m")
        return value


class Introspection(Section):
    """Who is asked about tokens that say nothing of themselves: CAVE's middle_auth at this address, or the endpoint of an
    authorization server (`rfc7662`), as the client `client_id`, with `auth: basic` or `post`.

    `fresh` and `negative` are for how many seconds it is believed that a token holds, or does not; `stale` for how many its
    last word holds while it cannot be asked. `stand_in` answers for middle_auth, to services that are pointed at the gate.
    With `audience` and `issuer` a token must be for one of these, and of that one.
    """

    kind: Annotated[Literal["middle_auth", "rfc7662"], Word]
    url: Endpoint
    fresh: Timeout = 60.0
    negative: Seconds = 5.0
    stale: Seconds = 300.0
    stand_in: Flag = False
    client_id: Text | None = None
    client_secret: Secret | None = None
    auth: Annotated[Literal["basic", "post"], Word] = "basic"
    audience: Texts = ()
    issuer: Text | None = None
    groups_claim: Text = "groups"
    scopes_claim: Text = "scope"
    leeway: Seconds = 30.0

    @field_validator("negative")
    @classmethod
    def _refusals_are_short(cls, value: float) -> float:
        if value > 10:
            raise refusal("a token that was just made would be refused for so long", "write at most 10s")
        return value

    @model_validator(mode="after")
    def _what_belongs_to_its_kind(self) -> "Introspection":
        if self.kind == "middle_auth":
            name = next((name for name in _OF_RFC7662 if name in self.model_fields_set), None)
            if name is not None:
                fix = f"remove `{name}`, or write `kind: rfc7662`"
                raise refusal("middle_auth is asked in the name of the caller, and takes none", fix, (name,))
            return self
        if self.stand_in:
            fix = "remove `stand_in`, or write `kind: middle_auth`"
            raise refusal("only for middle_auth can the gate stand in", fix, ("stand_in",))
        for name in ("client_id", "client_secret"):
            if getattr(self, name) is None:
                fix = f"write `{name}`, as the authorization server gave it to the gate"
                raise refusal("is needed: the server tells nobody else of tokens", fix, (name,))
        if self.url.scheme == "http" and not self.url.is_loopback:
            raise refusal("tokens and the client's secret would travel in the clear", "use https", ("url",))
        return self


_OF_RFC7662 = (
    "client_id",
    "client_secret",
    "auth",
    "audience",
    "issuer",
    "groups_claim",
    "scopes_claim",
    "leeway",
)


class Identity(Section):
    """How callers are known. `signing_keys` are PEM texts: the first signs, all verify; none: made in `state_dir`.

    `scopes` are what clients are told to ask their authorization server for. With `certificates`, those that callers show
    say who they are, where a request has no token.
    """

    local_tokens: Flag = True
    signing_keys: Annotated[
        tuple[Annotated[Secret, BeforeValidator(_key)], ...], BeforeValidator(several)
    ] = ()
    issuers: tuple[Issuer, ...] = ()
    introspection: tuple[Introspection, ...] = ()
    scopes: Annotated[tuple[Scope, ...], BeforeValidator(several)] = ()
    certificates: Certificates | None = None
    anonymous: Flag = False

    @field_validator("introspection")
    @classmethod
    def _each_service_once(cls, value: tuple[Introspection, ...]) -> tuple[Introspection, ...]:
        urls = [one.url.text.rstrip("/") for one in value]
        for index, url in enumerate(urls):
            if url in urls[:index]:
                raise refusal("the same address twice", "keep one of the two", (index, "url"))
        return value

    @field_validator("issuers")
    @classmethod
    def _each_issuer_once(cls, value: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
        names = [issuer.issuer for issuer in value]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise refusal("the same issuer twice", "put its audiences into one entry", (index, "issuer"))
        return value


def check_exchanged(identity: Identity, issuers: tuple[str, ...], at: Where) -> None:
    """Refuse an issuer whose tokens nobody can come with."""
    known = {one.issuer for one in identity.issuers} | {
        one.url.text.rstrip("/") for one in identity.introspection
    }
    if identity.local_tokens:
        known.add("labgate")
    for index, name in enumerate(issuers):
        if name not in known:
            fix = (
                "name one of `identity.issuers`, the address of one of `identity.introspection`, or `labgate`"
            )
            raise refusal(f"{shown(name)} is nobody whose tokens the gate takes", fix, (*at, index))
