"""Who is at which door? Every request of a listener passes here once, in and out.

In: a request id, the host, the door, the caller. Out: the fields that every reply carries, a fault as HTTP, a
line in the access log. What happens between the two is the door's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from gateway.core.audit import REFUSED, Kind, Record
from gateway.core.faults import (
    Fault,
    Forbidden,
    MethodNotAllowed,
    NoSuchAddress,
    Unauthenticated,
)
from gateway.core.forwarded import Proxies, check_loop
from gateway.core.pages import GUARDS, check_page
from gateway.core.ports import Observer, Visit
from gateway.core.presented import check_cookie, without_token
from gateway.core.principal import Principal
from gateway.doors.asked import Asked, datastack, is_plain, request_id
from gateway.doors.attending import attend
from gateway.doors.encodings import JSON, of_answer
from gateway.doors.entrance import Entrance
from gateway.doors.refusal import refused
from gateway.doors.resource import METADATA
from gateway.relay import Relay
from gateway.wire.answer import Answer, StreamAnswer


class Door(Protocol):
    """One way in."""

    async def answer(self, asked: Asked) -> Answer | StreamAnswer:
        """The answer; faults are raised."""


class Place(Struct, frozen=True):
    """A door at an address: the verbs it takes, whether anybody may come, whether operators only.

    `refused` says a fault as the door's own clients can show it, where they cannot show what others can.
    `changes` = what comes by another verb than GET and HEAD changes something of the gate itself, and is written down.
    """

    name: str
    door: Door
    verbs: tuple[str, ...]
    open: bool = False
    operators: bool = False
    refused: Callable[[Fault], Answer] | None = None
    changes: bool = False


class Reception:
    """Receives the requests of one listener."""

    def __init__(
        self,
        places: Mapping[str, Sequence[Place]],
        relay: Relay,
        entrance: Entrance,
        observer: Observer,
        pseudonym: bytes,
        origin: Callable[[Asked], str],
        proxies: Proxies,
        *,
        guarded: bool = False,
    ) -> None:
        """`places` by path, where verbs tell them apart; a path that ends in `/` takes what lies one segment below it.

        One that ends in `/**` takes all that lies below. `pseudonym` is the gate's own in Via fields; `origin` is how the
        caller of a request reaches the gate; `proxies` are those whose word about callers counts. `guarded` = pages of other
        origins get nothing here.
        """
        self._proxies = proxies
        self._guarded = guarded
        self._places = places
        self._deep = {path[:-2]: found for path, found in places.items() if path.endswith("/**")}
        self._origin = origin
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
        answer = await attend(
            asked,
            self._observer,
            self._relay.wall,
            self._admitted(asked, path),
            lambda fault: self._refused(fault, asked),
        )
        return replace(answer, fields=answer.fields + GUARDS) if self._guarded else answer

    async def _admitted(self, asked: Asked, path: str) -> Answer | StreamAnswer:
        """The host, the door and the caller; then the door itself."""
        request = asked.request
        self._entrance.check_host(request.host)
        if self._guarded:
            check_page(request.raw_headers, request.method, request.host)
        place = self._place(path, request.method)
        asked.visit.door = place.name
        if place.open:
            return await place.door.answer(asked)
        self._entrance.check_open()
        check_loop(request.raw_headers, self._pseudonym)
        asked.client = self._proxies.client(tuple(request.raw_headers), asked.visit.peer)
        asked.principal = await self._identified(asked)
        asked.visit.subject = asked.principal.subject
        access = self._relay.policies.access(asked.principal)
        if place.operators and not access.operate:
            raise _OperatorsOnly(
                f"{asked.principal.subject!r} is no operator: no policy says `operate: true`."
            )
        asked.datastack = datastack(request, self._relay.catalog.datastacks)
        asked.view = self._relay.catalog.view(access, asked.datastack)
        auditor = self._relay.auditor
        if auditor is None or not place.changes or request.method in ("GET", "HEAD"):
            return await place.door.answer(asked)
        auditor.check()
        outcome, status = "error", 500
        try:
            answer = await place.door.answer(asked)
            outcome, status = "ok", answer.status
        except Fault as fault:
            outcome, status = fault.name, fault.status
            raise
        finally:
            auditor.write(self._record("write", asked, outcome, status))
        return answer

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
        if said.by_cookie and request.method not in ("GET", "HEAD"):
            check_cookie(fields, f"{request.scheme}://{request.host}".encode())
        return await entrance.identify(said.fields)

    def _place(self, path: str, verb: str) -> Place:
        """The place at a path that takes the verb."""
        places = self._places_at(path)
        if not places:
            places = next((found for above, found in self._deep.items() if path.startswith(above)), ())
        if not places:
            raise NoSuchAddress(f"Nothing is served at this address; the gate's own are {self._addresses()}.")
        for place in places:
            if verb in place.verbs:
                return place
        verbs = [one for place in places for one in place.verbs]
        raise MethodNotAllowed(f"{path} takes {' and '.join(verbs)}, not {verb}.", allow=", ".join(verbs))

    def _places_at(self, path: str) -> Sequence[Place]:
        places = self._places.get(path, ())
        if not places:
            above, _, last = path.rpartition("/")
            places = self._places.get(f"{above}/", ()) if last else ()
        return places

    def _addresses(self) -> str:
        return ", ".join(sorted(path for path in self._places if not path.endswith(("/", "/**"))))

    def _refused(self, fault: Fault, asked: Asked) -> Answer:
        asked.visit.fault = fault.name
        self._write_down(fault, asked)
        fields: tuple[tuple[bytes, bytes], ...] = ((b"Cache-Control", b"no-store"),)
        if isinstance(fault, Unauthenticated):
            below = "/rpc" if asked.visit.door in ("rpc", "plain") else ""
            fields += self._entrance.challenge(fault, f"{self._origin(asked)}{METADATA}{below}")
        own = next((one.refused for one in self._places_at(asked.visit.path) if one.refused), None)
        if own is not None:
            return own(fault)
        reading = asked.request.method in ("GET", "HEAD") or is_plain(
            asked.request, self._relay.catalog.datastacks
        )
        writing = of_answer(asked.request.headers.get("Accept"), JSON)
        return refused(fault, asked.id, fields, reading=reading, writing=writing)

    def _write_down(self, fault: Fault, asked: Asked) -> None:
        """Have the audit log tell of a refusal."""
        auditor = self._relay.auditor
        if auditor is not None and fault.name in REFUSED:
            auditor.write(self._record("refusal", asked, fault.name, fault.status))

    @staticmethod
    def _record(kind: Kind, asked: Asked, outcome: str, status: int) -> Record:
        visit = asked.visit
        known = asked.principal if visit.subject is not None else None
        request = f"{visit.verb} {visit.path}"
        return Record(
            kind, asked.id, known, asked.client or visit.peer, outcome, request=request, status=status
        )


class _OperatorsOnly(Forbidden):
    """On pages a caller who may not is answered 403; on `/rpc` it is an error of the method."""

    status = 403

    @property
    def name(self) -> str:
        return "Forbidden"
