"""What may I call? `GET /openrpc.json` and `GET /openapi.json`: the advertised list."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from cachetools import LRUCache

from gateway.core.catalog import View
from gateway.core.faults import InternalFault
from gateway.core.preference import takes_gzip
from gateway.doors.asked import Asked
from gateway.doors.fields import has
from gateway.wire.answer import Answer

_LARGE: Final = 500
"""Methods of a list that is rendered beside the event loop."""
_WORTH_PACKING: Final = 32 << 10
"""Bytes from which on a list is packed for those who take it so: to a tenth, most of the time."""
_LEVEL: Final = 4
_KEPT: Final = 8 << 20
"""Bytes of packed lists that are kept for the next one who asks."""
_JSON: Final = (b"Content-Type", b"application/json")


class ListDoor:
    """Renders the caller's view of the catalog; a caller who has it already gets a 304."""

    def __init__(self, render: Callable[[View], bytes], mark: str = "") -> None:
        """`mark` is in the tag beside the view's version: what else the document depends on."""
        self._render = render
        self._mark = mark
        self._packed: LRUCache[str, bytes] = LRUCache(_KEPT, getsizeof=len)

    async def answer(self, asked: Asked) -> Answer:
        """The document, or 304 when `If-None-Match` names its version (RFC 9110 section 13.1.2).

        As it is and packed it has two tags (section 8.8.3.3), of which either says that the caller has it.
        """
        view = asked.view
        if view is None:
            raise InternalFault("The list was asked for before the caller was known.")
        tag, of_packed = (f'"{view.version}{self._mark}{form}"' for form in ("", "-gzip"))
        for one in (tag, of_packed):
            if has(asked.request, one):
                return Answer(304, None, _fields(one), b"")
        asked.visit.entries = len(view.methods)
        packed = takes_gzip(", ".join(asked.request.headers.getall("Accept-Encoding", [])))
        body = self._packed.get(of_packed) if packed else None
        if body is None:
            large = len(view.methods) > _LARGE
            body = await asyncio.to_thread(self._render, view) if large else self._render(view)
            if not packed or len(body) < _WORTH_PACKING:
                return Answer(200, None, (_JSON, *_fields(tag)), body)
            body = await asyncio.to_thread(gzip.compress, body, _LEVEL, mtime=0)
            if len(body) <= _KEPT:
                self._packed[of_packed] = body
        return Answer(200, None, (_JSON, (b"Content-Encoding", b"gzip"), *_fields(of_packed)), body)


def _fields(tag: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"ETag", tag.encode()),
        (b"Cache-Control", b"private, no-cache"),
        (b"Vary", b"Accept-Encoding, Authorization, Labgate-Token"),
    )


def openrpc_list() -> ListDoor:
    """The list as OpenRPC."""
    return ListDoor(View.openrpc)


def openapi_list(public_url: str | None) -> ListDoor:
    """The list as OpenAPI, to be called where the gate is known to be, or else where the document came from."""
    server = public_url or "/"
    return ListDoor(lambda view: view.openapi(server), f"-{sha256(server.encode()).hexdigest()[:8]}")
