"""What do all clients of one gate, datastack and token share, and how do they learn that the catalog has changed?"""

from __future__ import annotations

import os
import threading
import time
import weakref

from labgate._astray import unknown
from labgate._caller import Caller
from labgate._catalog import Catalog, Group, catalog_of
from labgate._changes import Changes
from labgate._delivery import Request, deliver
from labgate._listed import ASKING, Ungated, listed
from labgate._method import Method
from labgate._shapes import function_of
from labgate._transport import Pool, close_all
from labgate._tree import Space, grow
from labgate.errors import Error, NoGate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from labgate._address import Address
    from labgate._cachefile import CatalogFile
    from labgate._client import Node
    from labgate._credential import Credential
    from labgate._live import Live
    from labgate._pins import Pins
    from labgate._whoami import Whoami
    from labgate._wire import Response

    class Tape(Protocol):
        """What stands between clients and their gate: it writes down what is said, or says it again."""

        @property
        def address(self) -> Address | None:
            """The gate's, where the tape takes its place; None where it is asked."""

        def pool(self, address: Address, ca_file: str | None) -> Pool:
            """The connections to the gate by way of the tape."""


_LOOK_SECONDS = 30.0
_LOOK_TIMEOUT = 5.0
_OWN_PREFIXES = ("rpc.", "system.")  # the gate's describe methods, which no catalog lists


