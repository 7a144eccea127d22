"""What can be called, and what is known of it?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal

from msgspec import Struct

Share = Literal["nobody", "everyone", "authorized"]
Structure = Literal["either", "by-name", "by-position"]
Arrays = Literal["lists", "ndarray"]
Names = Literal["operation_id", "summary"]


class Clause(Struct, frozen=True):
    """A member and the globs of which it must be one; None stands for what is not there.

    With `before` it must be a moment instead that is past by at least so many seconds: a number of seconds since 1970, or a
    date in ISO 8601.
    """

    name: str
    globs: tuple[str | None, ...]
    before: float | None = None


class When(Struct, frozen=True):
    """An exception of a rule: where all its tests pass, a reply is fresh and stale for these seconds instead."""

    fresh: float
    stale: float = 0.0
    params: tuple[Clause, ...] = ()
    result: tuple[Clause, ...] = ()


class CacheRule(Struct, frozen=True):
    """How long a reply serves, and for whom.

    `fresh`, `stale` and `negative` are seconds: served as it is, served (marked) while a refresh runs or the
    upstream is down, and how long an upstream's JSON-RPC error is kept (0 = never). `share` says who may be
    answered from an entry: its own principal (`nobody` else), everyone who may call the method, or those of them
    who have the right that `authorized` names. `by_name` lets the order of named parameters not matter. `max_size` is in
    bytes. `pin` has tiers let other entries go first.
    """

    fresh: float
    stale: float = 0.0
    share: Share = "nobody"
    tags: tuple[str, ...] = ()
    negative: float = 0.0
    by_name: bool = False
    max_size: int = 64 * 1024 * 1024
    pin: bool = False
    force: bool = False
    """Whether it holds against the upstream's own `no-store` and `private` too."""
    authorized: str = ""
    """The right that lets callers share entries, where `share` is `authorized`: a word of a policy's `to`, or a scope."""
    when: tuple[When, ...] = ()

    @property
    def needs_result(self) -> bool:
        """Whether it looks at results: nobody knows what a reply is worth before it is whole."""
        return any(one.result for one in self.when)


class Hedge(Struct, frozen=True):
    """When a safe call is made a second time beside the first: after so many seconds, or once it takes longer than this part
    of the last calls did (0.95: all but the slowest twentieth).
    """

    seconds: float = 0.0
    quantile: float = 0.0


class Param(Struct, frozen=True):
    """One parameter as its upstream describes it: a hint for people, never a reason to refuse an argument."""

    name: str
    required: bool = False
    schema: dict[str, Any] = {}
    description: str = ""


class RpcBinding(Struct, frozen=True, tag="rpc"):
    """Carried out as the JSON-RPC method `method` of the upstream."""

    method: str

    @property
    def target(self) -> str:
        """What is called upstream, for keys: no two bindings of one service with different targets are the same call."""
        return self.method


class Place(Struct, frozen=True):
    """Where one parameter goes in an HTTP request.

    `param` is the parameter's advertised name, `name` the upstream's own. A `member` is one of a JSON object or form
    that is the body; `body` is the whole body. `many` says how an array is written in a path, query, header or cookie; `json`
    says that any value is written there as JSON, `deep` that an object in a query has a `name[member]` for each member,
    and `label` and `matrix` how a value stands in a path (RFC 6570), with `*` for a name or dot before each item.
    """

    param: str
    where: Literal["path", "query", "header", "cookie", "member", "body"]
    name: str
    many: Literal[
        "repeat", "comma", "space", "pipe", "tab", "json", "deep", "label", "label*", "matrix", "matrix*"
    ] = "repeat"


class HttpBinding(Struct, frozen=True, tag="http"):
    """Carried out as an HTTP request: `verb` and `path` (with `{name}` for what is put there) of the upstream.

    `sends` is the media type of the body that is made of the arguments, `accepts` what the reply may be.
    """

    verb: str
    path: str
    places: tuple[Place, ...] = ()
    sends: str = "application/json"
    accepts: str = "application/json, */*;q=0.5"

    @property
    def target(self) -> str:
        """What is called upstream, for keys; no JSON-RPC method has a space before a slash."""
        return f"{self.verb} {self.path}"


Binding = RpcBinding | HttpBinding

IN_PATH: Final = re.compile(r"\{([^{}]+)\}")
"""A parameter within the path of an HTTP binding."""

SAFE_VERBS: Final = frozenset(("GET", "HEAD", "OPTIONS", "QUERY"))
IDEMPOTENT_VERBS: Final = SAFE_VERBS | {"PUT", "DELETE"}


@dataclass(frozen=True, eq=False)
class Method:
    """Something callable: its name, its parameters and result, and what is known of it.

    `name` is what callers say (`jobs.get_job`); `service` is the name that policies, keys, tags and metrics
    use (`jobs`, or `minnie65/chunkedgraph` for a local service). `params` is None where the upstream gives no
    parameter list. `facts` are further members of `x-labgate` (result, item, page, http, scopes).
    """

    name: str
    service: str
    binding: Binding
    params: tuple[Param, ...] | None = None
    structure: Structure = "either"
    result: dict[str, Any] | None = None
    summary: str = ""
    description: str = ""
    docs: str = ""
    deprecated: bool = False
    safe: bool = False
    idempotent: bool = False
    cache: CacheRule | None = None
    invalidates: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    assembled: bool = False
    """Whether its dialect carries it out by steps of its own, each of which has a rule: the whole is not stored."""
    hedge: Hedge | None = None
    """When it is called a second time beside the first, where it may be."""
    watches: tuple[str, ...] = ()
    """Further generations that a stored reply must agree with."""

    def ruled_by(self, rule: CacheRule) -> Method:
        """The same with this cache rule."""
        return replace(self, cache=rule)

    @cached_property
    def namespace(self) -> str:
        """The first part of the name: the service as callers call it."""
        return self.name.partition(".")[0]

    @cached_property
    def qualified(self) -> str:
        """The name that policies see: `datastack/service.method` for a method of a local service."""
        datastack, slash, _ = self.service.rpartition("/")
        return f"{datastack}/{self.name}" if slash else self.name

    @cached_property
    def lineage(self) -> tuple[str, ...]:
        """The names of the generations that a stored reply of this method must still agree with."""
        tags = self.cache.tags if self.cache else ()
        return (
            f"service:{self.service}",
            f"method:{self.qualified}",
            *(f"tag:{tag}" for tag in tags),
            *self.watches,
        )

    @cached_property
    def writes(self) -> tuple[str, ...]:
        """The name of the generation that every write to the service ends: no read that left before is joined after."""
        return (f"writes:{self.service}",)

    @cached_property
    def calls(self) -> tuple[str, ...]:
        """The name of the generation that unsafe calls end which are HTTP requests: whose address they change is theirs to say.

        What a mounted service's replies let be stored agrees with it; what a rule stores has its tags.
        """
        return (f"calls:{self.service}",)

    @cached_property
    def purges(self) -> tuple[str, ...]:
        """The names of the generations that a call of this method ends."""
        tags = tuple(f"tag:{tag}" for tag in self.invalidates)
        return tags if self.safe else self.writes + tags
