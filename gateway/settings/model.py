"""What can be set: the whole schema of a settings file."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from gateway.settings.addresses import (
    Address,
    HostName,
    KeySource,
    Listen,
    Network,
    Origin,
    UpstreamUrl,
    is_loopback,
)
from gateway.settings.mounts import check_places
from gateway.settings.problems import Problem, SettingsError, near
from gateway.settings.redis import Redis
from gateway.settings.sections import Section
from gateway.settings.service_words import ServiceName
from gateway.settings.services import Service
from gateway.settings.tls import Certificates, Tls
from gateway.settings.values import (
    HIDDEN,
    Count,
    FilePath,
    Flag,
    Seconds,
    Secret,
    Size,
    Text,
    Texts,
    Timeout,
    Word,
    each,
    refusal,
    several,
    shown,
)

_DATASTACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_WHO = ("subject", "group", "scope", "authenticated", "anonymous")
_PATH_GLOB = re.compile(r"(?:(?P<verb>\S+) )?/")
MAX_WORKERS = 64
"""More processes than a machine for this has cores are a mistake."""
_BEHIND_PROXY_FIX = (
    "listen on 127.0.0.1, add `tls: {certificate: FILE, key: FILE}`, or put a TLS proxy in front and write "
    "behind_proxy: true"
)

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def _datastack_name(name: str) -> str:
    if not _DATASTACK.fullmatch(name):
        raise refusal(
            "no name for a datastack", "use letters, digits, _ . and -, beginning with a letter or digit"
        )
    return name


def _who(written: str) -> str | None:
    word, colon, name = written.partition(":")
    if word in _WHO[:3]:
        return None if name else f"does not say which {word}"
    if word in _WHO[3:]:
        return f"is more than `{word}`" if colon else None
    meant = near(word, _WHO)
    return "is no kind of principal" + (f"; did you mean `{meant}`?" if meant else "")


def _what(written: str) -> str | None:
    if written != written.strip():
        return "has spaces around it"
    path = _PATH_GLOB.match(written)
    if path and path["verb"] and not re.fullmatch(r"[A-Z]+", path["verb"]):
        return "does not begin with a verb in capitals"
    if not path and written.count("/") > 1:
        return "is neither a method glob nor a path glob"
    return None


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


Principal = Annotated[
    str, each(_who, "write subject:S, group:G, scope:S, authenticated or anonymous"), HIDDEN
]
Permission = Annotated[
    str, each(_what, 'write a method glob like "jobs.get_*", or a path glob like "GET /files/**"'), HIDDEN
]


class Operator(Section):
    """The operator's door: a listener of its own, because mounted pages share the origin of the callers'."""

    listen: Listen = Address("127.0.0.1", 8701)
    tls: Tls | None = None


class Issuer(Section):
    """Whose JWTs are accepted.

    `jwks` is a URL or a file. `max_lifetime` (from `iat` to `exp`, at most) and `leeway` (between clocks) are
    seconds. With `typ`, the token's header must name that type.
    """

    issuer: Text
    audience: Annotated[Texts, Field(min_length=1)]
    jwks: KeySource
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

    @field_validator("leeway")
    @classmethod
    def _leeway_is_small(cls, value: float) -> float:
        if value > 300:
            raise refusal("more than five minutes keep expired tokens alive", "write at most 5m")
        return value


class Introspection(Section):
    """Who is asked about tokens that say nothing of themselves: CAVE's middle_auth, at this address.

    `fresh` and `negative` are for how many seconds it is believed that a token holds, or does not; `stale` for how many its
    last word holds while it cannot be asked. `stand_in` answers for it, to services that are pointed at the gate.
    """

    kind: Annotated[Literal["middle_auth"], Word]
    url: UpstreamUrl
    fresh: Timeout = 60.0
    negative: Seconds = 5.0
    stale: Seconds = 300.0
    stand_in: Flag = False

    @field_validator("negative")
    @classmethod
    def _refusals_are_short(cls, value: float) -> float:
        if value > 10:
            raise refusal("a token that was just made would be refused for so long", "write at most 10s")
        return value


class Identity(Section):
    """How callers are known. `signing_keys` are PEM texts: the first signs, all verify; none: made in `state_dir`.

    With `certificates`, those that callers show say who they are, where a request has no token.
    """

    local_tokens: Flag = True
    signing_keys: Annotated[
        tuple[Annotated[Secret, BeforeValidator(_key)], ...], BeforeValidator(several)
    ] = ()
    issuers: tuple[Issuer, ...] = ()
    introspection: tuple[Introspection, ...] = ()
    certificates: Certificates | None = None
    anonymous: Flag = False

    @field_validator("introspection")
    @classmethod
    def _each_service_once(cls, value: tuple[Introspection, ...]) -> tuple[Introspection, ...]:
        urls = [one.url.text for one in value]
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


class Policy(Section):
    """Which principals may call what; the first policy that matches decides."""

    to: Annotated[tuple[Principal, ...], BeforeValidator(several), Field(min_length=1)]
    allow: Annotated[tuple[Permission, ...], BeforeValidator(several)] = ()
    operate: Flag = False

    @model_validator(mode="after")
    def _grants_something(self) -> "Policy":
        if not self.allow and not self.operate:
            raise refusal("allows nothing", 'add allow: ["jobs.get_*"], or remove the policy')
        return self


class Datastack(Section):
    """Local services that belong together."""

    services: Mapping[ServiceName, Service] = Field(default_factory=dict)


class Disk(Section):
    """The disk tier: of about `size` bytes, in the folder `path`, by default `cache` in the `state_dir`."""

    size: Size
    path: FilePath | None = None


class Cache(Section):
    """Where entries are kept; `memory` is in bytes, 0 keeps none. `disk` is this host's, `redis` is shared by replicas."""

    memory: Size = 256 << 20
    disk: Disk | None = None
    redis: Redis | None = None


