"""Where does a request go that came through a mount, and what was decided about it?"""

from __future__ import annotations

from gateway.core.catalog import Catalog
from gateway.core.listing import Listing
from gateway.core.method import Method
from gateway.core.paths import Steps
from gateway.core.places import Places
from gateway.core.policy import Access
from gateway.core.ports import Carrier
from gateway.core.service import Service
from gateway.core.verdict import Pass


class Way:
    """A verb and a path, as one catalog knows them.

    `judged` is the path as policies see it, `inner` the steps below the service's address, `rest` the same as it was
    sent. `is_rpc` = JSON-RPC calls go there; `below_rpc` = it is there or below, and no such call.

    What is settled for one caller and set of header lines: `access` may, the request is `method`, the cache has
    no part in it (`verdict`), `lines` by the caller's address are what the upstream gets, and `told` what every
    answer says of catalog and cache.
    """

    __slots__ = (
        "access",
        "below_rpc",
        "carrier",
        "catalog",
        "inner",
        "is_rpc",
        "judged",
        "lines",
        "listing",
        "method",
        "methods",
        "places",
        "rest",
        "service",
        "told",
        "verb",
        "verdict",
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
        self.access: Access | None = None
        self.method: Method | None = None
        self.methods: tuple[Method, ...] = ()
        self.verdict: Pass | None = None
        self.lines: dict[str, bytes] = {}
        self.told = b""
