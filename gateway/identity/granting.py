"""How is an authorization server asked for a token, and what did it grant (RFC 6749 section 5)?"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import ClientSession
from msgspec import Struct

from gateway.core.claims import shown
from gateway.core.credentials import MAX_CREDENTIAL
from gateway.core.faults import Forbidden, Unavailable
from gateway.identity.asking import FAILURES, Told, asked
from gateway.identity.clients import Client

LARGEST: Final = 1 << 16
"""Bytes of an answer."""
LIFE: Final = 60.0
"""Seconds that a token is used whose end is not told."""
LONGEST: Final = 86400.0
"""Seconds after which another is asked for, however long one holds."""
EARLY: Final = 10.0
"""Seconds before its end from which on a token is not sent any more: it is on its way for a while, and clocks differ."""

_token = re.compile(r"[A-Za-z0-9\-._~+/]+=*")
_OF_THE_GATE: Final = frozenset(("invalid_client", "unauthorized_client", "unsupported_grant_type"))
"""Refusals that speak of the gate and not of whom it asks for."""


class NotGrantedError(Exception):
    """Why there is no token, for the log."""


class Grant(Struct, frozen=True):
    """A token, and for how many seconds it is sent; it shows itself nowhere."""

    token: str
    life: float

    def __repr__(self) -> str:
        return f"Grant(…, {self.life})"


class Endpoint(Struct, frozen=True):
    """An authorization server's address for tokens, and which client the gate is there."""

    url: str
    client: Client


async def granted(session: ClientSession, endpoint: Endpoint, form: Mapping[str, str], purpose: str) -> Grant:
    """The token that is granted for this form; `purpose` stands in faults and the log.

    Raises `Forbidden` where it is refused to whom the form speaks of, and `Unavailable` where nobody can be granted one now.
    """
    client = endpoint.client
    whole = {**form, **client.form}
    try:
        told = await asked(session, "POST", endpoint.url, most=LARGEST, fields=client.fields, form=whole)
    except FAILURES as error:
        raise _away(endpoint, purpose, type(error).__name__)  # noqa: B904 - its cause is why
    said = _read(told)
    if told.status == 200 and said is not None:
        return _grant(said, endpoint, purpose)
    code = said.get("error") if said is not None else None
    if told.status in (400, 403) and isinstance(code, str) and code not in _OF_THE_GATE:
        raise Forbidden(f"There is no {purpose} for you: {_host(endpoint)} answers {shown(code)}.")
    raise _away(endpoint, purpose, f"status {told.status}" + (f", {shown(code)}" if code else ""))


def _grant(said: Mapping[str, Any], endpoint: Endpoint, purpose: str) -> Grant:
    token, kind, life = said.get("access_token"), said.get("token_type"), said.get("expires_in", LIFE)
    if not isinstance(token, str) or len(token) > MAX_CREDENTIAL or not _token.fullmatch(token):
        raise _away(endpoint, purpose, "it gave no token that a header field can hold")
    if not isinstance(kind, str) or kind.lower() not in ("bearer", "n_a"):
        raise _away(endpoint, purpose, f"it gave a token of the type {shown(kind)}, which is not Bearer")
    if isinstance(life, str) and life.isascii() and life.isdigit() and len(life) < 11:
        life = int(life)  # some write it as text
    if type(life) not in (int, float) or not 0 < life < 1e12:
        raise _away(endpoint, purpose, "it did not say in seconds when its token ends")
    return Grant(token, min(max(life - EARLY, life / 2), LONGEST))


def _read(told: Told) -> dict[str, Any] | None:
    try:
        said = json.loads(told.body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _away(endpoint: Endpoint, purpose: str, why: str) -> Unavailable:
    fault = Unavailable(
        f"There is no {purpose} at present: {_host(endpoint)} grants none. Call again in a moment; the gate's log tells why.",
        retry_after=5,
    )
    fault.__cause__ = NotGrantedError(f"there is no {purpose}: {_host(endpoint)}: {why}")
    return fault


def _host(endpoint: Endpoint) -> str:
    return endpoint.url.partition("?")[0]
