"""How are JSON-RPC upstreams understood, and spoken to?"""

from __future__ import annotations

import asyncio
from itertools import count

from gateway.core import arrays, envelope, faults
from gateway.core.call import Call
from gateway.core.method import Method
from gateway.core.ports import Errand, Messenger
from gateway.core.reply import Reply, Whole
from gateway.core.service import Description, Service
from gateway.core.upstream import Answer, Request, Upstream
from gateway.core.verdict import Pass
from gateway.core.vouching import bearer_fields
from gateway.dialects.jsonrpc.asking import FIELDS, NoAnswer, read
from gateway.dialects.jsonrpc.probing import Probe
from gateway.dialects.notices import notices

_TRIP = Pass("trip")  # The relay knows the verdict, and puts it here.


class JsonRpcDialect:
    """The dialect `jsonrpc`: a `Dialect` for servers of JSON-RPC 2.0, and of what they deviate to."""

    kind = "jsonrpc"

    def __init__(self) -> None:
        self._ids = count(1)

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        """What the service offers, by the first convention and at the first path that yields methods.

        Raises UpstreamUnreachable, DeadlineExceeded, TooLarge for a description beyond `max_describe`, and
        UpstreamBroken where nothing answers as JSON-RPC, or nothing describes itself.
        """
        return await Probe(service, upstream, deadline).describe()

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        """Carry one call out, at the path `address`.

        Each call is a request of its own with an id of the gate's own, also a notification's, whose answer nobody
        reads: some servers never run notifications, and some lose the answers beside them in batches. Params, result
        and error stay the bytes they are; the HTTP status does not matter where the body is an answer.
        """
        left = call.deadline - asyncio.get_running_loop().time()
        asked = self.request(call, service, left)
        answer = await upstream.exchange(
            Request(
                "POST",
                address,
                asked.fields,
                asked.body,
                deadline=call.deadline,
                max_reply=service.max_reply,
                repeatable=call.method.safe,
                principal=call.principal,
            )
        )
        return self.reply(answer, asked.token, call, service)

    def messenger(self, method: Method, service: Service, address: str) -> tuple[Messenger, str] | None:  # noqa: ARG002 - a port
        """The dialect itself: every call is one request."""
        return self, address

    def request(self, call: Call, service: Service, left: float) -> Errand:
        """What is sent for a call that has `left` seconds. Raises `DeadlineExceeded` and `Unrepresentable`."""
        if left <= 0:
            raise faults.DeadlineExceeded(
                f"The call's time was over before the service {service.qualified!r} was asked."
            )
        params = call.ask.raw
        if params is not None:
            try:
                params = arrays.to_upstream(params, service.arrays)
            except arrays.NotSayable as problem:
                raise faults.Unrepresentable(f"The params cannot be sent: {problem}.") from problem
        token = b"%d" % next(self._ids)
        fields = (
            *FIELDS,
            *bearer_fields(call.bearer),
            (b"Labgate-Timeout", b"%.3f" % left),
            (b"X-Request-Id", call.id.encode("ascii", "replace")),
        )
        return Errand(token, fields, envelope.request(call.method.binding.target, params, token))

    def reply(self, answer: Answer, token: bytes, call: Call, service: Service) -> Reply:
        """What the answer to such a request says. Raises the fault of one that is none."""
        found = read(answer, token)
        if isinstance(found, NoAnswer):
            raise found.fault(service.qualified, safe=call.method.safe)
        if found.error is not None:
            return Reply("error", Whole(found.error), _TRIP, notices=notices(answer), replica=answer.replica)
        return Reply(
            "result", Whole(found.result or b"null"), _TRIP, notices=notices(answer), replica=answer.replica
        )
