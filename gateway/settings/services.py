"""What does the operator say about a service?"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from gateway.settings.addresses import Listen, UpstreamUrl
from gateway.settings.failing import Breaker, Health, Retries, Sticky, off
from gateway.settings.http_cache import HttpCache
from gateway.settings.introducing import ClientCredentials, Exchange, UpstreamIdentity, identity_in
from gateway.settings.methods import MethodRule
from gateway.settings.mounts import MountPath
from gateway.settings.problems import Where
from gateway.settings.sections import Section
from gateway.settings.service_words import (
    CheckedName,
    CorsField,
    DocumentPath,
    HeaderName,
    HeaderValue,
    IdentityField,
    LocalServer,
    MethodGlob,
    NodeName,
    PageOrigin,
    PortWord,
    RpcPath,
    Version,
    verb,
)
from gateway.settings.tls import Tls, UpstreamTls
from gateway.settings.values import (
    Count,
    Flag,
    Seconds,
    Text,
    Timeout,
    Word,
    each,
    refusal,
    several,
)


class Cors(Section):
    """Which pages of other origins may read what the service answers (the Fetch standard, section 3.2).

    `origins` are origins, or `*` for any; `headers` and `methods` what their requests may hold, `expose` what scripts
    may read of the answer. With `credentials` they may send what the browser keeps for the gate; `max_age` is how many
    seconds a browser remembers the answer to its preflight.
    """

    origins: Annotated[tuple[PageOrigin, ...], BeforeValidator(several), Field(min_length=1)]
    methods: Annotated[
        tuple[Annotated[str, each(verb, "write GET, POST, …")], ...], BeforeValidator(several)
    ] = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
    headers: Annotated[tuple[CorsField, ...], BeforeValidator(several)] = ("*",)
    expose: Annotated[tuple[CorsField, ...], BeforeValidator(several)] = ()
    credentials: Flag = False
    max_age: Seconds = 600.0

    @model_validator(mode="after")
    def _credentials_are_for_named_origins(self) -> "Cors":
        if self.credentials and "*" in self.origins:
            raise refusal(
                "any page could act with the credentials of whoever looks at it",
                "name the origins",
                ("origins",),
            )
        return self


def _own_port(value: Any) -> Any:
    return {"address": value} if isinstance(value, str | int) else value


class OwnPort(Section):
    """A port that carries one service; who comes without a token is whom `as` names, in the words of a policy's `to`."""

    address: Listen
    tls: Tls | None = None
    as_: Annotated[tuple[PortWord, ...], BeforeValidator(several)] = Field(default=(), alias="as")

    @model_validator(mode="after")
    def _nobody_comes_from_elsewhere(self) -> "OwnPort":
        required = self.tls is not None and self.tls.asks == "required"
        if self.as_ and not self.address.is_loopback and not required:
            fix = "listen on 127.0.0.1, require certificates (`tls: {client_ca: FILE, …}`), or remove `as`"
            raise refusal("whoever reaches the port would be that", fix, ("as",))
        return self

    def __str__(self) -> str:
        return str(self.address)


