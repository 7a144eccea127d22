"""Of which calls is the protocol made? Of four, each stored by a rule of its own, and advertised by none."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.core.call import Call, Demand, Params
from gateway.core.intake.chains import Chain
from gateway.core.intake.encodings import MSGPACK
from gateway.core.method import CacheRule, HttpBinding, Method
from gateway.core.principal import Principal
from gateway.core.rules import rules_for
from gateway.core.service import Service

LIST: Final = "list"
TELL: Final = "tell"
OPEN: Final = "open"
GO: Final = "go"
READ: Final = "read"
_DAY: Final = 86400.0
_RULES: Final[Mapping[str, CacheRule]] = {
    LIST: CacheRule(60.0, 600.0),
    TELL: CacheRule(60.0, 600.0),
    OPEN: CacheRule(30.0, _DAY),
    GO: CacheRule(30.0),
    READ: CacheRule(300.0, _DAY, max_size=256 << 20),
}
_METHODS: Final[Mapping[str, tuple[str, str, str]]] = {
    LIST: ("entries", "GET", "/v1/info"),
    TELL: ("describe", "GET", "/v1/source"),
    OPEN: ("source", "POST", "/v1/source?open"),
    GO: ("source", "POST", "/v1/source?direct"),
    READ: ("read", "POST", "/v1/source?read"),
}
"""The method of the catalog that each belongs to (a purge of that ends it too), and how it is bound."""


class Asker(Struct, frozen=True):
    """In whose name, until when, and with which demands parts are asked for."""

    id: str
    principal: Principal
    deadline: float
    demand: Demand


class Wanted(Struct, frozen=True):
    """What one hidden call asks of the service.

    `name` is that of an entry of the catalog, or of the driver with which a caller goes to the data by itself.
    """

    what: str
    chain: Chain
    name: str = ""
    partition: Any = None
    format: str = MSGPACK
    mark: str = ""


def call_for(wanted: Wanted, asker: Asker, service: Service) -> Call:
    """The call that brings it."""
    said: dict[str, Any] = {
        "name": wanted.chain.named(wanted.name) if wanted.what == TELL else wanted.chain.dotted,
        "chain": base64.b64encode(wanted.chain.packed).decode(),
    }
    if wanted.what in (TELL, GO):
        said["asked"] = wanted.name
    if wanted.what == READ:
        said |= {"partition": wanted.partition, "format": wanted.format, "mark": wanted.mark}
    raw = json.dumps(said).encode()
    method = _method(wanted.what, said["name"], service)
    return Call(asker.id, asker.principal, method, Params(raw), asker.deadline, asker.demand)


def wanted_by(call: Call) -> Wanted:
    """What a hidden call asks: the inverse of `call_for`."""
    said = json.loads(call.ask.raw or b"{}")
    what = next(
        key for key, (_, verb, path) in _METHODS.items() if f"{verb} {path}" == call.method.binding.target
    )
    return Wanted(
        what,
        Chain.of(base64.b64decode(said["chain"])),
        said.get("asked", ""),
        said.get("partition"),
        said.get("format", MSGPACK),
        said.get("mark", ""),
    )


def _method(what: str, entry: str, service: Service) -> Method:
    name, verb, path = _METHODS[what]
    return Method(
        f"{service.name}.{name}",
        service.qualified,
        HttpBinding(verb, path),
        safe=True,
        idempotent=True,
        cache=_rule(what, name, entry, service),
    )


def _rule(what: str, name: str, entry: str, service: Service) -> CacheRule:
    """The operator's rule for the method that it belongs to, else the usual one; what is of one entry can be purged as such."""
    said = rules_for(service).of(name).cache if what in (LIST, TELL, READ) else None
    rule = (
        None if said is None else replace(said, when=())
    )  # what is stored is no JSON that they could speak of
    if rule is None:
        # Where the service sees who asks, it may answer each as they are.
        rule = replace(_RULES[what], share="nobody" if service.introduced else "everyone")
    return replace(rule, tags=(*rule.tags, f"{service.qualified}:{entry}")) if entry else rule
