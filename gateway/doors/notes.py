"""What do a caller's header lines say to the mount door? Found out once for each set of lines."""

from __future__ import annotations

import math
from typing import Final

from gateway.core.cache_control import ASKING, demand_from
from gateway.core.call import NO_DEMAND, Demand
from gateway.core.catalog import Catalog
from gateway.core.certificates import PeerCertificate
from gateway.core.faults import Fault
from gateway.core.forwarded import check_loop
from gateway.core.policy import Access
from gateway.core.presented import Presented
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.core.serving import SPECIAL
from gateway.core.storing import choosing, own_credential
from gateway.core.trace_context import NAMES, TRACEPARENT, only_context, without_context
from gateway.doors.asked import given_id, patience_of
from gateway.doors.entrance import Entrance
from gateway.doors.way import Settled, Way
from gateway.wire.lane import Seen

CHECKED_SECONDS: Final = 0.25
"""For how long a caller's verdict is not asked for again; the epoch ends it at once."""

_MOST_WAYS: Final = 16
_MOST_LINES: Final = 4
_LONGEST_LINE: Final = 512


class Notes:
    """What the fields of a request mean; nothing here depends on its verb, target or body.

    `first` has the first value of each field by its name in lower case. `patience` is in seconds, `inf` if nothing is
    said. `fault` is what is wrong with them, for whatever is asked.
    """

    __slots__ = (
        "_catalog",
        "_choosing",
        "_epoch",
        "_lines",
        "_own_credential",
        "_principal",
        "_version",
        "asked",
        "by_certificate",
        "by_cookie",
        "certificate",
        "credential",
        "demand",
        "fault",
        "first",
        "host",
        "patience",
        "request_id",
        "settled",
        "special",
        "stems",
        "trace",
        "traced",
        "until",
        "vetted",
        "ways",
    )

    def __init__(self, fields: Fields, certificate: PeerCertificate | None = None) -> None:
        self.certificate = certificate
        """What the connection has shown."""
        self.first = {name.lower(): value for name, value in reversed(fields)}
        self.host = self.first.get(b"host", b"").decode("latin-1")
        self.request_id = given_id(self.text(b"x-request-id"))
        self.asked = fields
        self._choosing: tuple[bytes, ...] | None = None
        self._own_credential: bytes | None = None
        self.trace: Fields = ()
        """Those that name a trace."""
        self.traced = False
        """Whether that trace goes on here."""
        self.special = not SPECIAL.isdisjoint(self.first)
        """Whether a part is asked for, or a condition made."""
        self.credential: str | None = None
        self.by_cookie = False
        """Whether nothing but a cookie shows the token."""
        self.by_certificate = False
        """Whether nothing but the connection says who calls."""
        self.vetted = False
        """Whether host, way and credential were found to be in order."""
        self.fault: Fault | None = None
        self.demand: Demand = NO_DEMAND if ASKING.isdisjoint(self.first) else demand_from(fields)
        self.patience = math.inf
        try:
            self.patience = patience_of(self.text(b"labgate-timeout"))
        except Fault as fault:
            self.fault = fault
        self._principal: Principal | None = None
        self._epoch = -1
        self.until = 0.0
        self._lines: dict[tuple[str, str], bytes] = {}
        self.ways: dict[bytes, Way] = {}
        """Where requests of some lines (verb and path) went, of which the same holds for each of them."""
        self.stems: dict[bytes, Way] = {}
        """A way by the beginning of its line, up to the first step, where all that begins so goes to its service."""
        self.settled: dict[tuple[str, str, str, int], Settled] = {}
        """What was decided about requests of a verb for a method, by the caller's address and the policy for the path."""
        self._catalog: tuple[Catalog, Access] | None = None
        self._version = b""

    @property
    def choosing(self) -> tuple[bytes, ...]:
        """What they say by which an upstream chooses among representations, see `core.storing`."""
        found = self._choosing
        if found is None:
            found = self._choosing = choosing(self.asked)
        return found

    @property
    def own_credential(self) -> bytes:
        """What stands for the caller's credentials for the service, see `core.storing`."""
        found = self._own_credential
        if found is None:
            found = self._own_credential = own_credential(self.asked, self.first)
        return found

    def text(self, name: bytes) -> str | None:
        """The first value of a field, as text."""
        value = self.first.get(name)
        return None if value is None else value.decode("latin-1")

    def principal(self, epoch: int, now: float) -> Principal | None:
        """The caller, if they were asked about in this epoch and a moment ago."""
        return self._principal if epoch == self._epoch and now < self.until else None

    @property
    def caller(self) -> Principal | None:
        """Who the caller was when they were last asked about."""
        return self._principal

    def identified(self, principal: Principal, epoch: int, now: float) -> None:
        """Remember who the caller is."""
        if principal is not self._principal:
            self.ways.clear()  # what was settled was so for somebody else
            self.stems.clear()
            self.settled.clear()
        self._principal, self._epoch = principal, epoch
        self.until = min(principal.expires, now + CHECKED_SECONDS)

    def keep_stem(self, line: bytes, way: Way) -> None:
        """Remember where all requests go whose line begins so."""
        if len(line) <= _LONGEST_LINE and len(self.stems) < _MOST_LINES:
            self.stems[line] = way

    def settle(self, of_method: tuple[str, str, str, int], settled: Settled) -> None:
        """Remember what was decided for a verb, a method, the caller's address and the policy that allows the path."""
        if len(self.settled) >= _MOST_WAYS:
            self.settled.clear()
        self.settled[of_method] = settled

    def version_line(self, catalog: Catalog, access: Access) -> bytes:
        """The line that says the catalog's version for this caller."""
        known = self._catalog
        if known is None or known[0] is not catalog or known[1] is not access:
            self._catalog = (catalog, access)
            self._version = b"Labgate-Catalog: %b\r\n" % catalog.view(access, None).version.encode("ascii")
        return self._version

    def lines(self, service: str, peer: str) -> bytes | None:
        """The lines for a service that were made of these fields before, for a caller at this address."""
        return self._lines.get((service, peer))

    def keep_lines(self, service: str, peer: str, lines: bytes) -> None:
        """Remember the lines for a service."""
        if len(self._lines) < _MOST_LINES:
            self._lines[service, peer] = lines

    def keep(self, line: bytes, way: Way) -> None:
        """Remember where requests with this verb and path go."""
        if len(line) > _LONGEST_LINE:
            return
        if len(self.ways) >= _MOST_WAYS:
            self.ways.clear()
        self.ways[line] = way


