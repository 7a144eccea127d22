"""What holds for all JSON-RPC requests of the same header lines: who asks, how, and what they may have from memory?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.core.catalog import Catalog, View
from gateway.core.charging import Account
from gateway.core.describe import BUILTIN
from gateway.core.faults import Fault
from gateway.core.method import Method
from gateway.core.ports import Observer
from gateway.core.principal import Principal
from gateway.doors.asked import Terms
from gateway.doors.encodings import Encoding
from gateway.doors.notes import Notes
from gateway.relay import Quick, Relay

DOOR: Final = "rpc"
_MOST_NAMES: Final = 4096


class Standing:
    """Found out once for each set of lines, and again when the caller's verdict, the epoch or the catalog is another.

    `refusing` is the encoding in which a request is refused of which nothing could be carried out. `version` changes
    with everything that was decided here.
    """

    __slots__ = (
        "_client",
        "_epoch",
        "_known",
        "_names",
        "_observer",
        "_relay",
        "answered",
        "catalog",
        "datastack",
        "given_id",
        "is_quick",
        "notes",
        "path",
        "principal",
        "refusing",
        "terms",
        "told",
        "until",
        "verb",
        "version",
        "view",
    )
    principal: Principal
    view: View

    def __init__(
        self,
        relay: Relay,
        observer: Observer,
        notes: Notes,
        terms: Terms,
        refusing: Encoding,
        verb: str,
        path: str,
        datastack: str | None,
        client: Callable[[str], str],
    ) -> None:
        self._client = client
        self._known = ("", "")
        self.notes = notes
        self.terms = terms
        self.refusing = refusing
        self.verb = verb
        self.path = path
        self.datastack = datastack
        self.is_quick = terms.is_usual
        self.given_id = notes.request_id.encode("ascii") if notes.request_id is not None else None
        self.told = b""
        """The line that says the catalog's version for this caller."""
        self.answered = observer.requests(DOOR, 200)
        """Where requests are counted that nobody writes down."""
        self.version = 0
        self.until = 0.0
        """Until when nobody has to ask again who calls."""
        self._relay = relay
        self._observer = observer
        self.catalog: Catalog | None = None
        self._epoch = -1
        self._names: dict[str, Quick | None] = {}

    def client(self, peer: str) -> str:
        """The address of a caller, as the gate believes it, for that of their connection."""
        known, found = self._known
        if known != peer:  # a balancer has one
            found = self._client(peer)
            self._known = peer, found
        return found

    def holds(self, principal: Principal) -> bool:
        """Whether what was decided was so for this caller, and in this epoch and catalog."""
        relay = self._relay
        return self.catalog is relay.catalog and self._epoch == relay.epoch and self.principal is principal

    def is_settled(self, now: float) -> bool:
        """Whether it still holds, and the caller was asked about a moment ago."""
        relay = self._relay
        return now < self.until and self.catalog is relay.catalog and self._epoch == relay.epoch

    def settle(self, principal: Principal) -> None:
        """Decide anew. Raises `UnknownDatastack`."""
        relay = self._relay
        access = relay.policies.access(principal)
        self.view = relay.catalog.view(access, self.datastack)
        self.principal, self.catalog, self._epoch = principal, relay.catalog, relay.epoch
        self.told = b"Labgate-Catalog: %b\r\n" % self.view.version.encode("ascii")
        self.version += 1
        self._names.clear()

    def quick(self, name: str) -> Quick | None:
        """How memory is asked for calls of this method; None where they go the usual way."""
        try:
            return self._names[name]
        except KeyError:
            pass
        quick = None
        if name not in BUILTIN:
            try:
                method = self._relay.find(name, self.datastack, self.principal)
                quick = self._relay.quick(method, self.principal)
                if quick is not None:
                    quick.results = self._observer.tally(method, "hit", self.principal)
                    quick.errors = self._observer.tally(method, "error", self.principal)
                    quick.account = self._account(method)
            except Fault:
                pass  # the usual way says which
        if len(self._names) >= _MOST_NAMES:
            self._names.clear()
        self._names[name] = quick
        return quick

    def _account(self, method: Method) -> Callable[[str], Account | None] | None:
        """What calls of the method are charged to, by the address of the caller's connection; None = to nothing."""
        relay, principal = self._relay, self.principal
        if not principal.anonymous:
            account = relay.account(principal, method, "")
            return None if account is None else lambda _: account
        if relay.account(principal, method, "") is None:
            return None
        return lambda peer: relay.account(principal, method, self.client(peer))
