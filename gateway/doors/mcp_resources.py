"""What does an agent get that reads a resource? The result of a method, or what is told of a source."""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.faults import Fault, Forbidden, InvalidParams, UnknownMethod
from gateway.core.intake.refusals import Refusal
from gateway.core.mcp.exposure import Exposure
from gateway.core.mcp.messages import Message, Objection
from gateway.core.mcp.python_lines import sdk_line
from gateway.core.mcp.resources import asked_in, plain_address
from gateway.core.mcp.source_resources import SourceAsked, source_asked
from gateway.core.mcp.words import NO_SUCH_RESOURCE
from gateway.core.method import Method
from gateway.core.naming import shown
from gateway.doors.asked import Asked
from gateway.doors.mcp_calls import Carrier
from gateway.doors.mcp_results import Told, contents_of, told_of, words_of_error
from gateway.doors.mcp_sources import Absent, SourceReader, kind_of
from gateway.doors.plain import arguments

Contents = list[dict[str, str]]


class ResourceReader:
    """Reads what an address names, by calls as the agent would make them."""

    def __init__(
        self,
        sources: SourceReader,
        exposure: Exposure,
        most: int,
        carrier: Carrier,
        origin: Callable[[Asked], str],
    ) -> None:
        """`most` is how many bytes of a result an agent is told, `origin` how a caller reaches the gate."""
        self._sources = sources
        self._exposure = exposure
        self._most = most
        self._carrier = carrier
        self._origin = origin

    async def read(self, message: Message, asked: Asked) -> Contents:
        """The contents. Raises Objection."""
        uri = message.text("uri")
        of_source = source_asked(uri)
        try:
            if of_source is not None:
                return await self._of_source(of_source, uri, asked)
            return await self._of_method(uri, asked)
        except Absent as problem:
            asked.visit.fault = "UnknownMethod"
            code = InvalidParams.code if message.modern else NO_SUCH_RESOURCE
            raise Objection(code, f"Resource not found: {shown(uri)}", data={"uri": uri}) from problem
        except Fault as fault:
            asked.visit.fault = fault.name
            raise Objection(fault.code, fault.message, data={"fault": fault.name, "uri": uri}) from fault

    async def _of_source(self, asks: SourceAsked, uri: str, asked: Asked) -> Contents:
        try:
            return await self._sources.read(asks, asked)
        except Refusal as refusal:
            kind = kind_of(refusal)
            asked.visit.fault = kind.__name__
            raise Objection(kind.code, refusal.reason, data={"uri": uri}) from refusal

    async def _of_method(self, uri: str, asked: Asked) -> Contents:
        found = asked_in(uri)
        method = None if found is None or asked.view is None else asked.view.get(found[0])
        if found is None or method is None or not method.safe or not self._exposure.exposes(method):
            raise Absent(uri)
        raw = arguments(method, found[1])
        try:
            reply = await self._carrier.carried(method, raw, asked)
        except (Forbidden, UnknownMethod) as fault:  # since the caller's list was made
            raise Absent(uri) from fault
        if reply.kind == "error":
            words = words_of_error(reply.body.data)[: self._most]
            raise Objection(InvalidParams.code, words, data={"uri": uri})
        told = await told_of(reply, self._most, method.facts.get("result"))
        contents = contents_of(uri, told)
        if told.size:
            text = self._rest(method, raw, told, asked)
            contents.append({"uri": uri, "mimeType": "text/plain", "text": text})
        return contents

    def _rest(self, method: Method, raw: bytes | None, told: Told, asked: Asked) -> str:
        """How to have the whole of what is too large for an agent."""
        origin = self._origin(asked)
        path = plain_address(method, raw, asked.datastack, told.form)
        line = sdk_line(origin, asked.datastack, method.name, raw)
        lines = [f"This is not all: the result has {told.size} bytes, too many for an agent."]
        lines += [] if path is None else [f"The whole is at {origin}{path}"]
        lines += [] if line is None else [f"In Python: {line}"]
        return "\n".join(lines)
