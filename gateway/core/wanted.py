"""How does the cache see a request through a mount, and under which key lies what answers it?"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from gateway.core.call import Demand
from gateway.core.conditions import Named, in_force, named_in_result
from gateway.core.http_freshness import HttpCache
from gateway.core.http_storing import BY_THE_REPLY
from gateway.core.keys import constant, person, scope
from gateway.core.keys import target as target_part
from gateway.core.method import CacheRule, Method
from gateway.core.principal import Principal
from gateway.core.reply import Fields


class Wanted(Struct, frozen=True):
    """A request through a mount, as the cache sees it.

    `root` is its key without what replies vary by, `chosen` are the fields that are in it. `lineage` are the names of the
    generations that a reply must agree with. `credential` = it carries the caller's own for the service; `special` = it
    asks for a part or makes a condition.
    """

    rule: CacheRule
    root: bytes
    person: bytes
    asked: Fields
    demand: Demand
    lineage: tuple[str, ...]
    chosen: frozenset[bytes]
    settings: HttpCache
    credential: bool = False
    special: bool = False
    named: Named = {}
    """The request's parameters by name, where the rule asks for them."""

    @property
    def lasting(self) -> Wanted:
        """The same with the longest time that its rule gives: what a reply may turn out to have."""
        rule = self.rule
        longest = max(rule.when, key=lambda one: one.fresh, default=None)
        if longest is None or longest.fresh <= rule.fresh:
            return self
        return replace(self, rule=replace(rule, fresh=longest.fresh, stale=longest.stale))

    def for_result(self, body: bytes, now: float) -> Wanted:
        """The same with its rule as it holds for the request and this result, at `now` (seconds since 1970)."""
        if not self.rule.when:
            return self
        result = named_in_result(body) if self.rule.needs_result else {}
        return replace(self, rule=in_force(self.rule, self.named, result, now))


def rule_for(method: Method) -> CacheRule:
    """The operator's rule for the method, or the one that lets each reply speak for itself."""
    return method.cache or BY_THE_REPLY


def root_prefix(
    method: Method, principal: Principal, verb: str, chooses: tuple[bytes, ...], *, credential: bytes
) -> bytes | None:
    """A root without its target, for requests without a body; None where a right decides, which targets may name."""
    if rule_for(method).share == "authorized":
        return None
    return root_of(method, principal, verb, chooses, None, b"", {}, credential=credential)


def root_of(
    method: Method,
    principal: Principal,
    verb: str,
    chooses: tuple[bytes, ...],
    body: bytes | None,
    target: bytes,
    named: Named,
    *,
    credential: bytes,
) -> bytes:
    """The key under which replies to a request lie, or the signpost to them.

    HEAD has GET's: the same is stored for both. What came for somebody's own credential is for them alone. `named` are
    the request's parameters, where the rule asks for a right.
    """
    alone = person(principal.issuer, principal.subject, principal.rights)
    who = alone if credential else scope(rule_for(method), principal, named)
    return (
        target_part(method.service, "http")
        + who
        + constant("GET" if verb == "HEAD" else verb, chooses, body, credential)
        + target
    )


def watched_for(method: Method) -> tuple[str, ...]:
    """The generations of which at least one ends when anything does that may concern replies of this method."""
    return (*method.writes, *method.lineage)
