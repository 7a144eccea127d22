"""Who is at which door? Every request of a listener passes here once, in and out.

In: a request id, the host, the door, the caller. Out: the fields that every reply carries, a fault as HTTP, a
line in the access log. What happens between the two is the door's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Final, Protocol

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from gateway.core.audit import REFUSED, Kind, Record
from gateway.core.cors import Cors, preflight, reply_fields
from gateway.core.faults import (
    Fault,
    Forbidden,
    MethodNotAllowed,
    NoSuchAddress,
    Unauthenticated,
)
from gateway.core.forwarded import Proxies, check_loop
from gateway.core.handshake import with_token
from gateway.core.pages import check_page, guarded
from gateway.core.ports import Observer, Visit
from gateway.core.presented import check_certificate, check_cookie, check_unasked, without_token
from gateway.core.principal import Principal
from gateway.core.tracing import Span, step
from gateway.doors.asked import Asked, datastack, is_plain, request_id
from gateway.doors.attending import attend
from gateway.doors.caller import Caller
from gateway.doors.encodings import JSON, of_answer
from gateway.doors.entrance import Entrance
from gateway.doors.refusal import refused
from gateway.doors.resource import METADATA
from gateway.relay import Relay
from gateway.wire.answer import Answer, SocketAnswer, StreamAnswer
from gateway.wire.transport import connection_of

_RESOURCES = {"rpc": "/rpc", "plain": "/rpc", "mcp": "/mcp"}
"""The protected resource (RFC 9728) that a door is; any other is a part of the whole gate."""

WEBSOCKET = "WEBSOCKET"
"""In the place of a verb: the request wants to become a WebSocket."""


_TRACEPARENT: Final = "traceparent"
_ALLOW_ORIGIN: Final = b"Access-Control-Allow-Origin"


class Door(Protocol):
    """One way in."""

    async def answer(self, asked: Asked) -> Answer | StreamAnswer | SocketAnswer:
        """The answer; faults are raised."""


class Place(Struct, frozen=True):
    """A door at an address: the verbs it takes, whether anybody may come, whether operators only.

    `refused` says a fault as the door's own clients can show it, where they cannot show what others can.
    `changes` = what comes by another verb than GET and HEAD changes something of the gate itself, and is written down.
    `cors` says which pages of other origins may ask there; all places of one address say the same.
    """

    name: str
    door: Door
    verbs: tuple[str, ...]
    open: bool = False
    operators: bool = False
    refused: Callable[[Fault], Answer] | None = None
    changes: bool = False
    cors: Cors | None = None


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
        """`places` by path, where verbs tell them apart; a path that ends in `/` takes what lies one segment below it,
        but for `/`.

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

    async def receive(self, request: web.BaseRequest) -> Answer | StreamAnswer | SocketAnswer:
        """The answer to any request."""
        path = request.rel_url.raw_path
        asked = Asked(
            Visit(request_id(request), "none", request.method, path, request.remote or ""), request=request
        )
        fields = tuple(request.raw_headers) if _TRACEPARENT in request.headers else ()
        asked.trace = self._observer.tracer.begin(f"{request.method} other", fields)
        answer = await attend(
            asked,
            self._observer,
            self._relay.wall,
            self._admitted(asked, path),
            lambda fault: self._refused(fault, asked),
        )
        answer = self._readable(answer, request, path)
        return replace(answer, fields=guarded(answer.fields)) if self._guarded else answer

    def _readable(
        self, answer: Answer | StreamAnswer | SocketAnswer, request: web.BaseRequest, path: str
    ) -> Answer | StreamAnswer | SocketAnswer:
        """The answer, with what lets pages of other origins read it where they may, also where it is a refusal."""
        place = self._shared_at(path)
        if place is None or any(name == _ALLOW_ORIGIN for name, _ in answer.fields):
            return answer
        more = reply_fields(place.cors, tuple(request.raw_headers))
        return replace(answer, fields=answer.fields + more)

    async def _admitted(self, asked: Asked, path: str) -> Answer | StreamAnswer | SocketAnswer:
        """The host, the door and the caller; then the door itself."""
        request = asked.request
        self._entrance.check_host(request.host)
        verb = self._verb(request, path)
        if self._guarded:
            check_page(request.raw_headers, verb, request.host)
        told = self._preflight(asked, verb, path)
        if told is not None:
            return told
        place = self._place(path, verb)
        asked.visit.door = place.name
        if isinstance(asked.trace, Span):
            asked.trace.name = f"{request.method} {place.name}"
        asked.client = self._proxies.client(tuple(request.raw_headers), asked.visit.peer)
        asked.visit.peer = asked.client
        if place.open:
            return await place.door.answer(asked)
        self._entrance.check_open()
        check_loop(request.raw_headers, self._pseudonym)
        if asked.trace is None:
            asked.principal = await self._identified(asked, verb)
        else:
            with step("identify"):
                asked.principal = await self._identified(asked, verb)
        asked.visit.subject = asked.principal.subject
        access = self._relay.policies.access(asked.principal)
        if place.operators and not access.operate:
            raise _OperatorsOnly(
                f"{asked.principal.subject!r} is no operator: no policy says `operate: true`."
            )
        asked.datastack = datastack(request, self._relay.catalog.datastacks)
        asked.view = self._relay.catalog.view(access, asked.datastack)
        if not place.changes or request.method in ("GET", "HEAD"):
            return await place.door.answer(asked)
        return await self._audited(asked, place)

    async def _audited(self, asked: Asked, place: Place) -> Answer | StreamAnswer | SocketAnswer:
        """What a door answers that changes something, written down where there is an audit log."""
        auditor = self._relay.auditor
        if auditor is None:
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

    def _preflight(self, asked: Asked, verb: str, path: str) -> Answer | None:
        """The answer to what a browser asks by itself, for a page and with nobody's credential; None to anything else."""
        place = self._shared_at(path)
        if place is None or place.cors is None:
            return None
        told = preflight(place.cors, verb, tuple(asked.request.raw_headers))
        if told is None:
            return None
        asked.visit.door = place.name
        return Answer(204, None, told)

    def _verb(self, request: web.BaseRequest, path: str) -> str:
        """The request's verb, or that it wants to become a WebSocket where it can; elsewhere that is ignored, as it may be."""
        if request.method != "GET" or not connection_of(request).head.upgrade:
            return request.method
        can = any(WEBSOCKET in place.verbs for place in self._places_at(path))
        return WEBSOCKET if can else request.method

    async def _identified(self, asked: Asked, verb: str) -> Principal:
        """The caller, wherever their token stands."""
        request, entrance = asked.request, self._entrance
        fields, token = tuple(request.raw_headers), None
        if verb == WEBSOCKET:
            fields = with_token(fields)
        if entrance.token_name is not None:
            _, token = without_token(request.path_qs.encode(), entrance.token_name)
            asked.token_name = entrance.token_name.decode("ascii")
        said = entrance.presented(fields, token)
        if said.fault is not None:
            raise said.fault
        if token is not None and verb == WEBSOCKET:
            raise Unauthenticated(
                "A WebSocket takes no token from an address, which is written down in too many places: send it in a field, or "
                "from a page as a subprotocol."
            )
        certificate = connection_of(request).certificate
        if verb not in ("GET", "HEAD"):
            origin = f"{request.scheme}://{request.host}".encode()
            if said.by_cookie:
                check_cookie(fields, origin)
            elif verb == WEBSOCKET and entrance.credential(said.fields, certificate) is None:
                # Browsers let any page open a WebSocket, and read what comes.
                check_unasked(fields, origin)
            elif certificate is not None and entrance.by_certificate(
                entrance.credential(said.fields, certificate), certificate
            ):
                check_certificate(fields, origin)
        if verb == WEBSOCKET:
            asked.caller = Caller(entrance, said.fields, certificate)
        known = entrance.known(entrance.credential(said.fields, certificate), certificate)
        if known is not None:
            return known
        began = perf_counter()
        try:
            return await entrance.identify(said.fields, certificate)
        finally:
            asked.auth = perf_counter() - began

    def _place(self, path: str, verb: str) -> Place:
        """The place at a path that takes the verb."""
        places = self._all_at(path)
        if not places:
            raise NoSuchAddress(f"Nothing is served at this address; the gate's own are {self._addresses()}.")
        for place in places:
            if verb in place.verbs:
                return place
        verbs = [one for place in places for one in place.verbs if one != WEBSOCKET]
        raise MethodNotAllowed(f"{path} takes {' and '.join(verbs)}, not {verb}.", allow=", ".join(verbs))

    def _shared_at(self, path: str) -> Place | None:
        """The place at a path that pages of other origins may ask, if there is one."""
        if self._guarded:
            return None
        return next((place for place in self._all_at(path) if place.cors is not None), None)

    def _all_at(self, path: str) -> Sequence[Place]:
        found = self._places_at(path)
        return found or next((below for above, below in self._deep.items() if path.startswith(above)), ())

    def _places_at(self, path: str) -> Sequence[Place]:
        places = self._places.get(path, ())
        if not places:
            above, _, last = path.rpartition("/")
            places = self._places.get(f"{above}/", ()) if above and last else ()
        return places

    def _addresses(self) -> str:
        return ", ".join(sorted(path for path in self._places if not path.endswith(("/", "/**"))))

    def _refused(self, fault: Fault, asked: Asked) -> Answer:
        asked.visit.fault = fault.name
        self._write_down(fault, asked)
        fields: tuple[tuple[bytes, bytes], ...] = ((b"Cache-Control", b"no-store"),)
        if isinstance(fault, Unauthenticated):
            below = _RESOURCES.get(asked.visit.door, "")
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
