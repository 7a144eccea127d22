"""Which tokens of services' own has a caller left with the gate? `/-/links`, for their own alone; no token is ever told."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from gateway.core.credentials import MAX_CREDENTIAL
from gateway.core.faults import BadRequest, Forbidden, NoSuchAddress, UnsupportedMediaType
from gateway.core.principal import Principal
from gateway.doors.asked import Asked
from gateway.doors.operators_json import json_answer
from gateway.wire.answer import Answer
from gateway.wire.body import read_body

PATH: Final = "/-/links"
_token = re.compile(rb"[A-Za-z0-9\-._~+/]+=*").fullmatch


class Linked(Protocol):
    """A link, as far as it is told."""

    @property
    def service(self) -> str: ...

    @property
    def since(self) -> float: ...


class Links(Protocol):
    """Where linked tokens are kept. Everything may raise `Unavailable`."""

    def get(self, principal: Principal, service: str) -> Linked | None:
        """The caller's link for the service."""

    def put(self, principal: Principal, service: str, token: str) -> None:
        """Keep this token."""

    def drop(self, principal: Principal, service: str) -> bool:
        """Forget it; whether there was one."""


class LinksDoor:
    """`GET /-/links`, and `GET`, `PUT` (the token as text/plain) and `DELETE /-/links/SERVICE`."""

    def __init__(
        self,
        links: Links,
        services: Callable[[], Mapping[str, str]],
        verify: Callable[[str, str], Awaitable[None]],
        changed: Callable[[str], None],
    ) -> None:
        """`services` are those that are sent linked tokens, with who vouches for these.

        `verify` is told a token and who vouches, and raises `BadRequest` where they do not. `changed` is told the service
        whose links are others now: what was stored with the old ones holds no longer.
        """
        self._changed = changed
        self._links = links
        self._services = services
        self._verify = verify

    async def answer(self, asked: Asked) -> Answer:
        """What is linked, or done."""
        principal = asked.principal
        if principal.anonymous:
            raise Forbidden(
                "Whoever has no token of the gate's has nothing to link another to: call with one."
            )
        service = asked.request.rel_url.path.removeprefix(PATH).strip("/")
        services = self._services()
        if not service:
            found = filter(None, (self._links.get(principal, name) for name in sorted(services)))
            return json_answer(
                {"links": [{"service": one.service, "since": _date(one.since)} for one in found]}
            )
        if service not in services:
            those = f"there are: {', '.join(sorted(services))}" if services else "there is none"
            raise NoSuchAddress(f"No service of this name is sent linked tokens (`bearer: linked`); {those}.")
        match asked.request.method:
            case "PUT":
                return await self._put(asked, service, services[service])
            case "DELETE":
                if not self._links.drop(principal, service):
                    raise _none(service)
                self._changed(service)
                return _DONE
        link = self._links.get(principal, service)
        if link is None:
            raise _none(service)
        return json_answer(_shown(link))

    async def _put(self, asked: Asked, service: str, vouches: str) -> Answer:
        # A page can have a browser send no PUT without asking first; this says what is meant.
        if asked.request.content_type != "text/plain":
            raise UnsupportedMediaType("The token is sent by `Content-Type: text/plain`, and nothing else.")
        body = (await read_body(asked.request, MAX_CREDENTIAL)).strip()
        if not _token(body):
            raise BadRequest("The body is no token: send it alone, without quotes or spaces.")
        token = body.decode("ascii")
        await self._verify(token, vouches)
        self._links.put(asked.principal, service, token)
        self._changed(service)
        return _DONE


_DONE: Final = Answer(204, None, ((b"Cache-Control", b"no-store"),), b"")


def _none(service: str) -> NoSuchAddress:
    return NoSuchAddress(f"No token of yours is linked for {service}.", linked=False)


def _shown(link: Linked) -> dict[str, Any]:
    return {"linked": True, "service": link.service, "since": _date(link.since)}


def _date(since: float) -> str:
    return datetime.fromtimestamp(since, UTC).isoformat(timespec="seconds")
