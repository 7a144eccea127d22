"""Which methods are there at this moment, and which of them may this caller see?"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Iterable, Mapping
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from typing import Any, Final

from gateway.core import openapi_list, openrpc
from gateway.core.faults import Fault, NeedsDatastack, UnknownDatastack, UnknownMethod, UpstreamUnreachable
from gateway.core.listing import Item, Listing, Offer, list_of
from gateway.core.method import Method
from gateway.core.naming import MAX_NAME, alike, is_fit, shown
from gateway.core.openrpc import Document, Rendered
from gateway.core.policy import Access

VIEWS: Final = 256
"""How many views one catalog remembers."""


class View:
    """What one kind of caller may call, in one datastack or outside of any: every list is rendered from it.

    `version` is the list's ETag, without quotes: equal for equal lists, on every replica. `methods` and `names`
    are sorted by name.
    """

    def __init__(
        self,
        access: Access,
        datastack: str | None,
        items: tuple[Item, ...],
        document: Document,
        listings: Mapping[str, Listing],
        notes: Mapping[str, bytes],
    ) -> None:
        """`notes` are, by the methods' names, what `x-labgate` says to these callers alone."""
        self.access = access
        self.datastack = datastack
        self.methods: tuple[Method, ...] = tuple([item.method for item in items])
        self.version = document.version()
        self._document = document
        self._listings = listings
        self._notes = notes

    @property
    def release(self) -> str:
        """The gate's own version."""
        return self._document.release

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The methods' names."""
        return tuple([method.name for method in self.methods])

    @cached_property
    def _by_name(self) -> Mapping[str, Method]:
        return dict(zip(self.names, self.methods, strict=True))

    def schemas(self, namespace: str) -> Mapping[str, Any]:
        """The schemas of a service's description by the upstream's names, for whoever writes another kind of list."""
        listing = self._listings.get(namespace)
        description = listing.offer.description if listing is not None else None
        return description.schemas if description is not None else {}

    def get(self, name: str) -> Method | None:
        """The method of this name, if the caller may call it."""
        return self._by_name.get(name)

    def similar(self, name: str) -> list[str]:
        """The callable methods that `name` may be a misspelling of: of its namespace, or of one spelled alike."""
        namespace, _, rest = name.partition(".")
        first, end = (bisect_left(self.names, namespace + after) for after in "./")
        if first < end:
            return alike(name, self.names[first:end], len(namespace) + 1)
        others = get_close_matches(namespace[:MAX_NAME], self._document.about["namespaces"])
        return [guess for other in others if self.get(guess := f"{other}.{rest}")]

    def openrpc(self) -> bytes:
        """The list as an OpenRPC document, put together anew from written pieces."""
        return self._document.text(self.version)

    def openapi(self, server: str) -> bytes:
        """The list as an OpenAPI document, put together likewise; `server` is where `/rpc` is.

        The first one of a catalog writes the pieces, which takes a while where there are thousands.
        """
        names: dict[str, list[str]] = {}
        for method in self.methods:
            names.setdefault(method.namespace, []).append(method.name)
        paths: list[bytes] = []
        schemas: dict[str, Rendered] = {}
        for namespace, called in names.items():
            operations = self._listings[namespace].operations
            paths += [operations.paths[name].with_notes(self._notes.get(name, b"")).text for name in called]
            schemas |= {name: operations.schemas[name] for name in operations.reached(called)}
        about = {"catalog": self.version, **self._document.about}
        return openapi_list.document(self.release, about, server, paths, schemas)


