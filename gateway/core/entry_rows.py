"""What is told of stored entries? Never their bodies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.core.catalog import Catalog
from gateway.core.explain import about_entry
from gateway.core.faults import BadRequest
from gateway.core.listing import Listing
from gateway.core.method import Method
from gateway.core.paths import steps
from gateway.core.told_key import ToldKey, in_words, told
from gateway.core.verdict import Entry


class Rows:
    """Tells of entries, by one catalog: an entry's key says what was called upstream, the catalog which method that is."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._methods = {
            (item.method.service, item.method.binding.target): item.method
            for listing in catalog.listings.values()
            for item in listing.items.values()
        }

    def method(self, key: ToldKey) -> Method | None:
        """The method whose entry this is, None where the catalog has it no more."""
        listing = self.catalog.listings.get(key.service)
        if key.target is None:
            return None if listing is None else _requested(listing, key)
        found = self._methods.get((key.service, key.target))
        if found is not None or listing is None:
            return found
        return _undescribed(listing, key.target)

    def row(
        self,
        entry: Entry,
        tier: str,
        read: Callable[[tuple[str, ...]], tuple[int, ...]],
        epoch: int,
        now: float,
    ) -> dict[str, Any]:
        """One entry as a row; `read` reads the generations."""
        key = told(entry.key)
        method = self.method(key) if key is not None else None
        return {
            "key": entry.key.hex(),
            "method": method.qualified if method else None,
            "state": _state(entry, method, read, epoch, now),
            **about_entry(entry, now),
            "tags": list(method.cache.tags) if method and method.cache else [],
            "tier": tier,
            **(in_words(key) if key is not None else {}),
        }


def _requested(listing: Listing, key: ToldKey) -> Method | None:
    """The method that the request in a key is."""
    verb, target = (key.part(b"h") or b"").decode("latin-1"), key.part(b"t") or b""
    try:
        inner = steps(target.partition(b"?")[0], encoded_slash=True)
    except BadRequest:
        return None
    return listing.bindings.find(verb, inner) or listing.undescribed(verb, safe=True)


def _undescribed(listing: Listing, target: str) -> Method | None:
    verb, _, path = target.partition(" ")
    return listing.undescribed(verb, safe=True) if path == "/**" else None


def _state(
    entry: Entry,
    method: Method | None,
    read: Callable[[tuple[str, ...]], tuple[int, ...]],
    epoch: int,
    now: float,
) -> str:
    """`fresh`, `stale`, `expired`, or `void`: ended by a write or a purge, or of a method that there is no more."""
    lineage = method.lineage if method is not None else ()
    # An entry may agree with more names than its method's.
    if method is None or entry.epoch != epoch or entry.generations[: len(lineage)] != read(lineage):
        return "void"
    if now < entry.fresh_until:
        return "fresh"
    return "stale" if now < entry.stale_until else "expired"
