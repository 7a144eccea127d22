"""What does an agent get that sees tools alone, and asks for the gate's sources?"""

from __future__ import annotations

import json

from gateway.core.faults import Fault, InvalidParams
from gateway.core.intake.refusals import Refusal
from gateway.core.mcp.pages import BadCursor, Pages
from gateway.core.mcp.source_tools import LIST, asked_of
from gateway.core.naming import shown
from gateway.doors.asked import Asked
from gateway.doors.mcp_results import contents_result, error_result, list_result, words_of
from gateway.doors.mcp_sources import Absent, SourceReader, kind_of


class SourceTools:
    """The two tools that list and read sources, by calls as the agent would make them."""

    def __init__(self, sources: SourceReader, most: int) -> None:
        """`most` is how many bytes of a result an agent is told."""
        self._sources = sources
        self._most = most

    async def call(self, name: str, raw: bytes | None, listed: Pages, asked: Asked) -> bytes:
        """The members of a `CallToolResult`; `listed` is what the caller may read."""
        try:
            said = {} if raw is None else json.loads(raw)
            return self._list(said.get("cursor"), listed) if name == LIST else await self._read(said, asked)
        except Absent as absent:
            asked.visit.fault = "UnknownMethod"
            words = f"There is no source {shown(str(absent))} for you: {LIST} tells which there are."
        except Refusal as refusal:
            asked.visit.fault = kind_of(refusal).__name__
            words = refusal.reason
        except Fault as fault:
            asked.visit.fault = fault.name
            words = words_of(fault)
        return error_result(words, self._most)

    def _list(self, cursor: object, listed: Pages) -> bytes:
        if cursor is not None and not isinstance(cursor, str):
            raise InvalidParams("`cursor` must be a text: the `nextCursor` of the answer before.")
        try:
            found, following = listed.page(cursor or None)
        except BadCursor as problem:
            raise InvalidParams(str(problem)) from problem
        members = b'"sources":[%b]' % b",".join([one.text for one in found])
        return list_result(
            members if following is None else b'%b,"nextCursor":"%b"' % (members, following.encode())
        )

    async def _read(self, said: dict[str, object], asked: Asked) -> bytes:
        return contents_result(await self._sources.read(asked_of(said), asked))
