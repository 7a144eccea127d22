"""What can be set: the whole schema of a settings file."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.settings.addresses import (
    Address,
    HostName,
    Listen,
    Origin,
    Proxy,
    is_loopback,
    moved,
)
from gateway.settings.audit import Audit, audited
from gateway.settings.decisions import Decisions
from gateway.settings.folders import CacheFolder, Folder
from gateway.settings.identity import Identity, check_exchanged
from gateway.settings.limits import Kept, Share
from gateway.settings.mcp import Mcp
from gateway.settings.mounts import check_places
from gateway.settings.problems import near, refused
from gateway.settings.redis import Redis
from gateway.settings.sections import Section
from gateway.settings.service_words import ServiceName
from gateway.settings.services import Service
from gateway.settings.socket_files import CallersListen, Mode, SocketFile
from gateway.settings.sources import Sources, check_mount
from gateway.settings.tls import Tls
from gateway.settings.traces import Traces, traced
from gateway.settings.usage import Usage, used
from gateway.settings.values import (
    HIDDEN,
    Count,
    Flag,
    Seconds,
    Size,
    Texts,
    Timeout,
    Word,
    each,
    refusal,
    several,
)

_DATASTACK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_WHO = ("subject", "group", "scope", "authenticated", "anonymous")
_PATH_GLOB = re.compile(r"(?:(?P<verb>\S+) )?/")
_USUAL = Address("127.0.0.1", 8700)
MAX_WORKERS = 64  # more than a machine for this has cores are a mistake
_BEHIND_PROXY_FIX = (
    "listen on 127.0.0.1, add `tls: {certificate: FILE, key: FILE}`, or put a TLS proxy in front and write "
    "behind_proxy: true"
)


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


class Policy(Share):
    """Which principals may call what; the first policy that matches decides, and what it says of limits counts."""

    to: Annotated[tuple[Principal, ...], BeforeValidator(several), Field(min_length=1)]
    allow: Annotated[tuple[Permission, ...], BeforeValidator(several)] = ()
    operate: Flag = False

    @model_validator(mode="after")
    def _grants_something(self) -> "Policy":
        if not self.allow and not self.operate:
            raise refusal("allows nothing", 'add allow: ["jobs.get_*"], or remove the policy')
        return self

    @property
    def limits(self) -> bool:
        """Whether it says how much somebody may have."""
        return any(one is not None for one in (self.rate, self.concurrency, self.bytes))


class Datastack(Section):
    """Local services that belong together."""

    services: Mapping[ServiceName, Service] = Field(default_factory=dict)


class Disk(Section):
    """The disk tier: of about `size` bytes, in the folder `path`, by default `cache` in the `state_dir`."""

    size: Size
    path: CacheFolder | None = None


class Cache(Section):
    """Where entries are kept; `memory` is in bytes, 0 keeps none. `disk` is this host's, `redis` is shared by replicas."""

    memory: Size = 256 << 20
    disk: Disk | None = None
    redis: Redis | None = None


class Limits(Section):
    """What one caller or upstream may ask of the gate.

    `message` (of a WebSocket at /rpc), `body` (a request), `reply` (an upstream's answer), `describe` (a discovery document) and `header_bytes` are bytes;
    `mount_reply` is that of an answer through a mount, None = there is no limit.
    `batch` counts entries, `depth` levels of nesting, `connections` those of callers, `methods` those of one service;
    `connections_per_address` None is a default that depends on whether addresses tell callers apart.
    `header_seconds` is the time for a whole head, `idle_seconds` that between requests. A body may pause for `body_seconds`
    and must on the whole come at `body_rate` bytes a second; so must answers be taken, by `write_seconds` and `write_rate`.
    `per_principal` is what each caller may have over all that they do, `outcomes` what is kept for each of what came of
    calls that may come again.
    """

    body: Size = 1 << 30
    message: Size = 16 << 20
    batch: Count = 1000
    depth: Count = 512
    header_seconds: Timeout = 10.0
    header_bytes: Size = 16 << 10
    idle_seconds: Timeout = 75.0
    body_seconds: Timeout = 20.0
    body_rate: Count = 256
    write_seconds: Timeout = 60.0
    write_rate: Count = 256
    connections: Count = 10_000
    connections_per_address: Count | None = None
    reply: Size = 1 << 30
    mount_reply: Size | None = None
    describe: Size = 64 << 20
    upstream_concurrency: Count = 64
    methods: Count = 50_000
    per_principal: Share = Share()
    outcomes: Kept = Kept()


class Telemetry(Section):
    """What is written about calls: a line for each, one for each write and each refusal, traces of some, and who uses what.

    Requests whose answers begin only after `slow` seconds are told of in the gate's log. `traceparent` says whose traces requests
    belong to: their callers', or the gate's own.
    """

    access_log: Annotated[Literal["json", "text", "off"], Word] = "json"
    audit: Annotated[Audit | None, BeforeValidator(audited)] = None
    otlp: Annotated[Traces | None, BeforeValidator(traced)] = None
    slow: Timeout | None = None
    traceparent: Annotated[Literal["from_callers", "own"], Word] = "from_callers"
    usage: Annotated[Usage | None, BeforeValidator(used)] = None


class Reload(Section):
    """How changed settings are taken while the gate runs.

    `watch` = a change of the files is enough; `drain` is for how many seconds streams and WebSockets that were begun by the
    old settings may go on.
    """

    watch: Flag = True
    drain: Seconds = 600.0


