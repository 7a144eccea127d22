"""What comes in: one call of one method by one principal."""

from __future__ import annotations

from msgspec import Struct

from gateway.core.method import Method
from gateway.core.principal import Principal


class Params(Struct, frozen=True, gc=False):
    """The parameters of a JSON-RPC call: the exact bytes of the JSON array or object, None if there were none."""

    raw: bytes | None


class Demand(Struct, frozen=True, gc=False):
    """What the caller asks of freshness (RFC 9111 section 5.2.1).

    `max_age` is in seconds: entries older than this will not do, None = as the rule says. `only_cached` wants
    no trip to the upstream at all.
    """

    max_age: float | None = None
    only_cached: bool = False


NO_DEMAND = Demand()


class Call(Struct, frozen=True):
    """One call.

    `id` is the request id that replies, faults and log lines carry. `deadline` is on the monotonic clock, in
    seconds, like the event loop's time. `notification` = nobody waits for the answer.
    """

    id: str
    principal: Principal
    method: Method
    ask: Params
    deadline: float
    demand: Demand = NO_DEMAND
    notification: bool = False
