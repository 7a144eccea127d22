"""What does the gate know of an upstream before it has spoken to it?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from gateway.core.breaker import USUAL, BreakerRule
from gateway.core.cors import Cors
from gateway.core.health import HealthCheck
from gateway.core.http_freshness import BY_ITS_REPLIES, HttpCache
from gateway.core.method import Arrays, Binding, CacheRule, Hedge, HttpBinding, Names, Param
from gateway.core.retrying import ONE_RETRY, Retries

Bearer = Literal["none", "caller", "linked", "gate", "exchanged"]
"""Whose token a service is sent: nobody's, the caller's own, one that the caller has linked at the gate, the gate's, or one
that the caller's was exchanged for."""


@dataclass(frozen=True)
class UpstreamIdentity:
    """The header field in which a service is told who asks, by a short token of the gate's for this audience.

    `claims` are what it says beside the subject: `groups`, `scope`.
    """

    name: str
    audience: str
    claims: tuple[str, ...] = ("groups", "scope")


@dataclass(frozen=True)
class Rule:
    """What the operator knows of methods and the upstream does not say; None = nothing said.

    `http` is how one method is carried out whose service describes nothing; `job` is what its result tells of a job.
    """

    safe: bool | None = None
    idempotent: bool | None = None
    cache: CacheRule | None = None
    invalidates: tuple[str, ...] = ()
    deprecated: bool | None = None
    summary: str | None = None
    params: tuple[Param, ...] | None = None
    result: str | None = None
    item: bool | None = None
    http: HttpBinding | None = None
    hedge: Hedge | None = None
    job: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Service:
    """A named upstream: one address or several replicas, a dialect, rules for its methods.

    `timeout` (of a call), `describe_timeout` and `refresh` (between discoveries) are seconds; `headers` are
    sent with every request to it and hold its secrets, so they stay out of every repr; a caller who sends one of those that
    are `checked` (in lower case) must know its value. `rules` map method
    globs to what is known of them; later ones win over earlier ones.

    `connect_timeout` and `read_timeout` (None = `timeout`) are for how many seconds a connection may not come about, and an
    answer not begin or stand still. `retries` are for what may be sent again, `breaker` says when the service is left alone (None =
    never), `health` what its replicas are asked to see whether they are well. Calls with the same value of the parameter
    `sticky` go to the same replica.
    `concurrency` is how many calls it gets at once; where nobody has said that, what its description knows goes before.

    `mount` is the path below which callers reach the service as it is, None = they do not; `has_port` = they reach it
    on a port of its own. `idle` is for how many seconds
    a stream may be silent. `keep_host` sends callers' Host; `underscores` and `encoded_slash` let through what is else
    left out or refused. `links` = its answers name its own address, which is led to the gate. `http_cache` says which of its replies are stored that no rule speaks of.

    `bearer` says whose token it is sent as `Authorization: Bearer`; `token` is the gate's own, for its discovery and, where
    `bearer` is `gate`, for calls. A caller's is sent only if it was `vouches` that vouched for it: the name of an issuer
    or introspection. `granted` = the gate's own is one that it asks an authorization server for. `identity` is how the service
    is told who asks.

    Where a dialect brings several services, `entry` is the name of what brought them in the settings, `part` which of them
    this is, and `fills` what its methods are given without being asked (`datastack`, `table`, …). `home` is the address of
    the server that they share, and `home_mount` the path at which callers see its root. Several of them may also be reached
    below the same path, `common`: a request is for the one of whose `signs` two neighbouring steps of its path are one.
    `mount_aliases` are further paths at which callers reach it, which are judged as its mount.
    `identity_field` is a header field in which its clients may show the gate's token; `pickle` lets those who want pickles have
    them, which the gate never looks into.
    `nodes` are names for versions of its data, each with what it stands for; `drops` are the names of fields (in lower case)
    of which callers' never reach it.
    `trusts_hints` = what it says itself of its methods' safety is believed, where it says it in hints (`mcp`).
    `aliases` are further names for its namespace, which are not advertised. What is `hidden` is named only to those who were
    shown its datastack by its own server.
    """

    name: str
    dialect: str
    urls: tuple[str, ...]
    datastack: str | None = None
    rpc_path: str | None = None
    describe_path: str | None = None
    names: Names = "operation_id"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    checked: frozenset[bytes] = frozenset()
    timeout: float = 300.0
    connect_timeout: float = 10.0
    read_timeout: float | None = None
    retries: Retries = ONE_RETRY
    breaker: BreakerRule | None = USUAL
    health: HealthCheck | None = None
    sticky: str = ""
    describe_timeout: float = 10.0
    refresh: float = 300.0
    arrays: Arrays = "lists"
    concurrency: int = 64
    concurrency_said: bool = True
    max_reply: int = 1 << 30
    max_passed: int | None = None
    max_describe: int = 64 << 20
    max_methods: int = 50_000
    rules: Mapping[str, Rule] = field(default_factory=dict)
    summary: str = ""
    mount: str | None = None
    has_port: bool = False
    cors: Cors | None = None
    idle: float = 300.0
    encoded_slash: bool = False
    underscores: bool = False
    keep_host: bool = False
    links: bool = False
    http_cache: HttpCache = BY_ITS_REPLIES
    bearer: Bearer = "none"
    token: str | None = field(default=None, repr=False)
    vouches: str = ""
    entry: str = ""
    part: str = ""
    fills: Mapping[str, str] = field(default_factory=dict)
    home: str = ""
    home_mount: str = ""
    common: str | None = None
    signs: tuple[tuple[bytes, bytes], ...] = ()
    aliases: tuple[str, ...] = ()
    nodes: Mapping[str, str] = field(default_factory=dict)
    drops: frozenset[bytes] = frozenset()
    hidden: bool = False
    mount_aliases: tuple[str, ...] = ()
    identity_field: str = ""
    identity: UpstreamIdentity | None = None
    granted: bool = False
    pickle: bool = False
    trusts_hints: bool = False

    @cached_property
    def within(self) -> float:
        """The seconds within which an answer must have begun."""
        return self.timeout if self.read_timeout is None else min(self.timeout, self.read_timeout)

    @property
    def introduced(self) -> bool:
        """Whether its requests carry something of the gate's making: a token, or who asks."""
        return self.bearer != "none" or self.identity is not None

    @property
    def introduced_alike(self) -> bool:
        """Whether that stays the same for as long as the caller does."""
        lasting = self.bearer in ("none", "caller") or (self.bearer == "gate" and not self.granted)
        return lasting and self.identity is None

    @property
    def sees_callers(self) -> bool:
        """Whether it is told who asks, and may answer each as they are."""
        return self.bearer in ("caller", "linked", "exchanged") or self.identity is not None

    @property
    def has_token(self) -> bool:
        """Whether the gate has a token of its own for it."""
        return self.token is not None or self.granted

    @property
    def qualified(self) -> str:
        """The name that policies, keys, tags, metrics and logs use: a local service has its datastack before it."""
        return f"{self.datastack}/{self.name}" if self.datastack else self.name