class Limits(Section):
    """What one caller or upstream may ask of the gate.

    `body` (a request), `reply` (an upstream's answer), `describe` (a discovery document) and `header_bytes` are bytes;
    `batch` counts entries, `depth` levels of nesting, `connections` those of callers, `methods` those of one service;
    `header_seconds` is the time for a whole head, `idle_seconds` that between requests.
    """

    body: Size = 1 << 30
    batch: Count = 1000
    depth: Count = 512
    header_seconds: Timeout = 10.0
    header_bytes: Size = 16 << 10
    idle_seconds: Timeout = 75.0
    connections: Count = 10_000
    reply: Size = 1 << 30
    describe: Size = 64 << 20
    upstream_concurrency: Count = 64
    methods: Count = 50_000


class Telemetry(Section):
    """What is written about calls."""

    access_log: Annotated[Literal["json", "text", "off"], Word] = "json"


class Settings(Section):
    """Everything that a settings file says; the fields that others are judged by come first."""

    include: Texts = ()
    behind_proxy: Flag = False
    tls: Tls | None = None
    listen: Listen = Field(default=Address("127.0.0.1", 8700), validate_default=True)
    operator: Operator = Field(default=Operator(), validate_default=True)
    hosts: Annotated[tuple[HostName, ...], BeforeValidator(several)] = ()
    public_url: Origin | None = None
    trusted_proxies: Annotated[tuple[Network, ...], BeforeValidator(several)] = ()
    state_dir: FilePath = Field(default="~/.local/state/labgate", validate_default=True)
    workers: Count = 1
    identity: Identity = Identity()
    policies: tuple[Policy, ...] = ()
    services: Mapping[ServiceName, Service] = Field(default_factory=dict)
    datastacks: Mapping[Annotated[str, AfterValidator(_datastack_name)], Datastack] = Field(
        default_factory=dict
    )
    cache: Cache = Cache()
    limits: Limits = Limits()
    telemetry: Telemetry = Telemetry()
    shutdown_seconds: Seconds = 30.0

    @field_validator("listen")
    @classmethod
    def _callers_are_near(cls, value: Address, info: ValidationInfo) -> Address:
        _refuse_open_door(value, "tls" not in info.data or info.data["tls"] is not None, info, ())
        return value

    @field_validator("operator")
    @classmethod
    def _operators_are_near(cls, value: Operator, info: ValidationInfo) -> Operator:
        _refuse_open_door(value.listen, value.tls is not None, info, ("listen",))
        callers = info.data.get("listen")
        if callers is not None and callers == value.listen and callers.port:
            raise refusal(
                "callers and operators on the same port", "give the operator's door another port", ("listen",)
            )
        return value

    @field_validator("workers")
    @classmethod
    def _workers_are_few(cls, value: int) -> int:
        if value > MAX_WORKERS:
            raise refusal(
                f"more than {MAX_WORKERS} processes", "write as many as the machine has cores for the gate"
            )
        return value

    @field_validator("services")
    @classmethod
    def _each_place_has_one_service(
        cls, value: Mapping[str, Service], info: ValidationInfo
    ) -> Mapping[str, Service]:
        found = [((name,), one) for name, one in value.items()]
        _check_places(found, info)
        _check_turns(found, info)
        return value

    @field_validator("datastacks")
    @classmethod
    def _each_place_has_one_local_service(
        cls, value: Mapping[str, Datastack], info: ValidationInfo
    ) -> Mapping[str, Datastack]:
        found = [
            ((datastack, "services", name), one)
            for datastack, section in value.items()
            for name, one in section.services.items()
        ]
        _check_places(found, info, [((name,), one) for name, one in info.data.get("services", {}).items()])
        _check_turns(found, info)
        return value

    @field_validator("datastacks")
    @classmethod
    def _local_names_are_not_global(
        cls, value: Mapping[str, Datastack], info: ValidationInfo
    ) -> Mapping[str, Datastack]:
        for datastack, section in value.items():
            for name in section.services:
                if name in info.data.get("services", {}):
                    at = (datastack, "services", name)
                    raise refusal(
                        f"`{name}` is also the name of a global service", "rename one of the two", at
                    )
        return value

    @field_validator("limits")
    @classmethod
    def _each_worker_has_a_turn(cls, value: Limits, info: ValidationInfo) -> Limits:
        if value.upstream_concurrency < info.data.get("workers", 1):
            raise refusal("fewer than there are workers", _TURNS_FIX, ("upstream_concurrency",))
        return value

    def listening_on(self, host: str | None, port: int | None) -> "Settings":
        """These settings with another address for callers, as `serve --host --port` gives it.

        Raises SettingsError where the address is not allowed by the rest of the settings.
        """
        listen = Address(host or self.listen.host, self.listen.port if port is None else port)
        if not is_loopback(listen.host) and not self.behind_proxy and self.tls is None:
            text_ = f"{listen} can be reached from other machines, without TLS"
            raise SettingsError([Problem("listen", None, None, text_, _BEHIND_PROXY_FIX, file="--host")])
        return self.model_copy(update={"listen": listen})


