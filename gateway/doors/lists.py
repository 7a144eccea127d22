"""What may I call? `GET /openrpc.json` and `GET /openapi.json`: the advertised list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from gateway.core.catalog import View
from gateway.core.faults import InternalFault
from gateway.doors.asked import Asked
from gateway.doors.fields import has
from gateway.wire.answer import Answer

_LARGE: Final = 500
"""Methods of a list that is rendered beside the event loop."""


class ListDoor:
    """Renders the caller's view of the catalog; a caller who has it already gets a 304."""

    def __init__(self, render: Callable[[View], bytes], mark: str = "") -> None:
        """`mark` is in the tag beside the view's version: what else the document depends on."""
        self._render = render
        self._mark = mark

    async def answer(self, asked: Asked) -> Answer:
        """The document, or 304 when `If-None-Match` names its version (RFC 9110 section 13.1.2)."""
        view = asked.view
        if view is None:
            raise InternalFault("The list was asked for before the caller was known.")
        tag = f'"{view.version}{self._mark}"'
        fields = (
            (b"ETag", tag.encode()),
            (b"Cache-Control", b"private, no-cache"),
            (b"Vary", b"Authorization, Labgate-Token"),
        )
        if has(asked.request, tag):
            return Answer(304, None, fields, b"")
        asked.visit.entries = len(view.methods)
        if len(view.methods) > _LARGE:
            body = await asyncio.to_thread(self._render, view)
        else:
            body = self._render(view)
        return Answer(200, None, ((b"Content-Type", b"application/json"), *fields), body)


def openrpc_list() -> ListDoor:
    """The list as OpenRPC."""
    return ListDoor(View.openrpc)


def openapi_list(public_url: str | None) -> ListDoor:
    """The list as OpenAPI, to be called where the gate is known to be, or else where the document came from."""
    server = public_url or "/"
    return ListDoor(lambda view: view.openapi(server), f"-{sha256(server.encode()).hexdigest()[:8]}")