class Service(Section):
    """A named upstream.

    `url` holds one address or several replicas, in order. `timeout` (of a call), `describe_timeout` (of one question
    of discovery) and `refresh` (from one discovery to the next) are seconds. `concurrency` is the number of calls on
    their way at once; None takes `limits.upstream_concurrency`. `arrays` says how arrays are sent to it. The keys of `methods` are globs over the upstream's own names, without the service's. `names` says what the operations of an OpenAPI document are called by.

    Of `headers`, those that are `checked` must have the same value where a caller sends them too.

    `connect_timeout` is for how many seconds a connection may not come about, `read_timeout` an answer not begin or stand still
    (None: `timeout`). `retries`, `breaker` (None: off) and `health` say what is done where it fails. With `sticky` calls with the
    same value of that parameter go to the same replica.

    `mount` is the path below which callers reach the service as it is; `listen` a port of its own that carries nothing
    else. `idle` is how many seconds a streamed answer, a WebSocket or an event stream may be silent. `encoded_slash` lets `%2F` through in
    paths, `underscores` request fields with `_` in their name; `keep_host` sends the caller's Host instead of the upstream's.
    With `links` the addresses of its own that its answers (JSON and msgpack) name lead to the gate. `http_cache` says what is stored of replies that no `cache` rule speaks of.

    `bearer` says whose token it is sent: nobody's, the caller's own (`forward_token: true` says the same), one that the
    caller has linked, or the gate's, which is `token`. A caller's goes to it only if `vouched_by` vouched for it, the address
    of an entry of `identity.introspection`. With `exchange` it is sent one for which the caller's was exchanged. The gate's own may
    be one that it asks for: `client_credentials`. `identity` tells the service who asks in a field of its own.

    `identity_field` is a header field in which its clients may show the gate's token, empty for none; for the dialects
    `intake` and `auto` it is intake-secret. `pickle`, of the former, lets clients that take nothing else have the service's pickles.

    Of the dialect `mcp`, `trust_hints` has the server's own word count for which of its tools change nothing.

    Of the dialect `cave`, `url` is the global server; `local_servers` are the origins that its datastacks may have their local
    servers at, `https://*.host` for any below a host. Of the dialect `dvid`, `nodes` are names for versions, in the place of
    their UUIDs: a UUID or the beginning of one, or `UUID:branch`.
    """

    dialect: Annotated[
        Literal["auto", "jsonrpc", "openapi", "intake", "listed", "cave", "dvid", "mcp"], Word
    ] = "auto"
    url: Annotated[tuple[UpstreamUrl, ...], BeforeValidator(several)]
    tls: UpstreamTls | None = None
    summary: Text | None = None
    rpc_path: RpcPath | None = None
    describe: DocumentPath | None = None
    names: Annotated[Literal["operation_id", "summary"], Word] = "operation_id"
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    checked: Annotated[tuple[CheckedName, ...], BeforeValidator(several)] = ()
    token: HeaderValue | None = None
    forward_token: Flag = False
    vouched_by: UpstreamUrl | None = None
    bearer: Annotated[Literal["none", "caller", "linked", "gate"], Word] | None = None
    identity: Annotated[UpstreamIdentity | None, BeforeValidator(identity_in)] = None
    exchange: Exchange | None = None
    client_credentials: ClientCredentials | None = None
    local_servers: Annotated[tuple[LocalServer, ...], BeforeValidator(several)] = ()
    nodes: Mapping[NodeName, Version] = Field(default_factory=dict)
    timeout: Timeout = 300.0
    describe_timeout: Timeout = 10.0
    refresh: Timeout = 300.0
    connect_timeout: Timeout = 10.0
    read_timeout: Timeout | None = None
    retries: Retries = Retries()
    breaker: Annotated[Breaker | None, BeforeValidator(off)] = Breaker()
    health: Health | None = None
    sticky: Sticky | None = None
    arrays: Annotated[Literal["lists", "ndarray"], Word] = "lists"
    concurrency: Count | None = None
    mount: MountPath | None = None
    listen: Annotated[OwnPort | None, BeforeValidator(_own_port)] = None
    cors: Cors | None = None
    idle: Timeout = 300.0
    encoded_slash: Flag = False
    underscores: Flag = False
    keep_host: Flag = False
    links: Flag = False
    http_cache: HttpCache = HttpCache()
    identity_field: IdentityField | None = None
    pickle: Flag = False
    trust_hints: Flag = False
    methods: Mapping[MethodGlob, MethodRule] = Field(default_factory=dict)

    @field_validator("url")
    @classmethod
    def _some_url(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            raise refusal("an empty list of addresses", "write at least one URL")
        for index, one in enumerate(value):
            if one in value[:index]:
                raise refusal("the same address twice", "keep one of the two", (index,))
        return value

    @field_validator("headers")
    @classmethod
    def _each_header_once(cls, value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        seen: set[str] = set()
        for name in value:
            if name.lower() in seen:
                raise refusal(
                    "the same header field twice", "keep one; upper and lower case do not matter", (name,)
                )
            seen.add(name.lower())
        return value

    @field_validator("methods")
    @classmethod
    def _one_method_is_not_a_glob(cls, value: Mapping[str, MethodRule]) -> Mapping[str, MethodRule]:
        item: str | None = None
        for name, rule in value.items():
            key: Where = (name, "item" if rule.item else "http" if rule.http else "params")
            if "*" in name and (rule.item or rule.http or rule.params is not None):
                raise refusal(
                    "describes one method, but stands under a glob", "write it under the method's name", key
                )
            if rule.item and item is not None:
                raise refusal(f"`{item}` is the service's `item` already", "mark one method", key)
            item = name if rule.item else item
        return value

    @model_validator(mode="after")
    def _tls_is_for_https(self) -> "Service":
        if self.tls is not None and not any(one.scheme == "https" for one in self.url):
            raise refusal(
                "none of the service's addresses begins with https://",
                "write https:// in `url`, or remove `tls`",
                ("tls",),
            )
        return self

    @model_validator(mode="after")
    def _what_is_checked_is_known(self) -> "Service":
        own = {name.lower() for name in self.headers}
        for index, name in enumerate(self.checked):
            if name.lower() not in own:
                fix = "write its value under `headers`"
                raise refusal(
                    "the gate has no such field of its own to compare with", fix, ("checked", index)
                )
        return self

    @model_validator(mode="after")
    def _one_token_is_sent(self) -> "Service":
        if self.forward_token and self.bearer not in (None, "caller"):
            raise refusal("contradicts `forward_token: true`", "keep one of the two", ("bearer",))
        bearer = self.bearer or ("caller" if self.forward_token else "none")
        if bearer == "caller" and self.vouched_by is None and self.dialect != "cave":
            fix = "write `vouched_by: URL`, the address of an entry of `identity.introspection`"
            raise refusal("it is not said whose tokens it may be sent", fix, ("forward_token",))
        if self.token is not None and self.client_credentials is not None:
            raise refusal("the gate has a `token` already", "keep one of the two", ("client_credentials",))
        if bearer == "gate" and self.token is None and self.client_credentials is None:
            fix = "write `token: ${env:NAME}`, or `client_credentials`"
            raise refusal("there is no token of the gate's", fix, ("bearer",))
        if self.exchange is not None and bearer != "none":
            fix = "remove `bearer` and `forward_token`, or `exchange`"
            raise refusal("the service would be sent two tokens", fix, ("exchange",))
        if bearer in ("caller", "linked") or self.exchange is not None or self.identity is not None:
            self._nobody_is_answered_for_another()
        return self

    @model_validator(mode="after")
    def _nobody_else_says_who_asks(self) -> "Service":
        if self.identity is None:
            return self
        name = self.identity.header
        if name.lower() in (own.lower() for own in self.headers):
            fix = "choose another name, or remove it from `headers`"
            raise refusal("the gate sends this field already", fix, ("identity", "header"))
        if self.underscores:
            # For many servers X_Who and X-Who are the same.
            fix = "remove `underscores`"
            raise refusal(
                "callers could write another spelling of the field that says who asks", fix, ("underscores",)
            )
        if name.lower() == "authorization" and (
            self.exchange is not None or self.bearer not in (None, "none") or self.forward_token
        ):
            fix = "choose another name"
            raise refusal("the service is sent a token in this field", fix, ("identity", "header"))
        return self

    def _nobody_is_answered_for_another(self) -> None:
        """What an upstream says to one caller is not said to others, where it sees who asks."""
        for name, rule in self.methods.items():
            if rule.cache is not None and rule.cache.share == "everyone":
                raise refusal(
                    "the service sees who asks, and may answer each as they are",
                    "write `share: authorized` with the right that lets callers share, or `share: nobody`",
                    ("methods", name, "cache", "share"),
                )

    @model_validator(mode="after")
    def _only_deployments_have_local_servers(self) -> "Service":
        for name, rule in self.methods.items():
            if (
                rule.cache is not None
                and "{dataset}" in (rule.cache.authorized or "")
                and self.dialect != "cave"
            ):
                fix = "write `dialect: cave`, or a parameter like {params.dataset}"
                at = ("methods", name, "cache", "authorized")
                raise refusal("only the datastacks of the dialect `cave` have a dataset", fix, at)
        if self.local_servers and self.dialect != "cave":
            fix = "write `dialect: cave`, or remove `local_servers`"
            raise refusal("only the dialect `cave` has local servers", fix, ("local_servers",))
        if self.nodes and self.dialect != "dvid":
            fix = "write `dialect: dvid`, or remove `nodes`"
            raise refusal("only the dialect `dvid` has versions", fix, ("nodes",))
        return self

    @model_validator(mode="after")
    def _hints_are_of_tools(self) -> "Service":
        if self.trust_hints and self.dialect not in ("mcp", "auto"):
            fix = "write `dialect: mcp`, or remove `trust_hints`"
            raise refusal("only tools of the dialect `mcp` have hints", fix, ("trust_hints",))
        return self

    @model_validator(mode="after")
    def _pickles_are_for_catalogs(self) -> "Service":
        if self.pickle and self.dialect != "intake":
            fix = "write `dialect: intake`, or remove `pickle`"
            raise refusal("only the dialect `intake` knows pickles", fix, ("pickle",))
        return self

    @model_validator(mode="after")
    def _only_answers_of_no_dialect_are_led(self) -> "Service":
        if self.links and self.dialect in ("cave", "dvid", "intake"):
            fix = "remove `links`"
            raise refusal(
                f"what services of the dialect `{self.dialect}` say leads to the gate anyway", fix, ("links",)
            )
        return self

    @model_validator(mode="after")
    def _requests_are_for_what_describes_nothing(self) -> "Service":
        name = next((name for name, rule in self.methods.items() if rule.http), None)
        if name is not None and self.dialect != "listed":
            raise refusal(
                "only methods of the dialect `listed` are bound here",
                "write `dialect: listed`, or remove `http`",
                ("methods", name, "http"),
            )
        return self
