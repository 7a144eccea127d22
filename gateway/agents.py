"""Where do agents come in? Among callers alone: operators' pages are no place for them."""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.mcp.exposure import Exposure
from gateway.core.mcp.origins import PageRule
from gateway.core.ports import Observer
from gateway.doors.asked import Asked
from gateway.doors.mcp import McpDoor, McpRules
from gateway.doors.mcp_sources import SourceShelf
from gateway.doors.reception import Place
from gateway.doors.rpc import RpcLimits
from gateway.relay import Relay
from gateway.settings import Settings
from gateway.source_entries import source_entries


def agents_places(
    settings: Settings,
    relay: Relay,
    limits: RpcLimits,
    observer: Observer,
    origin: Callable[[Asked], str],
    wall: Callable[[], float],
    monotonic: Callable[[], float],
) -> dict[str, list[Place]]:
    """Their door and its address; nothing where they are not let in."""
    said = settings.mcp
    if not said.enabled:
        return {}
    named = bool(settings.hosts) or settings.public_url is not None
    rules = McpRules(
        Exposure(said.expose, said.hide), said.max_result, PageRule(frozenset(said.origins), named)
    )
    mount = "" if settings.sources is None else settings.sources.mount
    shelf = SourceShelf(source_entries(settings), mount)
    door = McpDoor(relay, limits, rules, observer, origin, shelf, wall=wall, monotonic=monotonic)
    return {"/mcp": [Place("mcp", door, ("POST",), cors=rules.pages.cors)]}
