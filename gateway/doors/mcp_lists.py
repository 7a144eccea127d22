"""Which tools and resources is an agent shown? Made once for each view of the catalog, beside the event loop where they are many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

from msgspec import Struct

from gateway.core.catalog import Catalog, View
from gateway.core.faults import InternalFault
from gateway.core.mcp import source_tools
from gateway.core.mcp.exposure import Exposure
from gateway.core.mcp.pages import Pages
from gateway.core.mcp.resources import Resources
from gateway.core.mcp.source_resources import reader_for
from gateway.core.mcp.tools import Tools, tools_of
from gateway.core.sources import Source
from gateway.doors.asked import Asked
from gateway.relay import Relay

_LARGE: Final = 500
"""Methods whose lists are made beside the event loop."""


class Shown(Struct, frozen=True):
    """What one kind of caller is shown."""

    tools: Tools
    resources: Resources
    sources: Pages


class Showing:
    """Knows what each kind of caller is shown."""

    def __init__(self, relay: Relay, exposure: Exposure, sources: Sequence[Source]) -> None:
        self._relay = relay
        self._exposure = exposure
        self._sources = sources
        self._known: WeakKeyDictionary[View, Shown] = WeakKeyDictionary()

    async def to(self, asked: Asked) -> Shown:
        """What the caller is shown."""
        view, catalog = asked.view, self._relay.catalog
        if view is None:
            raise InternalFault("The list was asked for before the caller was known.")
        found = self._known.get(view)
        if found is None:
            if len(view.methods) > _LARGE:
                found = await asyncio.to_thread(self._made, view, catalog)
            else:
                found = self._made(view, catalog)
            self._known[view] = found
        return found

    def _made(self, view: View, catalog: Catalog) -> Shown:
        exposure, access = self._exposure, view.access
        readers = [(one, reader_for(one, catalog, access, exposure)) for one in self._sources]
        sources = [(one, reader) for one, reader in readers if reader is not None]
        listed = source_tools.catalog(sources)
        tools = tools_of(view, exposure, source_tools.listed(listed))
        return Shown(tools, Resources(view, exposure, sources), listed)
