"""What does the operator know of methods, and of how long their replies serve?"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    model_validator,
)

from gateway.settings.conditions import Right, Whens
from gateway.settings.failing import Hedge
from gateway.settings.jobs import Job
from gateway.settings.sections import Section
from gateway.settings.service_words import (
    HttpRequest,
    ResultKind,
    parameter,
)
from gateway.settings.values import (
    Flag,
    Seconds,
    Size,
    Text,
    Texts,
    Word,
    refusal,
)


class CacheRule(Section):
    """How long a reply serves, and for whom.

    `fresh`, `stale` and `negative` are seconds: served without asking, served while one refresh runs or the upstream
    is down, and how long an upstream's JSON-RPC error is kept (0: never). `share` says whose calls may meet: nobody's
    but the same principal's, or those of everyone who may call the method. `max_size` is in bytes; `by_name` makes the order of named parameters irrelevant. `force` stores what the
    upstream calls `no-store` or `private` too. With `share: authorized` those callers share who have the right that
    `authorized` names; it is looked at with every call. `when` are exceptions, of which the first that holds counts.
    `pin` keeps them in memory when others have to go, in at most half of it.
    """

    fresh: Seconds
    stale: Seconds = 0.0
    share: Annotated[Literal["nobody", "authorized", "everyone"], Word] = "nobody"
    tags: Texts = ()
    negative: Seconds = 0.0
    by_name: Flag = False
    max_size: Size = 64 << 20
    pin: Flag = False
    force: Flag = False
    authorized: Right | None = None
    when: Whens = ()

    @model_validator(mode="after")
    def _a_right_is_named_where_one_is_asked_for(self) -> "CacheRule":
        if self.share == "authorized" and self.authorized is None:
            fix = "add `authorized: view:{params.dataset}`, or write `share: everyone`: who may call the method may share"
            raise refusal("does not say which right lets callers share", fix, ("share",))
        if self.authorized is not None and self.share != "authorized":
            raise refusal("a right that nobody is asked for", "write `share: authorized`", ("authorized",))
        return self


class Parameter(Section):
    """A parameter as the operator describes it; a bare text is its name. `schema` is a JSON Schema."""

    name: Text
    required: Flag = False
    json_schema: Mapping[str, Any] = Field(default_factory=dict, alias="schema")
    description: Text | None = None


class MethodRule(Section):
    """What the operator knows of the methods that a glob matches; None where nothing is said.

    `result` is the kind of the result where it is more than JSON; `item` marks the method behind `service[…]`. `http` is
    the request that carries a method out: the verb and the path below the service's address. `hedge` says when a call is made
    a second time beside the first. `job` says what the result tells of a job, for those who wait for it.
    """

    safe: Flag | None = None
    idempotent: Flag | None = None
    cache: CacheRule | None = None
    invalidates: Texts = ()
    deprecated: Flag | None = None
    summary: Text | None = None
    params: tuple[Annotated[Parameter, BeforeValidator(parameter)], ...] | None = None
    result: Annotated[ResultKind, Word] | None = None
    item: Flag | None = None
    http: HttpRequest | None = None
    hedge: Hedge | None = None
    job: Job | None = None

    @model_validator(mode="after")
    def _what_changes_something_is_not_safe(self) -> "MethodRule":
        if self.hedge is not None and self.safe is False:
            fix = "write safe: true, or remove `hedge`"
            raise refusal("only what changes nothing is called twice", fix, ("hedge",))
        if self.cache is not None and self.safe is False:
            raise refusal("only safe methods are cached", "write safe: true, or remove `cache`", ("cache",))
        if self.invalidates and self.safe:
            fix = "write safe: false, or remove `invalidates`"
            raise refusal("a safe method changes nothing, so it invalidates nothing", fix, ("invalidates",))
        return self