class Catalog:
    """Every method of every service at one moment; it is never changed, only replaced.

    A datastack's local services stand in front of global ones of the same name, for those who name the datastack.
    """

    def __init__(self, listings: Iterable[Listing] = (), *, release: str = "", keeps: float = 0.0) -> None:
        """`keeps` is for how many seconds every gate that answers here knows what came of a call with an `Idempotency-Key`."""
        self.release = release
        self._keeps = keeps
        self.listings: Mapping[str, Listing] = {
            one.service.qualified: one for one in sorted(listings, key=lambda one: one.service.qualified)
        }
        self._global = {
            one.service.name: one for one in self.listings.values() if one.service.datastack is None
        }
        self._local: dict[str, dict[str, Listing]] = {}
        for one in self.listings.values():
            if one.service.datastack is not None:
                self._local.setdefault(one.service.datastack, {})[one.service.name] = one
        self._aliases = {
            alias: one.service.name for one in self.listings.values() for alias in one.service.aliases
        }
        self._views: dict[tuple[Hashable, str | None], View] = {}

    @cached_property
    def version(self) -> str:
        """The digest of everything in the catalog, in hexadecimal digits, whatever order it was discovered in."""
        digest = sha256(openrpc.json_text([self.release, int(self._keeps)]))
        for qualified, listing in self.listings.items():
            about = [qualified, _about_namespace(listing), len(listing.items), list(listing.schemas)]
            digest.update(openrpc.json_text(about))
            digest.update(b"".join([item.rendered.digest for item in listing.items.values()]))
            digest.update(b"".join([schema.digest for schema in listing.schemas.values()]))
        return digest.hexdigest()[: openrpc.VERSION_DIGITS]

    @cached_property
    def datastacks(self) -> tuple[str, ...]:
        """The names of all datastacks, sorted."""
        return tuple(sorted(self._local))

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What the operator should know about rules that could not be applied."""
        return tuple(warning for one in self.listings.values() for warning in one.warnings)

    def offer(self, service: str) -> Offer | None:
        """What is known of the service of this qualified name: its dialect, its description's address, its state."""
        listing = self.listings.get(service)
        return listing.offer if listing else None

    def down(self, service: str) -> str | None:
        """Why the service of this qualified name does not answer, None while it does."""
        offer = self.offer(service)
        return (offer.why or "it did not answer") if offer is not None and offer.down else None

    def find(self, name: str, datastack: str | None, access: Access) -> Method:
        """The method that a caller means by `name`, whether or not `access` lets them call it.

        Raises `UnknownMethod` (suggesting only what may be called), `NeedsDatastack`, `UnknownDatastack`, or
        `UpstreamUnreachable` when the service has not described itself yet.
        """
        namespace, dot, rest = name.partition(".")
        listing = self._listing(namespace, datastack, access)
        if listing is None and namespace in self._aliases:
            return self.find(f"{self._aliases[namespace]}{dot}{rest}", datastack, access)
        if listing is not None:
            item = listing.items.get(name)
            if item is not None:
                return item.method
        raise self._unknown(name, namespace, listing, datastack, access)

    def view(self, access: Access, datastack: str | None = None) -> View:
        """What the caller may call. Raises `UnknownDatastack`."""
        key = (access.key, datastack)
        view = self._views.get(key)
        # After a reload other policies may have the same key.
        if view is None or view.access is not access:
            view = self._make_view(access, datastack)
            if len(self._views) >= VIEWS:
                self._views.clear()
            self._views[key] = view
        return view

    # --- resolving ---------------------------------------------------------------------------------------

    def _locals(self, datastack: str | None, access: Access) -> Mapping[str, Listing]:
        if datastack is None:
            return {}
        found = self._local.get(datastack)
        if found is None or not any(_is_shown(one, access) for one in found.values()):
            known = self._open_datastacks(access)
            advice = f"use one of {', '.join(known)}" if known else "call without one"
            raise UnknownDatastack(f"no datastack is called {shown(datastack)}: {advice}", datastacks=known)
        return found

    def _listing(self, namespace: str, datastack: str | None, access: Access) -> Listing | None:
        if datastack is None:
            return self._global.get(namespace)
        return self._locals(datastack, access).get(namespace) or self._global.get(namespace)

    def _open_datastacks(self, access: Access, namespace: str | None = None) -> list[str]:
        """The datastacks in which the caller may call something (of the namespace), sorted."""
        return [
            datastack
            for datastack, listings in sorted(self._local.items())
            if any(
                _is_open(listing, access) and _is_shown(listing, access)
                for name, listing in listings.items()
                if namespace in (None, name)
            )
        ]

    def _unknown(
        self, name: str, namespace: str, listing: Listing | None, datastack: str | None, access: Access
    ) -> Fault:
        if listing is None:
            datastacks = self._open_datastacks(access, namespace)
            if datastacks and datastack is None:
                return NeedsDatastack(
                    f"{namespace} belongs to datastacks: name one of {', '.join(datastacks)}",
                    datastacks=datastacks,
                )
        elif not listing.items and listing.offer.down and _may_call(access, listing, name):
            return UpstreamUnreachable(
                f"service {listing.service.qualified} has not told its methods yet: try again later"
            )
        similar = self.view(access, datastack).similar(name)
        if not similar:
            return UnknownMethod(f"no method is called {shown(name)}: rpc.discover lists what you may call")
        return UnknownMethod(
            f"no method is called {shown(name)}: did you mean {' or '.join(similar)}?", did_you_mean=similar
        )

    # --- viewing -----------------------------------------------------------------------------------------

    def _make_view(self, access: Access, datastack: str | None) -> View:
        listings = {**self._global, **self._locals(datastack, access)}
        allows = access.allows
        items: list[Item] = []
        schemas = {}
        namespaces = {}
        # "." sorts before every character of a service's name: so names in this order are sorted.
        for namespace, listing in sorted(listings.items()):
            open_items = [item for item in listing.items.values() if allows(item.method.qualified)]
            if not open_items and (listing.items or not _is_open(listing, access)):
                continue
            items += open_items
            namespaces[namespace] = _about_namespace(listing)
            if listing.schemas:
                used = {name for item in open_items for name in item.rendered.schemas}
                for name in sorted(openrpc.reachable(used, listing.schemas)):
                    schemas[f"{namespace}.{name}"] = listing.schemas[name]
        about = self._about(access, datastack, namespaces)
        notes = {
            item.method.name: openrpc.notes_of(scopes)
            for item in items
            if access.speaks_of_scopes and (scopes := access.scopes(item.method.qualified))
        }
        pieces = tuple([item.rendered.with_notes(notes.get(item.method.name, b"")) for item in items])
        document = Document(self.release, about, pieces, schemas)
        return View(access, datastack, tuple(items), document, listings, notes)

    def _about(self, access: Access, datastack: str | None, namespaces: Mapping[str, Any]) -> dict[str, Any]:
        about: dict[str, Any] = {}
        datastacks = self._open_datastacks(access)
        if datastacks:
            about["datastacks"] = datastacks
        if datastack is not None:
            about["datastack"] = datastack
        only_local = sorted(
            {name for listings in self._local.values() for name in listings} - set(self._global)
        )
        local = {name: self._open_datastacks(access, name) for name in only_local}
        if any(local.values()):
            about["local"] = {name: where for name, where in local.items() if where}
        about["namespaces"] = namespaces
        aliases = {alias: name for alias, name in self._aliases.items() if name in namespaces}
        if aliases:
            about["aliases"] = dict(sorted(aliases.items()))
        if self._keeps:
            about["idempotency"] = {"seconds": int(self._keeps)}
        return about