def _refuse_open_door(listen: Address, has_tls: bool, info: ValidationInfo, at: tuple[str, ...]) -> None:
    if listen.is_loopback or has_tls or info.data.get("behind_proxy", True):
        return
    raise refusal("can be reached from other machines, without TLS", _BEHIND_PROXY_FIX, at)


_TURNS_FIX = "the workers share it: write at least as many as `workers`, or fewer workers"

_Found = Sequence[tuple[tuple[str, ...], Service]]


def _check_places(found: _Found, info: ValidationInfo, before: _Found | None = None) -> None:
    """Refuse a mount or an address that `found` has twice, or that one of `before` or the gate itself has."""
    for where, one in found:
        if one.listen is not None:
            _refuse_open_door(one.listen.address, one.listen.tls is not None, info, (*where, "listen"))
    own = (
        (info.data.get("listen"), "the gate"),
        (getattr(info.data.get("operator"), "listen", None), "the operator's door"),
    )
    taken = {address: owner for address, owner in own if address is not None}
    check_places([*(before or []), *found], taken)


def _check_turns(found: _Found, info: ValidationInfo) -> None:
    """Refuse a number of calls at once that is too small to be shared by the workers."""
    for where, one in found:
        if one.concurrency is not None and one.concurrency < info.data.get("workers", 1):
            raise refusal("fewer than there are workers", _TURNS_FIX, (*where, "concurrency"))
