"""What may I call? `GET /openrpc.json`: the advertised list, as OpenRPC."""

from __future__ import annotations

from gateway.core.faults import InternalFault
from gateway.doors.asked import Asked
from gateway.doors.fields import has
from gateway.wire.answer import Answer


class ListDoor:
    """Renders the caller's view of the catalog; a caller who has it already gets a 304."""

    async def answer(self, asked: Asked) -> Answer:
        """The document, or 304 when `If-None-Match` names its version (RFC 9110 section 13.1.2)."""
        view = asked.view
        if view is None:
            raise InternalFault("The list was asked for before the caller was known.")
        tag = f'"{view.version}"'
        fields = (
            (b"ETag", tag.encode()),
            (b"Cache-Control", b"private, no-cache"),
            (b"Vary", b"Authorization, Labgate-Token"),
        )
        if has(asked.request, tag):
            return Answer(304, None, fields, b"")
        asked.visit.entries = len(view.methods)
        return Answer(200, None, ((b"Content-Type", b"application/json"), *fields), view.openrpc())