def notes_of(seen: Seen, entrance: Entrance) -> Notes:
    """What the lines say, found out once; the token that they show is where it belongs from then on."""
    notes: Notes | None = seen.notes
    if notes is None:
        seen.notes = notes = _noted(seen, entrance.presented(seen.fields), entrance)
    return notes


def seen_with(seen: Seen, token: bytes, entrance: Entrance) -> Seen:
    """The same lines with a token that stood in the address; nobody remembers them."""
    said = entrance.presented(seen.fields, token)
    made = Seen(seen.head, seen.bodiless, said.fields, seen.certificate)
    made.notes = _noted(made, said, entrance)
    return made


def _noted(seen: Seen, said: Presented, entrance: Entrance) -> Notes:
    notes = Notes(said.fields, seen.certificate)
    if not NAMES.isdisjoint(notes.first):
        trace = only_context(said.fields) if TRACEPARENT in notes.first else ()
        if entrance.own_traces:
            notes = Notes(without_context(said.fields), seen.certificate)
        notes.trace, notes.traced = trace, bool(trace) and not entrance.own_traces
    seen.fields = notes.asked
    notes.by_cookie = said.by_cookie
    notes.fault = notes.fault or said.fault
    return notes


def vet(notes: Notes, fields: Fields, entrance: Entrance, pseudonym: bytes) -> None:
    """Look at what the fields say of the host, the way and the caller, whatever is asked: once.

    Raises the fault of a wrong host, and of a request that has been here before; that of a credential is noted.
    """
    if notes.vetted:
        return
    entrance.check_host(notes.host)
    if b"via" in notes.first:
        check_loop(fields, pseudonym)
    notes.vetted = True
    try:
        notes.credential = entrance.credential(fields, notes.certificate)
        notes.by_certificate = entrance.by_certificate(notes.credential, notes.certificate)
    except Fault as fault:
        # A preflight holds no credential, and is answered all the same.
        notes.fault = notes.fault or fault
