"""What comes in: one call of one method by one principal."""

from __future__ import annotations

import re

from msgspec import Struct

from gateway.core.charging import Account
from gateway.core.method import Method
from gateway.core.principal import Principal


class Params(Struct, frozen=True, gc=False):
    """The parameters of a JSON-RPC call: the exact bytes of the JSON array or object, None if there were none."""

    raw: bytes | None


class Http(Struct, frozen=True, gc=False):
    """The HTTP request of a call that came through a mount.

    `target` is path and query below the service's address, as the caller wrote them. `chooses` are the fields by which an
    upstream chooses among representations; `body` is the request's, None where there is none. `credential` is what stands
    for the caller's own credentials for the upstream, empty where there are none.
    """

    verb: str
    target: bytes
    chooses: tuple[bytes, ...]
    body: bytes | None = None
    credential: bytes = b""


class Demand(Struct, frozen=True, gc=False):
    """What the caller asks of freshness (RFC 9111 section 5.2.1).

    `max_age` is in seconds: entries older than this will not do, None = as the rule says. `only_cached` wants
    no trip to the upstream at all. `max_stale` is for how many seconds past its freshness a reply will do, None = as its
    own fields say; `min_fresh` for how many it must be fresh yet. `no_store` = no reply to it may be stored.
    """

    max_age: float | None = None
    only_cached: bool = False
    max_stale: float | None = None
    min_fresh: float = 0.0
    no_store: bool = False

    @property
    def takes_others(self) -> bool:
        """Whether what somebody else is just fetching will do."""
        return self.max_age is None and not self.no_store and not self.only_cached


NO_DEMAND = Demand()

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE).search


def demand_of(cache_control: str | None) -> Demand:
    """What a request's Cache-Control field asks for: `no-cache`, `no-store`, `max-age`."""
    if cache_control is None:
        return NO_DEMAND
    said = cache_control.lower()
    if "no-cache" in said or "no-store" in said:
        return Demand(max_age=-1.0)
    found = _MAX_AGE(said)
    return Demand(max_age=float(found[1])) if found else NO_DEMAND


class Call(Struct, frozen=True):
    """One call.

    `id` is the request id that replies, faults and log lines carry. `deadline` is on the monotonic clock, in
    seconds, like the event loop's time. `notification` = nobody waits for the answer. `http` is the request of a call
    that came through a mount, and which has no other parameters. `bearer` is the token that the upstream is sent, None where
    it is sent none: see `Service.bearer`. `account` is what it is charged to, None where nothing limits it; `client` is the
    caller's address.
    """

    id: str
    principal: Principal
    method: Method
    ask: Params
    deadline: float
    demand: Demand = NO_DEMAND
    notification: bool = False
    http: Http | None = None
    bearer: str | None = None
    tried: int = 0
    """How often it was sent already."""
    account: Account | None = None
    client: str = ""
