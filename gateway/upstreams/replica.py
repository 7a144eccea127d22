"""How does a request go to one address of a service, and how is that replica?"""

from __future__ import annotations

import asyncio
import base64
from typing import Final

from msgspec.structs import replace

from gateway.core.durations import Durations
from gateway.core.reply import Fields
from gateway.core.tracing import current
from gateway.core.upstream import MOST_AT_ONCE, Answer, Request
from gateway.wire.upstream import Connection, ConnectionLostError, NotConnectedError
from gateway.wire.upstream_pool import Pool
from gateway.wire.upstream_request import field_lines, request_head

REST_SECONDS: Final = 5.0
"""For how long a replica that failed is asked only after the others; twice as long each time it fails again, up to a limit."""

MISSES: Final = 3
"""Requests in a row without an answer after which a replica rests. One that cannot be reached rests at once."""

_LONGEST: Final = 8
_NEED_A_LENGTH: Final = frozenset(("POST", "PUT", "PATCH"))


class Replica:
    """One address of a service, and what is written in the head of every request to it."""

    def __init__(self, pool: Pool, fields: Fields, read_seconds: float | None) -> None:
        self.pool = pool
        self.rests_until = 0.0
        self.sick = False
        """Whether it fails its health checks."""
        self.misses = 0
        """Requests in a row that got no answer."""
        self.ejections = 0
        """How often so far it was found to be one that is asked after the others."""
        self.durations = Durations()
        """How long it took to answer, until an answer was whole."""
        self._rests = 0  # in a row
        self._read_seconds = read_seconds
        origin = pool.origin
        names = {name.lower() for name, _ in fields}
        if origin.userinfo is not None and b"authorization" not in names:
            basic = b"Basic " + base64.b64encode(origin.userinfo.encode())
            fields = (*fields, (b"Authorization", basic))
            names.add(b"authorization")
        self.replaced = names
        self.lines = field_lines(fields)
        self.host = origin.host_field
        self.address = f"{origin.scheme}://{self.host.decode('ascii')}{origin.path}"
        """Where it is, without what is secret of it."""
        self.base = origin.path.encode("ascii")

    # --- how it is

    @property
    def load(self) -> int:
        """Requests that are at it now."""
        return self.pool.busy

    @property
    def troubled(self) -> bool:
        """Whether its last request failed."""
        return self.misses > 0 or self._rests > 0

    def out(self, now: float) -> bool:
        """Whether it is asked only after the others."""
        return self.sick or self.rests_until > now

    def state(self, now: float) -> str:
        """In a word: `up`, `resting` after requests failed, `sick` by its health checks."""
        return "sick" if self.sick else "resting" if self.rests_until > now else "up"

    def rest(self, now: float) -> None:
        """It failed: ask the others first, for a while."""
        if self.rests_until > now:
            return
        self._rests += 1
        self.ejections += 1
        self.rests_until = now + REST_SECONDS * min(2.0 ** min(self._rests - 1, 16), _LONGEST)

    def missed(self, now: float) -> None:
        """A request to it got no answer."""
        self.misses += 1
        if self.misses >= MISSES:
            self.rest(now)

    def answered(self) -> None:
        """A request to it was answered: it rests no longer."""
        self.misses = self._rests = 0
        self.rests_until = 0.0

    def checked(self, *, sick: bool) -> None:
        """What its health checks say."""
        if sick and not self.sick:
            self.ejections += 1
        self.sick = sick

    # --- one request

    async def send(self, request: Request, *, share: int) -> Answer:
        """Send the request, if it may be repeated over a pooled connection and once more when that had died."""
        if request.repeatable:
            pooled = self.pool.idle()
            if pooled is not None:
                try:
                    return await self._over(pooled, request)
                except NotConnectedError:
                    pass
                except ConnectionLostError as lost:
                    if lost.begun:
                        raise
        else:
            begun = self._begun(request)
            if begun is not None:
                try:
                    return await self._over(begun, request)
                except NotConnectedError:
                    pass  # nothing was sent
        return await self._over(await self.pool.fresh(request.deadline, share=share), request)

    def _begun(self, request: Request) -> Connection | None:
        """A connection that begins to be made for this request alone, where it suits one."""
        if request.room is not None or len(request.body or b"") > MOST_AT_ONCE or current.get() is not None:
            return None
        return self.pool.begun(request.deadline - asyncio.get_running_loop().time())

    async def _over(self, connection: Connection, request: Request) -> Answer:
        body = request.body
        if body is None and request.verb in _NEED_A_LENGTH:
            body = b""
        try:
            answer = await connection.exchange(
                self._head(request, body),
                body,
                bodiless=request.verb == "HEAD",
                max_body=request.max_reply,
                deadline=request.deadline,
                silence=self._read_seconds,
                room=request.room,
            )
            return replace(answer, replica=self.address)
        finally:
            self.pool.give_back(connection)

    def _head(self, request: Request, body: bytes | None) -> bytes:
        fields = request.fields
        if self.replaced:
            fields = tuple(field for field in fields if field[0].lower() not in self.replaced)
        return request_head(
            request.verb,
            self.pool.origin.path + request.path or "/",
            self.host,
            fields,
            more=self.lines,
            length=None if body is None else len(body),
        )
