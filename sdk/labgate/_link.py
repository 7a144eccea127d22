"""What do all clients of one gate, datastack and token share, and how do they learn that the catalog has changed?"""

from __future__ import annotations

import os
import threading
import time
import weakref

from labgate._catalog import Catalog, Group, catalog_of
from labgate._codec import decode_json
from labgate._delivery import Request, deliver
from labgate._method import Method
from labgate._outcome import refusal_of
from labgate._shapes import function_of
from labgate._transport import Pool, close_all
from labgate._tree import Space, grow
from labgate.errors import BadReply, Error, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._address import Address
    from labgate._cachefile import CatalogFile
    from labgate._wire import Response

_LOOK_SECONDS = 30.0
_LOOK_TIMEOUT = 5.0
_OWN_PREFIXES = ("rpc.", "system.")  # the gate's describe methods, which no catalog lists


class Changes:
    """What a refresh found: the names of methods added, changed and removed."""

    __slots__ = ("added", "changed", "removed")

    def __init__(self, added: tuple[str, ...], changed: tuple[str, ...], removed: tuple[str, ...]) -> None:
        self.added = added
        self.changed = changed
        self.removed = removed

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __repr__(self) -> str:
        return f"Changes(added={self.added!r}, changed={self.changed!r}, removed={self.removed!r})"


