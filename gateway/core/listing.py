"""What does one service offer, once the operator's rules are applied to its description?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, get_args

from msgspec import Struct

from gateway.core import openapi_list, openrpc
from gateway.core.bindings import Bindings, request_of
from gateway.core.method import (
    IDEMPOTENT_VERBS,
    SAFE_VERBS,
    HttpBinding,
    Method,
    Param,
    RpcBinding,
    Structure,
)
from gateway.core.naming import is_fit, is_introspection
from gateway.core.openrpc import Rendered
from gateway.core.rules import Rules
from gateway.core.service import Described, Description, Rule, Service

_STRUCTURES: Final = frozenset(get_args(Structure))
UNDESCRIBED: Final = "http"
"""The name, within its service, of the method that is whatever no document describes."""
_VERBS: Final = 64
_what_is_described = attrgetter(*Described.__dataclass_fields__)
_what_is_said_besides = attrgetter(
    "convention", "address", "version", "summary", "schemas", "left_out", "datastacks"
)


@dataclass(frozen=True, eq=False)
class Offer:
    """What discovery knows of a service: its last good description, None before there was one, and its state.

    `down` = it did not answer when it was last asked, and `why` says how. `dialect` is the kind that it
    answered in, empty before. `notice` is what an operator tells its callers.
    """

    service: Service
    description: Description | None = None
    down: bool = False
    why: str | None = None
    dialect: str = ""
    notice: str = ""


class Item(Struct, frozen=True, gc=False, eq=False):
    """One advertised method, what it was made from, and its piece of the OpenRPC document.

    `down` and `notice` are said in the piece.
    """

    method: Method
    described: Described
    down: bool
    rendered: Rendered
    notice: str = ""


@dataclass(frozen=True, eq=False)
class Listing:
    """A service's methods by their names, in order. `left_out` counts the names that could not be taken."""

    offer: Offer
    items: Mapping[str, Item]
    left_out: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def service(self) -> Service:
        """The service."""
        return self.offer.service

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The methods' names, sorted."""
        return tuple(self.items)

    @cached_property
    def schemas(self) -> Mapping[str, Rendered]:
        """The description's schemas by the upstream's names for them."""
        description = self.offer.description
        if description is None:
            return {}
        return {
            name: openrpc.render(schema, self.service.name)
            for name, schema in sorted(description.schemas.items())
        }

    @cached_property
    def operations(self) -> openapi_list.Operations:
        """The methods and schemas as the OpenAPI document has them, written when somebody asks for it."""
        description = self.offer.description
        return openapi_list.operations(
            self.service.name,
            self.service.datastack,
            ((item.method, item.down) for item in self.items.values()),
            description.schemas if description is not None else {},
        )

    @cached_property
    def bindings(self) -> Bindings:
        """The methods by verb and path, for requests that come through the service's mount."""
        description = self.offer.description
        base = description.address if description is not None else ""
        return Bindings((item.method for item in self.items.values()), base)

    @cached_property
    def rpc_steps(self) -> tuple[bytes, ...] | None:
        """The steps of the path where JSON-RPC calls go, None for a service that takes none."""
        description = self.offer.description
        path = description.rpc_path if description is not None else self.service.rpc_path
        if path is None:
            return None
        *inner, last = path.encode("ascii", "replace").split(b"/")[1:] or [b""]
        return (*filter(None, inner), last)

    @cached_property
    def by_rpc_name(self) -> Mapping[str, Method]:
        """The JSON-RPC methods by the upstream's own names."""
        methods = (item.method for item in self.items.values())
        return {one.binding.method: one for one in methods if isinstance(one.binding, RpcBinding)}

    def undescribed(self, verb: str, *, safe: bool) -> Method:
        """What a request through the mount is that no document describes: `service.http`, by the rules for `http`."""
        known = self._undescribed.get((verb, safe))
        if known is None:
            rule = Rules(self.service.rules).of(UNDESCRIBED)
            described = Described(
                UNDESCRIBED, safe=safe and rule.safe is not False, binding=HttpBinding(verb, "/**")
            )
            # An operator's word makes no write safe: it would be meant for every path.
            rule = replace(rule, safe=described.safe)
            known = _method(f"{self.service.name}.{UNDESCRIBED}", self.service, described, rule)
            if len(self._undescribed) < _VERBS:
                self._undescribed[verb, safe] = known
        return known

    @cached_property
    def _undescribed(self) -> dict[tuple[str, bool], Method]:
        return {}


