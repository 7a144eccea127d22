"""How is somebody asked whose token this is, and what does their answer say? One class for each kind of whom to ask."""

from __future__ import annotations

import json
from typing import Final, Protocol

from aiohttp import ClientSession
from msgspec import Struct

from gateway.core.claims import Issuer
from gateway.core.faults import Unauthenticated
from gateway.core.introspected import is_active, judge_introspected
from gateway.core.vouching import Vouched, judge_user
from gateway.identity.asking import Told, asked
from gateway.identity.clients import Client

LARGEST: Final = 1 << 20
"""Bytes of an answer."""


class Authority(Protocol):
    """Somebody who is asked about tokens; `name` is what principals have as their issuer."""

    @property
    def name(self) -> str:
        """An address, without a slash at its end."""

    async def ask(self, session: ClientSession, token: str) -> Told:
        """The answer about a token. Raises `asking.FAILURES`."""

    def judge(self, told: Told, token: str, now: float, fresh: float) -> Vouched | None:
        """Whom the token speaks for, for at most `fresh` seconds; None for what is no verdict.

        Raises `Unauthenticated` where the token does not hold.
        """


class MiddleAuth(Struct, frozen=True):
    """CAVE's middle_auth, which is asked in the name of the token's owner."""

    name: str

    async def ask(self, session: ClientSession, token: str) -> Told:
        """See `Authority`."""
        fields = {"Authorization": f"Bearer {token}"}
        return await asked(session, "GET", f"{self.name}/api/v1/user/cache", most=LARGEST, fields=fields)

    def judge(self, told: Told, token: str, now: float, fresh: float) -> Vouched | None:
        """See `Authority`. A redirect leads to a page for people; whatever else is no verdict."""
        if told.status in (401, 403):
            raise unknown_to(self.name)
        return judge_user(_read(told.body), self.name, token, now + fresh) if told.status == 200 else None


class Introspector(Struct, frozen=True):
    """An authorization server's endpoint for introspection (RFC 7662), which is asked in the gate's name.

    `issuer` is named as the endpoint, with the audiences that a token may be for; `named` is the `iss` that it must have.
    """

    url: str
    issuer: Issuer
    client: Client
    named: str | None = None

    @property
    def name(self) -> str:
        """See `Authority`."""
        return self.issuer.issuer

    async def ask(self, session: ClientSession, token: str) -> Told:
        """See `Authority`."""
        form = {"token": token, "token_type_hint": "access_token", **self.client.form}
        return await asked(session, "POST", self.url, most=LARGEST, fields=self.client.fields, form=form)

    def judge(self, told: Told, token: str, now: float, fresh: float) -> Vouched | None:
        """See `Authority`. 401 speaks of the gate and not of the token (RFC 7662 section 2.3)."""
        said = _read(told.body) if told.status == 200 else None
        active = is_active(said)
        if active is None or not isinstance(said, dict):
            return None
        if not active:
            raise unknown_to(self.name)
        return judge_introspected(said, self.issuer, token, now, fresh, self.named)


def unknown_to(name: str) -> Unauthenticated:
    """The fault of a token that somebody does not know."""
    return Unauthenticated(
        f"The token is none that {name} knows: was it made there, and not taken back since?"
    )


def _read(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
