"""How are the services of a CAVE deployment understood, and spoken to?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache
from msgspec.structs import replace

from gateway.core import faults
from gateway.core.call import Call, Params
from gateway.core.method import Method
from gateway.core.ports import Dialect, Messenger
from gateway.core.reply import Reply, Whole
from gateway.core.service import Description, Service
from gateway.core.upstream import Answer, Upstream
from gateway.core.upstream import Request as Outgoing
from gateway.core.vouching import bearer_fields, told_apart
from gateway.dialects.cave.answering import answered, newest
from gateway.dialects.cave.asking import Asking
from gateway.dialects.cave.describing import Known, describe
from gateway.dialects.cave.moving import moved
from gateway.dialects.cave.routes import Route, routes
from gateway.dialects.openapi.requests import Request

_VERSION_SECONDS: Final = 30.0
"""How long the newest version of a datastack is taken for the newest."""
_OFF_THE_LOOP: Final = 1 << 18


class CaveDialect:
    """The dialect `cave`: a `Dialect` for each of the services that a deployment consists of.

    What an endpoint takes and gives that no document says is known here; others are carried out as `openapi` does it.
    """

    kind = "cave"

    def __init__(self, openapi: Dialect, public: Callable[[], str] = lambda: "") -> None:
        """`public` is the origin that callers use; empty = records are given as they are."""
        self._openapi = openapi
        self._public = public
        self._auth: dict[str, Known] = {}
        self._versions: LRUCache[tuple[str, str], tuple[int, float]] = LRUCache(1024)

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        """What the service offers; the info service also says which datastacks there are, if the gate may ask it.

        Raises UpstreamUnreachable, DeadlineExceeded, and UpstreamBroken for a service that does not answer as it should.
        """
        if service.part == "auth":
            self._auth[service.entry] = service, upstream
        return await describe(service, upstream, deadline, lambda: self._auth.get(service.entry))

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        """Carry one call out: one request, and one before where the newest version of a datastack is meant.

        Raises InvalidParams, which names the parameter, UpstreamBroken, and Truncated for rows that are not all.
        """
        route = routes(service.part).get(call.method.name.partition(".")[2])
        if route is None:
            return await self._openapi.perform(call, service, address, upstream)
        large = len(call.ask.raw or b"") > _OFF_THE_LOOP
        if large:
            asking, sent = await asyncio.to_thread(_asked, call, route, service)
        else:
            asking, sent = _asked(call, route, service)
        if sent is None:
            missing = asking.lacks_version() or ""
            version = await self._newest(call, service, upstream)
            if isinstance(version, Reply):
                return version
            asking.with_version(missing, version)
            sent = asking.request()
        answer = await self._exchange(sent, call, service, upstream)
        if len(answer.body) > _OFF_THE_LOOP:
            return await asyncio.to_thread(answered, asking, answer, service)
        reply = answered(asking, answer, service)
        return self._led_here(reply, sent, service) if route.gives == "record" else reply

    def _led_here(self, reply: Reply, sent: Request, service: Service) -> Reply:
        """A datastack's record that leads to the gate, and not past it."""
        public = self._public()
        if reply.kind != "result" or not public:
            return reply
        name = sent.target.partition("?")[0].rpartition("/")[2]
        try:
            body = moved(
                reply.body.data, f"{public}{service.home_mount}".encode(), f"/datastack/{name}".encode()
            )
        except ValueError as problem:
            raise faults.UpstreamBroken(
                f"The service {service.qualified!r} gave a record that cannot be read: {problem}."
            ) from problem
        return replace(reply, body=Whole(body))

    async def _exchange(self, sent: Request, call: Call, service: Service, upstream: Upstream) -> Answer:
        left = call.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise faults.DeadlineExceeded(
                f"The call's time was over before the service {service.qualified!r} was asked."
            )
        own = (
            *sent.fields,
            *bearer_fields(call.bearer),
            (b"Labgate-Timeout", b"%.3f" % left),
            (b"X-Request-Id", call.id.encode("ascii", "replace")),
        )
        return await upstream.exchange(
            Outgoing(
                sent.verb,
                sent.target,
                own,
                sent.body,
                deadline=call.deadline,
                max_reply=service.max_reply,
                repeatable=call.method.safe,
                principal=call.principal,
            )
        )

    async def _newest(self, call: Call, service: Service, upstream: Upstream) -> int | Reply:
        """The newest version of the datastack, asked for in the caller's name; the error where they may not know it."""
        now = asyncio.get_running_loop().time()
        # Who may see a version is the service's to say: one caller's answer is no other's.
        key = (service.qualified, told_apart(service, call))
        known = self._versions.get(key)
        if known is not None and now < known[1]:
            return known[0]
        asking = Asking(_without_arguments(call), routes(service.part)["get_versions"], service.fills)
        answer = await self._exchange(asking.request(), call, service, upstream)
        found = answered(asking, answer, service)
        if found.kind != "result":
            return found
        try:
            version = newest(found.body.data)
        except ValueError as problem:
            raise faults.UpstreamBroken(
                f"The service {service.qualified!r} did not say its versions: {problem}."
            ) from problem
        self._versions[key] = version, now + _VERSION_SECONDS
        return version

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:  # noqa: ARG002 - a port
        """None: what is sent depends on the arguments in more ways than one."""
        return None


def _asked(call: Call, route: Route, service: Service) -> tuple[Asking, Request | None]:
    """The call, and its request where it needs no version that has to be asked for."""
    asking = Asking(call, route, service.fills)
    return asking, None if asking.lacks_version() else asking.request()


def _without_arguments(call: Call) -> Call:
    return Call(call.id, call.principal, call.method, Params(None), call.deadline, bearer=call.bearer)
