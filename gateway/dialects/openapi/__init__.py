"""How are REST services with an OpenAPI document understood, and spoken to?"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core import faults
from gateway.core.call import Call
from gateway.core.method import HttpBinding, Method
from gateway.core.ports import Messenger
from gateway.core.reply import Fields, Reply
from gateway.core.service import Description, Service
from gateway.core.upstream import Request, Upstream
from gateway.core.vouching import bearer_fields
from gateway.dialects.openapi.finding import find
from gateway.dialects.openapi.replies import reply
from gateway.dialects.openapi.requests import request

_FIELDS: Final[Fields] = ((b"Accept-Encoding", b"identity"), (b"User-Agent", b"labgate"))
_OFF_THE_LOOP: Final = 1 << 20


class OpenApiDialect:
    """The dialect `openapi`: a `Dialect` for services that OpenAPI 3.0, 3.1 or Swagger 2.0 describes."""

    kind = "openapi"

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        """The operations of the service's document, at `describe` or at the usual places.

        Raises UpstreamUnreachable, DeadlineExceeded, TooLarge for a document beyond `max_describe`, and
        UpstreamBroken where no document is found.
        """
        return await find(service, upstream, deadline)

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        """Carry one call out as the HTTP request of its binding, below the base path `address`.

        Values stay the bytes that the caller wrote, and a JSON result those of the upstream. A status of 400 or more
        is an error with the status and the body in its data.
        """
        binding = call.method.binding
        if not isinstance(binding, HttpBinding):
            raise faults.InternalFault(f"The method {call.method.name!r} is bound to no HTTP request.")
        left = call.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise faults.DeadlineExceeded(
                f"The call's time was over before the service {service.qualified!r} was asked."
            )
        if call.ask.raw is not None and len(call.ask.raw) > _OFF_THE_LOOP:
            sent = await asyncio.to_thread(request, call, binding, service.arrays, service.headers)
        else:
            sent = request(call, binding, service.arrays, service.headers)
        safe = call.method.safe
        answer = await upstream.exchange(
            Request(
                sent.verb,
                address + sent.target,
                (
                    *sent.fields,
                    *_FIELDS,
                    *bearer_fields(call.bearer),
                    (b"Labgate-Timeout", b"%.3f" % left),
                    (b"X-Request-Id", call.id.encode("ascii", "replace")),
                ),
                sent.body,
                deadline=call.deadline,
                max_reply=service.max_reply,
                repeatable=safe,
                principal=call.principal,
            )
        )
        # A coded body may be many times larger than it looks.
        if len(answer.body) > _OFF_THE_LOOP or any(
            name.lower() == b"content-encoding" for name, _ in answer.fields
        ):
            return await asyncio.to_thread(reply, answer, service, safe=safe)
        return reply(answer, service, safe=safe)

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:  # noqa: ARG002 - a port
        """None: what is sent depends on the arguments in more ways than one."""
        return None