class Settings(Section):
    """Everything that a settings file says; the fields that others are judged by come first."""

    include: Texts = ()
    behind_proxy: Flag = False
    tls: Tls | None = None
    listen: CallersListen = Field(default=_USUAL, validate_default=True)
    socket_mode: Mode = Field(default="660", validate_default=True)
    operator: Operator = Field(default=Operator(), validate_default=True)
    hosts: Annotated[tuple[HostName, ...], BeforeValidator(several)] = ()
    public_url: Origin | None = None
    trusted_proxies: Annotated[tuple[Proxy, ...], BeforeValidator(several)] = ()
    state_dir: Folder = Field(default="~/.local/state/labgate", validate_default=True)
    workers: Count = 1
    identity: Identity = Identity()
    policies: tuple[Policy, ...] = ()
    decisions: Decisions | None = None
    services: Mapping[ServiceName, Service] = Field(default_factory=dict)
    datastacks: Mapping[Annotated[str, AfterValidator(_datastack_name)], Datastack] = Field(
        default_factory=dict
    )
    cache: Cache = Cache()
    sources: Sources | None = None
    mcp: Mcp = Mcp()
    limits: Limits = Limits()
    telemetry: Telemetry = Telemetry()
    notice_seconds: Seconds = 0.0
    shutdown_seconds: Seconds = 30.0
    reload: Reload = Reload()

    @property
    def seconds_to_end(self) -> float:
        """For how long the gate may still take calls, or bring them to their end, when it is told to end."""
        return self.notice_seconds + self.shutdown_seconds

    @field_validator("listen")
    @classmethod
    def _callers_are_near(cls, value: Address | SocketFile, info: ValidationInfo) -> Address | SocketFile:
        if isinstance(value, SocketFile) and info.data.get("tls") is not None:
            raise refusal(
                "TLS is for what goes over a network", "remove `tls`: the file's mode says who may come"
            )
        _refuse_open_door(value, "tls" not in info.data or info.data["tls"] is not None, info, ())
        return value

    @field_validator("operator")
    @classmethod
    def _operators_are_near(cls, value: Operator, info: ValidationInfo) -> Operator:
        _refuse_open_door(value.listen, value.tls is not None, info, ("listen",))
        callers = info.data.get("listen")
        if isinstance(callers, Address) and callers == value.listen and callers.port:
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
        _check_exchanges(found, info)
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
        _check_exchanges(found, info)
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

    @field_validator("sources")
    @classmethod
    def _sources_have_a_place_of_their_own(
        cls, value: Sources | None, info: ValidationInfo
    ) -> Sources | None:
        if value is not None:
            groups = [info.data.get("services", {})]
            groups += [section.services for section in info.data.get("datastacks", {}).values()]
            check_mount(value, (pair for group in groups for pair in group.items()))
        return value

    @field_validator("limits")
    @classmethod
    def _each_worker_has_a_turn(cls, value: Limits, info: ValidationInfo) -> Limits:
        if value.upstream_concurrency < info.data.get("workers", 1):
            raise refusal("fewer than there are workers", _TURNS_FIX, ("upstream_concurrency",))
        proxy_is_nobody = info.data.get("behind_proxy", False) and not info.data.get("trusted_proxies", True)
        if value.connections_per_address is not None and proxy_is_nobody:
            raise refusal(
                "the proxy would be counted as one caller, whoever is behind it",
                "name it, for example trusted_proxies: [10.0.0.5], or remove the limit",
                ("connections_per_address",),
            )
        return value

    def listening_on(self, host: str | None, port: int | None) -> "Settings":
        """These settings with another address for callers, as `serve --host --port` gives it.

        Raises SettingsError where the address is not allowed by the rest of the settings.
        """
        if host is None and port is None:
            return self
        try:
            listen = moved(self.listen if isinstance(self.listen, Address) else _USUAL, host, port)
            if listen.port and (owner := self._listeners().get(listen)):
                raise refusal(f"{owner} listens on {listen} already", "choose another port")
            if not is_loopback(listen.host) and not self.behind_proxy and self.tls is None:
                raise refusal(f"{listen} can be reached from other machines, without TLS", _BEHIND_PROXY_FIX)
        except PydanticCustomError as error:
            raise refused(error, "listen", "--port" if host is None else "--host") from None
        return self.model_copy(update={"listen": listen})

    def _listeners(self) -> dict[Address | SocketFile, str]:
        """Who else listens where."""
        groups = (self.services, *(one.services for one in self.datastacks.values()))
        own = ((name, one.listen) for each in groups for name, one in each.items())
        found: dict[Address | SocketFile, str] = {port.address: f"`{name}`" for name, port in own if port}
        return {self.operator.listen: "the operator's door", **found}


def _refuse_open_door(
    listen: Address | SocketFile, has_tls: bool, info: ValidationInfo, at: tuple[str, ...]
) -> None:
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
    taken = {address: owner for address, owner in own if isinstance(address, Address)}
    check_places([*(before or []), *found], taken)


def _check_turns(found: _Found, info: ValidationInfo) -> None:
    """Refuse a number of calls at once that is too small to be shared by the workers."""
    for where, one in found:
        if one.concurrency is not None and one.concurrency < info.data.get("workers", 1):
            raise refusal("fewer than there are workers", _TURNS_FIX, (*where, "concurrency"))


def _check_exchanges(found: _Found, info: ValidationInfo) -> None:
    """Refuse to exchange tokens of somebody whose tokens are not taken."""
    identity = info.data.get("identity")
    for where, one in found:
        if identity is not None and one.exchange is not None:
            check_exchanged(identity, one.exchange.issuers, (*where, "exchange", "issuers"))