class Link:
    """One gate as one caller sees it: connections, catalog, and the classes made of it.

    Attributes:
        outdated: a reply named another version of the catalog than the one held; the next touched namespace catches up.
        lock: held while the catalog and what was made of it change.
        replies: what the last reply said, per thread.
    """

    def __init__(
        self,
        address: Address,
        datastack: str | None,
        token: str | None,
        file: CatalogFile,
        *,
        insecure: bool = False,
    ) -> None:
        self.address = address
        self.datastack = datastack
        self.pool = Pool(address)
        self.lock = threading.RLock()
        self.replies = threading.local()
        self.outdated = False
        self.warned: set[str] = set()
        self._insecure = insecure
        self._token = token
        self._file = file
        self._started = False
        self._next_look = 0.0
        self._announced = b""
        self._tried: dict[bytes, float] = {}
        self._functions: dict[str, Any] = {}
        self._items: dict[str, str | None] = {}
        self._components: dict[str, Any] | None = None
        self._held = b""
        self.catalog: Catalog = catalog_of(None, None)
        self.root: Space = grow(self, self.catalog)
        # Collected links close their sockets; so does the end of the program.
        weakref.finalize(self, close_all, self.pool.idle)
        _links.add(self)

    def __repr__(self) -> str:
        return f"<link to {self.address}>"

    def settings(self) -> dict[str, Any]:
        """What `connect` was given for this link, but the token."""
        return {
            "address": str(self.address),
            "datastack": self.datastack,
            "cache_dir": self._file.folder,
            "insecure": self._insecure,
        }

    def way(self) -> tuple[Address, str | None, str, bool]:
        """How this gate is reached, whatever the datastack: address, token, the catalogs' folder, `insecure`."""
        return self.address, self._token, self._file.folder, self._insecure

    def fields(self, verb: str, path: str) -> bytes:
        """The beginning of a request's head: its first line, Host, and the credential."""
        query = f"?datastack={_quoted(self.datastack)}" if self.datastack else ""
        return self.opening(verb, f"{path}{query}") + b"User-Agent: labgate-python\r\n" + self.credential()

    def opening(self, verb: str, target: str) -> bytes:
        """The first line of a request's head, and its Host; the target stands below the gate's own path."""
        return f"{verb} {self.address.path}{target} HTTP/1.1\r\nHost: {self.address.authority}\r\n".encode(
            "ascii"
        )

    def credential(self, *, aside: bool = False) -> bytes:
        """The field that says who calls; `aside` leaves `Authorization` free for the service's own."""
        if not self._token:
            return b""
        return f"{'Labgate-Token: ' if aside else 'Authorization: Bearer '}{self._token}\r\n".encode("ascii")

    def start(self, timeout: float | None, retries: int) -> None:
        """Have a catalog: the kept one without asking the gate, else the gate's.

        Raises:
            Error: there is no kept one, and the gate does not give one.
        """
        with self.lock:
            if self._started:
                return
            kept = self._file.load()
            if kept is None:
                self.refresh(timeout, retries)
            else:
                self._hold(kept)
                self.root = grow(self, kept)
            self._started = True

    def refresh(self, timeout: float | None, retries: int) -> Changes:
        """Ask the gate for its catalog, unless it is still the one held; change everything that is made of it.

        Raises:
            Error: the gate does not give one. The held one stays.
        """
        with self.lock:
            self._next_look = time.monotonic() + _LOOK_SECONDS
            new = self._fetched(timeout, retries)
            self.outdated = False
            if new is None:
                return Changes((), (), ())
            changes = self._replace(new)
            self._file.store(new)
            return changes

    def look_again(self) -> bool:
        """Refresh because a name was not found, at most every 30 s or when news was announced; True if it was done."""
        with self.lock:
            now = time.monotonic()
            return (self._has_news(now) or now >= self._next_look) and self._quiet_refresh()

    def catch_up(self) -> None:
        """Refresh because a reply named another version of the catalog."""
        with self.lock:
            if self._has_news(time.monotonic()):
                self._quiet_refresh()

    def note(self, response: Response, started: float) -> None:
        """Remember what a reply said beside its answer."""
        self.replies.last = (response, time.perf_counter() - started)
        version = response.fields.get(b"labgate-catalog")
        if version and version != self._held:
            self._announced = version
            self.outdated = True

    def function(self, name: str) -> Any:
        """The function of the method called `name`, to be bound to a client or namespace.

        Raises:
            NotFound: the gate has no such method.
        """
        function = self._functions.get(name)
        if function is not None:
            return function
        with self.lock:
            text = self.catalog.text(name)
            if text is None and self.catalog.text(own := self.catalog.true_name(name)) is not None:
                return self.function(own)
            if text is None and not name.startswith(_OWN_PREFIXES) and self.look_again():
                text = self.catalog.text(name)
            if text is None and not name.startswith(_OWN_PREFIXES):
                raise self._unknown(name)
            described = text or b'{"x-labgate":{"undescribed":true,"safe":true}}'
            method = Method(name, described)
            function = function_of(method, self._known_components)
            if method.tables:
                from labgate._tables import TablesMethod

                function = TablesMethod(function, method)
            self._functions[name] = function
            return function

    def item_method(self, group: Group) -> str | None:
        """The name of the group's one method for items, None without one."""
        if group.prefix not in self._items:
            names = [
                leaf
                for leaf in (group.leaves if b'"item":true' in group.all_text() else ())
                if Method(leaf, group.text(leaf)).item
            ]
            self._items[group.prefix] = group.wire(names[0]) if len(names) == 1 else None
        return self._items[group.prefix]

    def local_namespace(self, name: str) -> list[str]:
        """The datastacks that have a namespace which this client, without a datastack, has not."""
        local = self.catalog.about.get("local")
        found = local.get(name) if isinstance(local, dict) else None
        return [stack for stack in found if isinstance(stack, str)] if isinstance(found, list) else []

    def mount(self, name: str) -> str | None:
        """The path below which the service of a namespace answers plain HTTP, None where it has none."""
        found = self._advertised_mount(name)
        return self._advertised_mount(name) if found is None and self.look_again() else found

    def _advertised_mount(self, name: str) -> str | None:
        about = self.catalog.about.get("namespaces")
        while name and isinstance(about, dict):
            described = about.get(name)
            mount = described.get("mount") if isinstance(described, dict) else None
            if isinstance(mount, str) and mount.startswith("/"):
                return mount.rstrip("/")
            name = name.rpartition(".")[0]  # lab.service.group belongs to lab.service
        return None

    def _known_components(self) -> dict[str, Any]:
        if self._components is None:
            self._components = self.catalog.components()
        return self._components

    def _unknown(self, name: str) -> NotFound:
        from labgate._names import closest

        near = closest(name, self.catalog.names())
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        return NotFound(f"the gate has no method {name!r}", data={"did_you_mean": near}, hint=hint)

    def _has_news(self, now: float) -> bool:
        """Whether a version was announced that was not asked for in the last 30 s.

        Two gates that disagree, behind one address, must not make every access a request.
        """
        if not self.outdated:
            return False
        self.outdated = False
        self._tried = {version: until for version, until in self._tried.items() if until > now}
        if self._announced in self._tried:
            return False
        self._tried[self._announced] = now + _LOOK_SECONDS
        return True

    def _hold(self, catalog: Catalog) -> None:
        self.catalog = catalog
        # What a header cannot carry is no version: then the list is fetched whole, each time.
        version = catalog.version or ""
        self._held = version.encode("ascii") if version.isascii() and version.isprintable() else b""
        self._items.clear()
        self._components = None

    def _quiet_refresh(self) -> bool:
        """Refresh on the way to something else: a gate that is away leaves everything as it is."""
        try:
            self.refresh(_LOOK_TIMEOUT, 0)
        except Error:
            return False
        return True

    def _fetched(self, timeout: float | None, retries: int) -> Catalog | None:
        head = self.fields("GET", "/openrpc.json") + b"Accept: application/json\r\n"
        if self._held:
            head += b'If-None-Match: "%b"\r\n' % self._held
        request = Request(head, b"", method=None, repeatable=True, timeout=timeout, retries=retries)
        response = deliver(self.pool, request, str(self.address))
        if response.status == 304:
            return None
        if response.status != 200:
            raise refusal_of(response, None, str(self.address), repeatable=True)
        if b"json" not in response.fields.get(b"content-type", b""):
            raise BadReply(f"{self.address}/openrpc.json is no list of methods")
        document = decode_json(response.body)
        if not isinstance(document, dict) or "openrpc" not in document:
            raise BadReply(f"{self.address}/openrpc.json is no list of methods")
        return catalog_of(document, _version(response))

    def _replace(self, new: Catalog) -> Changes:
        before, after = self.catalog.texts(), new.texts()
        added = tuple(sorted(after.keys() - before.keys()))
        removed = tuple(sorted(before.keys() - after.keys()))
        changed = tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name]))
        for name in (*changed, *removed):
            self._functions.pop(name, None)
        self._hold(new)
        self.root.adopt(grow(self, new), frozenset(changed))
        return Changes(added, changed, removed)


def _version(response: Response) -> str | None:
    """The version of the catalog in a reply: its own field, else its strong ETag."""
    named = response.text(b"labgate-catalog")
    if named:
        return named
    tag = response.text(b"etag") or ""
    return tag[1:-1] if len(tag) > 2 and tag[0] == tag[-1] == '"' else None


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _renew_locks() -> None:
    """In a forked child: another thread of the parent may have held a lock; that thread does not exist here."""
    for link in list(_links):
        link.lock = threading.RLock()


_links: weakref.WeakSet[Link] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