class Change(Struct, frozen=True):
    """What one round of discovery changed in a service: names of methods, and why it did not answer, if so."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    why: str | None = None

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def changes(before: Listing, after: Listing) -> Change:
    """What differs between two listings of one service, of which the later was made from the earlier."""
    old, new = before.items, after.items
    return Change(
        added=tuple(name for name in new if name not in old),
        changed=tuple(name for name in new if name in old and new[name].method is not old[name].method),
        removed=tuple(name for name in old if name not in new),
    )


def list_of(offer: Offer, previous: Listing | None = None) -> Listing:
    """The listing of an offer.

    What did not change since the service's `previous` listing is taken from there: methods, their written pieces,
    or the whole listing. Of several methods of one name the first is taken; the order of a description means
    nothing else.
    """
    service = offer.service
    known = previous.items if previous is not None and previous.service is service else {}
    rules = Rules(service.rules)
    items: dict[str, Item] = {}
    uncacheable: list[str] = []
    left_out = offer.description.left_out if offer.description else 0
    for described in _all_described(offer):
        if not is_fit(described.name):
            left_out += 1
            continue
        if is_introspection(described.name):
            continue
        name = f"{service.name}.{described.name}"
        if name in items:
            left_out += 1
            continue
        rule = rules.of(described.name)
        items[name] = _item(name, offer, described, rule, known.get(name))
        if rule.cache is not None and not items[name].method.safe:
            uncacheable.append(name)
    if previous is not None and _is_the_same(previous, offer, items):
        return previous
    ordered = {name: items[name] for name in sorted(items)}
    return Listing(offer, ordered, left_out, _warnings(service, sorted(uncacheable), items))


def _all_described(offer: Offer) -> Iterable[Described]:
    """What the upstream describes; for a `listed` service also what only the operator's rules name."""
    if offer.description is None:
        return ()
    described = offer.description.methods
    if offer.service.dialect != "listed":
        return described
    service, rules = offer.service, offer.service.rules.items()
    names = {one.name for one in described}
    about = service.rules.get(UNDESCRIBED)
    if about is not None and about.http is None and (service.mount is not None or service.has_port):
        names.add(UNDESCRIBED)  # it is a rule for what comes through the mount, and no method to call
    return (
        *described,
        *(_written(name, rule) for name, rule in rules if "*" not in name and name not in names),
    )


def _written(name: str, rule: Rule) -> Described:
    if rule.http is None:
        return Described(name)
    verb = rule.http.verb
    return Described(
        name,
        structure="by-name",
        safe=verb in SAFE_VERBS,
        idempotent=verb in IDEMPOTENT_VERBS,
        binding=rule.http,
    )


def _item(name: str, offer: Offer, described: Described, rule: Rule, known: Item | None) -> Item:
    base = offer.description.address if offer.description is not None else ""
    http = request_of(described.binding, base, offer.service.mount)
    same = known is not None and known.method.facts.get("http") == http
    if known is None or not (same and _is_described_alike(known.described, described)):
        method = _method(name, offer.service, described, rule, http)
    elif (known.down, known.notice) == (offer.down, offer.notice):
        return known
    else:
        method = known.method
    rendered = openrpc.method_object(method, down=offer.down, notice=offer.notice)
    return Item(method, described, offer.down, rendered, offer.notice)