@dataclass(frozen=True, eq=False)
class Described:
    """One method as its upstream describes it, before the operator's rules; `name` is the upstream's own.

    `binding` None is the JSON-RPC method of that name. `facts` are further members of `x-labgate`.
    """

    name: str
    params: tuple[Param, ...] | None = None
    structure: str = "either"
    result: Mapping[str, Any] | None = None
    summary: str = ""
    description: str = ""
    docs: str = ""
    deprecated: bool = False
    safe: bool = False
    idempotent: bool = False
    binding: Binding | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    assembled: bool = False


@dataclass(frozen=True, eq=False)
class Description:
    """What an upstream says of itself.

    `convention` is the one by which it answered (`rpc.discover`, `system.describe`, …) and `address` where its
    calls go (for JSON-RPC: the path). `rpc_path` is where JSON-RPC calls go, None for what takes none. `left_out` counts the names that could not be taken, with an example.
    `concurrency` is how many calls at once are right for such a service, None where that is not known.
    `datastacks` are what it says of the datastacks that there are, by name; None for one of which it did not say it this time.
    """

    methods: tuple[Described, ...]
    convention: str
    address: str
    version: str = ""
    summary: str = ""
    rpc_path: str | None = None
    schemas: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0
    concurrency: int | None = None
    datastacks: Mapping[str, Mapping[str, Any] | None] | None = None
