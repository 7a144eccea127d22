"""Where does a request go that came through a mount, and what was decided about it?"""

from __future__ import annotations

from copy import copy
from typing import Final

from msgspec import Struct, field

from gateway.core.assembling import Inbound
from gateway.core.catalog import Catalog
from gateway.core.charging import Account
from gateway.core.invalidation import uri_name
from gateway.core.listing import Listing
from gateway.core.method import SAFE_VERBS, Method
from gateway.core.paths import Steps
from gateway.core.places import Places
from gateway.core.ports import Tally
from gateway.core.service import Service
from gateway.core.sites import Site
from gateway.core.upstream import Carrier
from gateway.core.verdict import Pass

_MOST_PEERS: Final = 4


SAFE: Final = SAFE_VERBS | {"PROPFIND", "REPORT", "SEARCH"}
"""Verbs that change nothing (RFC 9110 section 9.2.1, and the registry that it founded)."""


class Settled(Struct, frozen=True, gc=False):
    """What was decided about the requests of one caller and set of header lines for one verb and method.

    They are `method`, the cache has no part in them (`outcome`), and that holds in this `epoch` and `catalog`. `lines` are what
    the upstream gets beside Host, its own and X-Request-Id, which is `request_id` where the caller gave one; `host` is
    the caller's where it is passed on. `told` is what every answer says of catalog and cache; `seconds` is the time that
    an answer may take to begin.

    `root` is what stands before the target in the key under which replies may be stored, None where none are; `ruled` = an
    operator's rule says how. `person` is the principal's part of a key, `version` the line about the catalog;
    `watched` are the generations that must not end while a request is under way. `heuristic` = a reply may be stored though it says nothing of its freshness.
    """

    verb: bytes
    method: Method
    verdict: Pass
    outcome: str
    epoch: int
    catalog: Catalog
    lines: bytes
    host: bytes | None
    request_id: bytes | None
    told: bytes
    seconds: float
    root: bytes | None = None
    ruled: bool = False
    person: bytes = b""
    version: bytes = b""
    heuristic: bool = False
    watched: tuple[str, ...] = ()
    hits: Tally = field(default_factory=Tally)
    """Where requests are counted that memory answers with a 200."""
    account: Account | None = None
    """What each of them is charged to."""


class Way:
    """A verb and a path, as one catalog knows them.

    `judged` is the path as policies see it, `inner` the steps below the service's address, `rest` the same as it was
    sent. `is_rpc` = JSON-RPC calls go there; `below_rpc` = it is there or below, and no such call. `settled` is by
    the caller's address. `site` is who changes what would lead past the gate, where an answer may say such; `asks_who` = the
    gate itself may say whom the caller's token speaks for. `inbound` is the dialect, where it looks at such requests.
    """

    __slots__ = (
        "asks_who",
        "below_rpc",
        "carrier",
        "catalog",
        "inbound",
        "inner",
        "is_rpc",
        "judged",
        "lineage",
        "listing",
        "places",
        "rest",
        "service",
        "settled",
        "site",
        "verb",
    )

    def __init__(
        self,
        verb: str,
        service: Service,
        listing: Listing,
        carrier: Carrier,
        places: Places,
        catalog: Catalog,
        judged: Steps,
        inner: Steps,
        rest: bytes,
    ) -> None:
        self.verb = verb
        self.service = service
        self.listing = listing
        self.carrier = carrier
        self.places = places
        self.catalog = catalog
        self.judged = judged
        self.inner = inner
        self.rest = rest
        self.is_rpc = False
        self.below_rpc = False
        self.settled: dict[str, Settled] = {}
        self.lineage: tuple[str, ...] | None = None
        self.site: Site | None = None
        self.asks_who = False
        self.inbound: Inbound | None = None

    @property
    def is_special(self) -> bool:
        """Whether its answers are more than passed on."""
        return self.site is not None or self.asks_who or self.inbound is not None or self.service.links

    @property
    def is_known(self) -> bool:
        """Whether it is known which methods the service has."""
        return self.listing.offer.description is not None or self.service.dialect == "listed"

    def leading_to(self, rest: bytes) -> Way:
        """The same for a request that is sent on with another path below the service's address."""
        other = copy(self)
        other.rest, other.settled, other.lineage = rest, {}, None
        return other

    def method(self) -> Method:
        """The method that a request is: the binding that it matches, else `service.http`."""
        if self.below_rpc:
            return self.listing.undescribed(self.verb, safe=False)
        found = self.listing.bindings.find(self.verb, self.inner)
        return found or self.listing.undescribed(self.verb, safe=self.verb in SAFE)

    def lineage_of(self, method: Method, query: bytes) -> tuple[str, ...]:
        """The names of the generations that a stored reply to a request for this path must agree with."""
        if query:
            return self._lineage(method, query)
        if self.lineage is None:
            self.lineage = self._lineage(method, b"")
        return self.lineage

    def _lineage(self, method: Method, query: bytes) -> tuple[str, ...]:
        others = method.calls if method.cache is None else ()
        return (*method.lineage, *others, uri_name(self.service.qualified, self.inner, query))

    def settle(self, peer: str, settled: Settled) -> None:
        """Remember what was decided for a caller at this address."""
        if len(self.settled) < _MOST_PEERS or peer in self.settled:
            self.settled[peer] = settled