def build(offers: Iterable[Offer], *, release: str = "", previous: Catalog | None = None) -> Catalog:
    """The catalog of all services; what did not change since `previous` is taken from there.

    `release` is the gate's version, which the lists name.
    """
    before: Mapping[str, Listing] = previous.listings if previous else {}
    return Catalog((list_of(one, before.get(one.service.qualified)) for one in offers), release=release)


def _is_open(listing: Listing, access: Access) -> bool:
    """Whether the caller may call anything of the service; before it has described itself: anything of any name."""
    if not listing.items:
        return access.allows(f"{listing.service.qualified}.*")
    return any(access.allows(item.method.qualified) for item in listing.items.values())


def _is_shown(listing: Listing, access: Access) -> bool:
    """Whether the caller may know that there is the service's datastack."""
    return not listing.service.hidden or listing.service.datastack in access.seen


def _may_call(access: Access, listing: Listing, name: str) -> bool:
    # Decisions are remembered by name: only such as a method could have.
    return is_fit(name) and access.allows(f"{listing.service.qualified}.{name.partition('.')[2]}")


def _about_namespace(listing: Listing) -> dict[str, Any]:
    offer = listing.offer
    description = offer.description
    said = {
        "summary": offer.service.summary or (description.summary if description else ""),
        "dialect": offer.dialect or (offer.service.dialect if offer.service.dialect != "auto" else ""),
        "version": description.version if description else "",
        "mount": offer.service.mount,
        "down": offer.down,
    }
    return {name: value for name, value in said.items() if value}
