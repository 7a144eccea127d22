"""Who is at which door? Every request of a listener passes here once, in and out.

In: a request id, the host, the door, the caller. Out: the fields that every reply carries, a fault as HTTP, a
line in the access log. What happens between the two is the door's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from aiohttp import web
from msgspec import Struct

from gateway.core.faults import (
    Fault,
    Forbidden,
    MethodNotAllowed,
    NoSuchAddress,
    Unauthenticated,
)
from gateway.core.forwarded import check_loop
from gateway.core.ports import Observer, Visit
from gateway.core.presented import check_cookie, check_page, without_token
from gateway.core.principal import Principal
from gateway.doors.asked import Asked, datastack, is_plain, request_id
from gateway.doors.attending import attend
from gateway.doors.encodings import JSON, of_answer
from gateway.doors.entrance import Entrance
from gateway.doors.refusal import refused
from gateway.relay import Relay
from gateway.wire.answer import Answer, StreamAnswer
from gateway.wire.transport import connection_of


class Door(Protocol):
    """One way in."""

    async def answer(self, asked: Asked) -> Answer | StreamAnswer:
        """The answer; faults are raised."""


class Place(Struct, frozen=True):
    """A door at an address: the verbs it takes, whether anybody may come, whether operators only."""

    name: str
    door: Door
    verbs: tuple[str, ...]
    open: bool = False
    operators: bool = False


class Reception:
    """Receives the requests of one listener."""

    def __init__(
        self,
        places: Mapping[str, Sequence[Place]],
        relay: Relay,
        entrance: Entrance,
        observer: Observer,
        pseudonym: bytes,
    ) -> None:
        """`places` by path, where verbs tell them apart; a path that ends in `/` takes what lies one segment below it.

        `pseudonym` is the gate's own in Via fields.
        """
        self._places = places
        self._relay = relay
        self._entrance = entrance
        self._observer = observer
        self._pseudonym = pseudonym

    async def receive(self, request: web.BaseRequest) -> Answer | StreamAnswer:
        """The answer to any request."""
        path = request.rel_url.raw_path
        asked = Asked(
            Visit(request_id(request), "none", request.method, path, request.remote or ""), request=request
        )
        return await attend(
            asked, self._observer, self._admitted(asked, path), lambda fault: self._refused(fault, asked)
        )

    async def _admitted(self, asked: Asked, path: str) -> Answer | StreamAnswer:
        """The host, the door and the caller; then the door itself."""
        request = asked.request
        self._entrance.check_host(request.host)
        place = self._place(path, request.method)
        asked.visit.door = place.name
        if place.open:
            return await place.door.answer(asked)
        self._entrance.check_open()
        check_loop(request.raw_headers, self._pseudonym)
        asked.principal = await self._identified(asked)
        asked.visit.subject = asked.principal.subject
        access = self._relay.policies.access(asked.principal)
        if place.operators and not access.operate:
            raise _OperatorsOnly(
                f"{asked.principal.subject!r} is no operator: no policy says `operate: true`."
            )
        asked.datastack = datastack(request, self._relay.catalog.datastacks)
        asked.view = self._relay.catalog.view(access, asked.datastack)
        return await place.door.answer(asked)

    async def _identified(self, asked: Asked) -> Principal:
        """The caller, wherever their token stands."""
        request, entrance = asked.request, self._entrance
        fields, token = tuple(request.raw_headers), None
        if entrance.token_name is not None:
            _, token = without_token(request.path_qs.encode(), entrance.token_name)
            asked.token_name = entrance.token_name.decode("ascii")
        said = entrance.presented(fields, token)
        if said.fault is not None:
            raise said.fault
        certificate = connection_of(request).certificate
        if request.method not in ("GET", "HEAD"):
            origin = f"{request.scheme}://{request.host}".encode()
            if said.by_cookie:
                check_cookie(fields, origin)
            elif certificate is not None and entrance.by_certificate(
                entrance.credential(said.fields, certificate), certificate
            ):
                check_page(fields, origin)
        return await entrance.identify(said.fields, certificate)

    def _place(self, path: str, verb: str) -> Place:
        """The place at a path that takes the verb."""
        places = self._places.get(path, ())
        if not places:
            above, _, last = path.rpartition("/")
            places = self._places.get(f"{above}/", ()) if last else ()
        if not places:
            raise NoSuchAddress(f"Nothing is served at this address; the gate's own are {self._addresses()}.")
        for place in places:
            if verb in place.verbs:
                return place
        verbs = [one for place in places for one in place.verbs]
        raise MethodNotAllowed(f"{path} takes {' and '.join(verbs)}, not {verb}.", allow=", ".join(verbs))

    def _addresses(self) -> str:
        return ", ".join(sorted(path for path in self._places if not path.endswith("/")))

    def _refused(self, fault: Fault, asked: Asked) -> Answer:
        asked.visit.fault = fault.name
        fields: tuple[tuple[bytes, bytes], ...] = ((b"Cache-Control", b"no-store"),)
        if isinstance(fault, Unauthenticated):
            fields += self._entrance.challenge(fault)
        reading = asked.request.method in ("GET", "HEAD") or is_plain(
            asked.request, self._relay.catalog.datastacks
        )
        writing = of_answer(asked.request.headers.get("Accept"), JSON)
        return refused(fault, asked.id, fields, reading=reading, writing=writing)


class _OperatorsOnly(Forbidden):
    """On pages a caller who may not is answered 403; on `/rpc` it is an error of the method."""

    status = 403

    @property
    def name(self) -> str:
        return "Forbidden"