class Link(Caller):
    """One gate as one caller sees it: connections, catalog, and the classes made of it.

    Attributes:
        outdated: a reply named another version of the catalog than the one held; the next touched namespace catches up.
        lock: held while the catalog and what was made of it change.
        replies: what the last reply said, per thread.
        who: whom the gate took the caller for when it was last asked.
        live: the line on which the gate tells of changes, None for none.
        awaited: its methods are coroutine functions.
    """

    awaited = False

    def __init__(
        self,
        address: Address,
        datastack: str | None,
        token: str | Credential | None,
        file: CatalogFile,
        *,
        insecure: bool = False,
        ca_file: str | None = None,
        profile: str | None = None,
        tape: Tape | None = None,
        pins: Pins | None = None,
    ) -> None:
        super().__init__(
            address,
            datastack,
            token,
            file,
            insecure=insecure,
            ca_file=ca_file,
            profile=profile,
            pins=pins,
        )
        self.tape = tape
        self.pool = self._new_pool()
        self.lock = threading.RLock()
        self.replies: Any = threading.local()
        self.outdated = False
        self.live: Any = None  # a `Live`, or an `AsyncLive` of a link with an event loop
        self.warned: set[str] = set()
        self._started = False
        self._next_look = 0.0
        self._announced = b""
        self._tried: dict[bytes, float] = {}
        self._functions: dict[str, Any] = {}
        self._items: dict[str, str | None] = {}
        self._components: dict[str, Any] | None = None
        self._held = b""
        self.who: Whoami | None = None
        self.catalog: Catalog = catalog_of(None, None)
        self.root: Space = grow(self, self.catalog)
        _links.add(self)

    def _new_pool(self) -> Pool:
        pool = (
            Pool(self.address, self._ca_file)
            if self.tape is None
            else self.tape.pool(self.address, self._ca_file)
        )
        # Collected links close their sockets; so does the end of the program.
        weakref.finalize(self, close_all, pool.idle)
        return pool

    def base(self, prefix: str) -> type[Node]:
        """The class below which those of its clients, and of its namespaces, are made."""
        from labgate._client import Client, Namespace

        return Namespace if prefix else Client

    def __repr__(self) -> str:
        return f"<link to {self.address}>"

    @property
    def title(self) -> str:
        """What is at the other end, for texts."""
        return "the gate" if self.direct is None else "the server"

    def need_gate(self, what: str) -> None:
        """Refuse what only a gate can do.

        Raises:
            NoGate: there is none.
        """
        if self.direct is not None:
            raise NoGate(
                f"{what} asks a gate, and at {self.address} is none: this client speaks with a JSON-RPC server itself"
            )

    def new_live(self, timeout: float | None) -> Live:
        """A line on which the gate tells of changes."""
        from labgate._live import Live

        return Live(self, timeout)

    def known_seconds(self) -> float:
        """For how long the gate knows a write by its key, and makes it once; 0 where it does not say so, or not for sure."""
        about = self.catalog.about.get("idempotency")
        seconds = about.get("seconds") if isinstance(about, dict) else None
        return 0.0 if self.outdated or not isinstance(seconds, (int, float)) else float(seconds)

    def start(self, timeout: float | None, retries: int) -> None:
        """Have a catalog: the kept one without asking the gate, else the gate's.

        Raises:
            Error: there is no kept one, and the gate does not give one.
        """
        with self.lock:
            if self._started:
                return
            kept = self._file.load() if self.tape is None else None
            if kept is None:
                self.refresh(timeout, retries)
            else:
                self.begin(kept)
                if self.pins is not None:
                    self._quiet_refresh()  # what it pins is compared with today's list, where that is to be had
                    self._compare()
            self._started = True

    def begin(self, kept: Catalog) -> None:
        """Take a catalog that was kept."""
        self._hold(kept)
        self.root = grow(self, kept)

    def refresh(self, timeout: float | None, retries: int) -> Changes:
        """Ask the gate for its catalog, unless it is still the one held; change everything that is made of it.

        Raises:
            Error: the gate does not give one. The held one stays.
        """
        with self.lock:
            self.looked(time.monotonic())
            answer = deliver(self.pool, self.question(timeout, retries), str(self.address))
            try:
                new = self.told(answer)
            except Ungated as found:
                new = self.asked_directly(found, timeout)
            self.outdated = False
            if new is None:
                return Changes((), (), ())
            changes = self.replace(new)
            if self.tape is None:
                self._file.store(new)
            return changes

    def looked(self, now: float) -> None:
        """The gate is asked for its catalog: nobody need do so again for a while because a name is missing."""
        self._next_look = now + _LOOK_SECONDS

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
            NotFound, NeedsDatastack: the gate has no such method, or not without a datastack.
        """
        function = self._functions.get(name)
        if function is not None:
            return function
        with self.lock:
            text = self.catalog.text(name)
            if text is None and self.catalog.text(own := self.catalog.true_name(name)) is not None:
                return self.function(own)
            method = self.method(name) if text is None else self._method(name, text)
            function = self._functions[name] = self._made(method)
            return function

    def method(self, name: str) -> Method:
        """What is known of the method called `name`.

        Raises:
            NotFound, NeedsDatastack: the gate has no such method, or not without a datastack.
        """
        text = self.catalog.text(name)
        if text is None and not name.startswith(_OWN_PREFIXES) and self.look_again():
            text = self.catalog.text(name)
        if text is None and not name.startswith(_OWN_PREFIXES):
            raise unknown(self, name)
        return self._method(name, text or b'{"x-labgate":{"undescribed":true,"safe":true}}')

    def _method(self, name: str, text: bytes) -> Method:
        method = Method(name, text)
        if self.pins is not None and name in self.pins.broken:
            method.refused = self.pins
        return method

    def _made(self, method: Method) -> Any:
        """What stands for a method on a namespace's class."""
        function = function_of(method, self._known_components, awaited=self.awaited)
        if not method.tables:
            return function
        from labgate._tables import TablesMethod

        return TablesMethod(function, method)

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

    def holds(self, version: str) -> bool:
        """Whether the catalog that is held is this version."""
        return self._held == version.encode("ascii", "replace")

    def _hold(self, catalog: Catalog) -> None:
        self.catalog = catalog
        # What a header cannot carry is no version: then the list is fetched whole, each time.
        version = catalog.version or ""
        self._held = version.encode("ascii") if version.isascii() and version.isprintable() else b""
        self._items.clear()
        self._components = None
        self.direct = None
        if "direct" in catalog.about:
            from labgate._direct import Direct

            self.direct = Direct.of(catalog.about)

    def _compare(self) -> set[str]:
        """Look whether pinned methods have changed; returns those for which that is news."""
        return self.pins.compare(self.catalog, self.datastack) if self.pins is not None else set()

    def _quiet_refresh(self) -> bool:
        """Refresh on the way to something else: a gate that is away leaves everything as it is."""
        try:
            self.refresh(_LOOK_TIMEOUT, 0)
        except Error:
            return False
        return True

    def question(self, timeout: float | None, retries: int) -> Request:
        """The request for the catalog, unless it is still the one held."""
        head = self.fields("GET", "/openrpc.json") + ASKING
        if self._held:
            head += b'If-None-Match: "%b"\r\n' % self._held
        return Request(
            head,
            b"",
            method=None,
            repeatable=True,
            timeout=timeout,
            retries=retries,
            renew=self.retold,
        )

    def told(self, response: Response) -> Catalog | None:
        """The catalog that the gate answers, None for the one held.

        Raises:
            Error: it answers none.
            Ungated: it may be no gate that has answered, but a JSON-RPC server.
        """
        return listed(response, str(self.address), direct=self.datastack is None, shown=bool(self.asks_with))

    def asked_directly(self, found: Ungated, timeout: float | None) -> Catalog:
        """The catalog of a server that is no gate.

        Raises:
            Error: it has none.
        """
        from labgate._direct import discovered

        return discovered(self, found.document, found.refusal, timeout)

    def replace(self, new: Catalog) -> Changes:
        """Hold another catalog, and change everything that is made of it."""
        before, after = self.catalog.texts(), new.texts()
        added = tuple(sorted(after.keys() - before.keys()))
        removed = tuple(sorted(before.keys() - after.keys()))
        changed = tuple(sorted(name for name in before.keys() & after.keys() if before[name] != after[name]))
        self._hold(new)
        made_anew = {*changed, *removed, *self._compare()}
        for name in made_anew:
            self._functions.pop(name, None)
        self.root.adopt(grow(self, new), frozenset(made_anew))
        return Changes(added, changed, removed)


def _renew_locks() -> None:
    """In a forked child: another thread of the parent may have held a lock; that thread does not exist here."""
    for link in list(_links):
        link.lock = threading.RLock()
        live, link.live = link.live, None
        if live is not None:
            live.forget()


_links: weakref.WeakSet[Link] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
