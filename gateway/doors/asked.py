"""What does a request say beside its body?"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from itertools import count
from secrets import token_hex
from urllib.parse import unquote

from aiohttp import web

from gateway.core.call import NO_DEMAND, Demand
from gateway.core.catalog import View
from gateway.core.faults import BadRequest
from gateway.core.ports import Visit
from gateway.core.principal import ANONYMOUS, Principal

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}").fullmatch
# Unique without asking the system for chance each time; it is no secret.
_PROCESS = token_hex(8)
_numbers = count(1)
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,10})", re.IGNORECASE).search


@dataclass(slots=True)
class Asked:
    """One HTTP request, as every door is given it: who asks, for which datastack, and for how long."""

    request: web.BaseRequest
    visit: Visit
    principal: Principal = ANONYMOUS
    datastack: str | None = None
    view: View | None = None

    @property
    def id(self) -> str:
        """The request id."""
        return self.visit.id


def request_id(request: web.BaseRequest) -> str:
    """The caller's own request id where it is one, else a new one."""
    given = request.headers.get("X-Request-Id", "")
    return given if _REQUEST_ID(given) else f"{_PROCESS}{next(_numbers):08x}"


def patience(request: web.BaseRequest) -> float:
    """For how many seconds the caller waits (`Labgate-Timeout`), infinity if they do not say."""
    given = request.headers.get("Labgate-Timeout")
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
    given = request.headers.get("Cache-Control")
    if given is None:
        return NO_DEMAND
    if "no-cache" in given.lower() or "no-store" in given.lower():
        return Demand(max_age=-1.0)
    found = _MAX_AGE(given)
    return Demand(max_age=float(found[1])) if found else NO_DEMAND


def datastack(request: web.BaseRequest, path: str) -> str | None:
    """The datastack that the address names: `?datastack=D`, or `/rpc/D` where that is no plain URL of a method."""
    named = [value for value in request.rel_url.query.getall("datastack", ()) if value]
    if path.startswith("/rpc/") and request.method not in ("GET", "HEAD"):
        named.append(unquote(path.removeprefix("/rpc/")))
    if len(set(named)) > 1:
        raise BadRequest("The request names two datastacks; name one.")
    return named[0] if named else None