def _is_described_alike(one: Described, other: Described) -> bool:
    return one is other or _what_is_described(one) == _what_is_described(other)


def _is_the_same(previous: Listing, offer: Offer, items: Mapping[str, Item]) -> bool:
    before = previous.offer
    if (before.service, before.down, before.why, before.dialect, before.notice) != (
        offer.service,
        offer.down,
        offer.why,
        offer.dialect,
        offer.notice,
    ):
        return False
    if before.description is not offer.description and (
        before.description is None
        or offer.description is None
        or _what_is_said_besides(before.description) != _what_is_said_besides(offer.description)
    ):
        return False
    old = previous.items
    return len(old) == len(items) and all(old.get(name) is item for name, item in items.items())


def _method(name: str, service: Service, described: Described, rule: Rule, http: str | None = None) -> Method:
    safe = described.safe if rule.safe is None else rule.safe
    idempotent = described.idempotent if rule.idempotent is None else rule.idempotent
    params, structure = _params(described, rule)
    return Method(
        name=name,
        service=service.qualified,
        binding=described.binding or RpcBinding(described.name),
        params=params,
        structure=structure,
        result=dict(described.result) if described.result is not None else None,
        summary=described.summary if rule.summary is None else rule.summary,
        description=described.description,
        docs=described.docs,
        deprecated=described.deprecated if rule.deprecated is None else rule.deprecated,
        safe=safe,
        idempotent=safe or idempotent,
        cache=rule.cache if safe else None,
        # A rule for all methods may say what they invalidate; what is safe changes nothing.
        invalidates=() if safe else rule.invalidates,
        facts={**described.facts, **_facts(rule), **({} if http is None else {"http": http})},
        assembled=described.assembled,
        hedge=rule.hedge if safe else None,
    )


def _params(described: Described, rule: Rule) -> tuple[tuple[Param, ...] | None, Structure]:
    params = described.params if rule.params is None else rule.params
    structure: Structure = described.structure if described.structure in _STRUCTURES else "either"  # type: ignore[assignment]
    if not params:
        return params, structure
    if len({param.name for param in params if param.name}) < len(params):
        return _told_apart(params), "by-position"
    if structure == "by-name":
        # OpenRPC wants required parameters first; without positions the order is free.
        params = tuple(sorted(params, key=lambda param: not param.required))
    return params, structure


def _told_apart(params: tuple[Param, ...]) -> tuple[Param, ...]:
    """Parameters without a name, or with one that was used before, get one; their positions tell them apart."""
    taken: set[str] = set()
    named: list[Param] = []
    for at, param in enumerate(params, 1):
        name = param.name or f"arg{at}"
        while name in taken:
            name = f"{name}_{at}"
        taken.add(name)
        named.append(Param(name, param.required, param.schema, param.description))
    return tuple(named)


def _facts(rule: Rule) -> Mapping[str, Any]:
    facts: dict[str, Any] = {}
    if rule.result is not None:
        facts["result"] = rule.result
    if rule.item:
        facts["item"] = True
    if rule.job is not None:
        facts["job"] = rule.job
    return facts


def _warnings(service: Service, uncacheable: list[str], items: Mapping[str, Item]) -> tuple[str, ...]:
    found = []
    if uncacheable:
        what = (
            uncacheable[0]
            if len(uncacheable) == 1
            else f"{len(uncacheable)} methods, such as {uncacheable[0]},"
        )
        why = "only safe methods are cached: add `safe: true` where nothing is changed"
        found.append(f"the cache rule for {what} is ignored, because {why}")
    has_own = service.mount is not None or service.has_port
    if has_own and (name := f"{service.name}.{UNDESCRIBED}") in items:
        also = "what comes through its mount and no document describes is called so, too"
        found.append(f"it has a method {name}, and {also}: policies and rules of that name are for both")
    return tuple(f"service {service.qualified}: {one}" for one in found)
