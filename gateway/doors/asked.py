"""What does a request say beside its body?"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import count
from secrets import token_hex
from time import perf_counter
from urllib.parse import unquote

from aiohttp import web
from msgspec import Struct

from gateway.core.cache_status import outcome, reason
from gateway.core.call import NO_DEMAND, Demand, demand_of
from gateway.core.catalog import View
from gateway.core.charging import Account
from gateway.core.faults import BadRequest
from gateway.core.ports import Visit
from gateway.core.principal import ANONYMOUS, Principal
from gateway.core.repeats import Once
from gateway.core.reply import Reply
from gateway.core.server_timing import server_timing
from gateway.core.tracing import Traced
from gateway.doors.caller import Caller
from gateway.doors.encodings import JSON, Encoding

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch
# Unique without asking the system for chance each time; it is no secret.
_PROCESS = token_hex(8).encode("ascii")
_numbers = count(1)


@dataclass(slots=True)
class Occasion:
    """Who asks, for which datastack, and what the access log will say of it.

    `client` is the caller's address as the gate believes it; `accounts` is what was charged for the request.
    """

    visit: Visit
    principal: Principal = ANONYMOUS
    datastack: str | None = None
    view: View | None = None
    client: str = ""
    accounts: tuple[Account, ...] = ()
    trace: Traced | None = None
    """What is recorded of it."""
    own: Mapping[str, Callable[[bytes | None], bytes]] = field(default_factory=dict)
    """What can be called of the connection itself, and what that answers, as JSON."""
    started: float = field(default_factory=perf_counter)
    """When it came."""
    auth: float | None = None
    """How many seconds it took to know who asks, where that was not known."""
    upstream_ms: float | None = None
    """How long the service was waited for, None where it was not."""

    @property
    def id(self) -> str:
        """The request id."""
        return self.visit.id

    def charged_to(self, account: Account | None) -> Account | None:
        """The same; the answer will tell of it."""
        if account is not None and account not in self.accounts:
            self.accounts += (account,)
        return account

    def replied(self, reply: Reply) -> None:
        """This is the answer: the access log will say what the cache did for it, and who gave it."""
        self.upstream_ms = reply.upstream_ms
        self.visit.cache, self.visit.reason = outcome(reply), reason(reply.verdict)
        self.visit.replica = reply.replica

    def timing(self) -> bytes | None:
        """Where the time went until now (`Server-Timing`), None where nobody was asked anything."""
        visit, auth = self.visit, self.auth
        from_memory = visit.cache == "hit" and visit.reason == "memory"
        if auth is None and (visit.cache is None or from_memory):
            return None
        total = (perf_counter() - self.started) * 1000
        return server_timing(visit.cache, total, self.upstream_ms, None if auth is None else auth * 1000)


@dataclass(slots=True, kw_only=True)
class Asked(Occasion):
    """One HTTP request, as every door behind aiohttp is given it."""

    request: web.BaseRequest
    token_name: str | None = None
    """The parameter of the address that is the caller's token, and nothing for a door."""
    caller: Caller | None = None
    """Who asks, where somebody may want to know it again."""


class Terms(Struct, frozen=True):
    """How JSON-RPC is asked for: in which encodings, for how many seconds, how fresh; `once` where it has a key."""

    reading: Encoding
    writing: Encoding
    patience: float = math.inf
    demand: Demand = NO_DEMAND
    once: Once | None = None

    @property
    def is_usual(self) -> bool:
        """Whether JSON is asked for in JSON, and any reply that is fresh will do."""
        return self.reading is JSON and self.writing is JSON and self.demand == NO_DEMAND


def request_id(request: web.BaseRequest) -> str:
    """The caller's own request id where it is one, else a new one."""
    return id_of(request.headers.get("X-Request-Id"))


def id_of(given: str | None) -> str:
    """The request id that a caller gave (`X-Request-Id`) where it is one, else a new one."""
    return given_id(given) or new_id()


def given_id(given: str | None) -> str | None:
    """The request id that a caller gave, None where it is none."""
    return given if given and _REQUEST_ID(given) else None


def new_id() -> str:
    """A request id of the gate's own."""
    return new_number().decode("ascii")


def new_number() -> bytes:
    """The same in bytes."""
    return b"%b%08x" % (_PROCESS, next(_numbers))


def patience(request: web.BaseRequest) -> float:
    """For how many seconds the caller waits (`Labgate-Timeout`), infinity if they do not say."""
    return patience_of(request.headers.get("Labgate-Timeout"))


def patience_of(given: str | None) -> float:
    """The seconds that `Labgate-Timeout` says, infinity if it is not there. Raises `BadRequest`."""
    if given is None:
        return math.inf
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise BadRequest("Labgate-Timeout must be the seconds left, like `30` or `0.5`.")
    return seconds


def demand(request: web.BaseRequest) -> Demand:
    """What the caller asks of freshness (RFC 9111 section 5.2.1): `no-cache`, `max-age`."""
    return demand_of(request.headers.get("Cache-Control"))


def below_rpc(request: web.BaseRequest) -> str:
    """What stands below `/rpc/`: the name of a datastack or of a method; empty at any other address."""
    path = request.rel_url.raw_path
    return unquote(path.removeprefix("/rpc/")) if path.startswith("/rpc/") else ""


def is_plain(request: web.BaseRequest, datastacks: Collection[str]) -> bool:
    """Whether the address is the plain URL of a method; what has a body is for the datastack of that name, if there is one."""
    name = below_rpc(request)
    return bool(name) and (request.method in ("GET", "HEAD") or ("." in name and name not in datastacks))


def datastack(request: web.BaseRequest, datastacks: Collection[str]) -> str | None:
    """The datastack that the address names: `?datastack=D`, or `/rpc/D` where that is no plain URL of a method.

    `datastacks` are those there are.
    """
    named = [value for value in request.rel_url.query.getall("datastack", ()) if value]
    if (name := below_rpc(request)) and not is_plain(request, datastacks):
        named.append(name)
    if len(set(named)) > 1:
        raise BadRequest("The request names two datastacks; name one.")
    return named[0] if named else None
