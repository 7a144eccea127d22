"""A plain model beside the HTTP book: whatever happens in whatever order, no answer is another's, too old, or from before a write."""

from dataclasses import dataclass, field
from types import SimpleNamespace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.core.cache_control import demand_from
from gateway.core.http_dates import written
from gateway.core.http_freshness import HttpCache
from gateway.core.http_storing import head_of
from gateway.core.invalidation import uri_name
from gateway.core.keys import person
from gateway.core.method import HttpBinding, Method
from gateway.core.principal import Principal
from gateway.core.switches import Switches
from gateway.core.verdict import Hit, Miss, Stale
from gateway.core.wanted import Wanted, root_of, rule_for, watched_for
from gateway.http_book import HttpBook
from gateway.store import Store
from tests.tiers.own_generations import OwnGenerations

METHOD = Method(name="up.http", service="up", binding=HttpBinding("GET", "/**"), safe=True)
PEOPLE = [Principal("ada", "labgate"), Principal("bob", "labgate")]
PATHS = [b"a", b"b"]
COLOURS = [None, b"red", b"blue"]
SAYS = [
    b"max-age=10",
    b"public, max-age=10",
    b"s-maxage=10",
    b"no-store",
    b"private, max-age=10",
    b"public, no-cache",
    b"public, no-cache, max-age=10",
    b"public, max-age=5, stale-while-revalidate=10",
    b"max-age=5, stale-if-error=20",
    b"max-age=0",
    b"",
]
DEMANDS = [b"", b"no-cache", b"max-age=3", b"min-fresh=4", b"max-stale=3", b"no-store"]


@dataclass
class Body:
    """An answer that the service gave: to whom, about which version, when, and what it said of it."""

    number: int
    path: bytes
    version: int
    who: Principal
    colour: bytes | None
    says: bytes
    varies: bool
    made: float


@dataclass
class Trip:
    """A request that is under way; `body` is what the service answered already."""

    wanted: Wanted
    miss: Miss
    body: Body
    asked: float


@dataclass
class Origin:
    """The service: its versions by path, and how it speaks now."""

    versions: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(PATHS, 0))
    ended: dict[bytes, int] = field(default_factory=lambda: dict.fromkeys(PATHS, 0))
    says: bytes = b"public, max-age=10"
    varies: bool = False


class Book(RuleBasedStateMachine):
    """Callers, a service, and the book between them; the clock goes only forward."""

    @initialize()
    def begin(self):
        """An empty book."""
        self.now = 1_700_000_000.0
        self.entries = {}
        self.generations = OwnGenerations()
        memory = SimpleNamespace(get=self.entries.get, put=self.put, drop=self.drop, largest=1 << 20)
        switches = Switches()
        self.book = HttpBook(Store(memory, None, switches), self.generations, switches)
        self.origin = Origin()
        self.bodies: list[Body] = []
        self.trips: list[Trip] = []

    def put(self, key, entry):
        # Tiers that other hosts share need the names whose counters these are.
        assert len(entry.lineage) == len(entry.generations)
        self.entries[key] = entry
        return True

    def drop(self, key):
        self.entries.pop(key, None)

    def wanted(self, who, path, colour, demand):
        fields = () if colour is None else ((b"X-Colour", colour),)
        if demand:
            fields += ((b"Cache-Control", demand),)
        root = root_of(METHOD, who, "GET", (), None, path, {}, credential=b"")
        lineage = (*METHOD.lineage, uri_name("up", (path,), b""))
        return Wanted(
            rule_for(METHOD),
            root,
            person(who.issuer, who.subject, who.rights),
            fields,
            demand_from(fields),
            lineage,
            frozenset(),
            HttpCache(),
        )

    # --- what happens

    @rule(seconds=st.sampled_from([0.0, 1.0, 2.0, 5.0, 11.0, 30.0]))
    def time_goes_by(self, seconds):
        """The clock moves."""
        self.now += seconds

    @rule(says=st.sampled_from(SAYS), varies=st.booleans())
    def the_service_speaks_otherwise(self, says, varies):
        """It says something else of its answers from here on."""
        self.origin.says, self.origin.varies = says, varies

    @rule(path=st.sampled_from(PATHS))
    def somebody_writes(self, path):
        """A write changes a path, and ends."""
        self.origin.versions[path] += 1
        self.generations.bump(METHOD.writes)
        self.generations.bump((uri_name("up", (path,), b""),))
        self.origin.ended[path] = self.origin.versions[path]

    @rule()
    def a_policy_changes(self):
        """The epoch ends."""
        self.generations.advance()
        self.epoch_began = len(self.bodies)

    epoch_began = 0

    @rule(
        who=st.sampled_from(PEOPLE),
        path=st.sampled_from(PATHS),
        colour=st.sampled_from(COLOURS),
        demand=st.sampled_from(DEMANDS),
        unseen=st.booleans(),
    )
    def somebody_reads(self, who, path, colour, demand, unseen):
        """A request comes; what the book has must be right, else a trip begins. `unseen` = by the lane that looks nothing up."""
        wanted = self.wanted(who, path, colour, demand)
        found = self.book.find(wanted, self.now)
        if isinstance(found.verdict, Hit | Stale):
            self.served(
                found.verdict.entry, who, path, colour, demand, stale=isinstance(found.verdict, Stale)
            )
            if not found.refresh:
                return
            verdict = found.verdict
            miss = Miss(verdict.key, verdict.generations, verdict.epoch, verdict.rule, verdict.why)
        else:
            miss = found.verdict
        if unseen and wanted.root not in self.entries:
            mark = self.book.mark(watched_for(METHOD))
            miss = self.book.since(wanted, watched_for(METHOD), mark, self.generations.epoch)
            assert miss is not None
        origin = self.origin
        body = Body(
            len(self.bodies), path, origin.versions[path], who, colour, origin.says, origin.varies, self.now
        )
        self.bodies.append(body)
        self.trips.append(Trip(wanted, miss, body, self.now))

    @rule(data=st.data())
    def a_trip_ends(self, data):
        """An answer arrives, perhaps long after others."""
        if not self.trips:
            return
        trip = self.trips.pop(data.draw(st.integers(0, len(self.trips) - 1)))
        fields = ((b"Date", written(trip.body.made)), (b"ETag", b'"%d"' % trip.body.number))
        if trip.body.says:
            fields += ((b"Cache-Control", trip.body.says),)
        if trip.body.varies:
            fields += ((b"Vary", b"X-Colour"),)
        how = self.book.how(trip.wanted, 200, fields, trip.asked, self.now)
        if not isinstance(how, str):
            head = head_of(200, b"OK", how.fields)
            self.book.store(trip.wanted, trip.miss, how, head, b"%d" % trip.body.number, self.now)

    # --- what must be true

    def served(self, entry, who, path, colour, demand, *, stale):
        body = self.bodies[int(entry.body)]
        said = body.says
        assert body.path == path
        assert body.number >= self.epoch_began, "from before a policy changed"
        assert body.version >= self.origin.ended[path], "from before a write ended"
        assert body.who is who or b"public" in said or b"s-maxage" in said, "another principal's"
        assert not body.varies or body.colour == colour, "another colour"
        assert b"no-store" not in said
        assert b"private" not in said
        assert b"no-cache" not in said, "not asked about"
        age = self.now - body.made
        life = 5 if b"max-age=5" in said else 0 if b"max-age=0" in said else 10
        late = 10 if b"while-revalidate" in said else 0
        if demand == b"max-stale=3" and b"s-maxage" not in said:
            late = max(late, 3)
        assert age <= life + (late if stale else 0), "too old"
        assert demand not in (b"no-cache", b"no-store")
        if demand == b"max-age=3":
            assert age <= 3
        if demand == b"min-fresh=4":
            assert life - age >= 4

    @invariant()
    def a_signpost_has_no_body_and_a_reply_has_no_names(self):
        """What lies in the book is one or the other."""
        for entry in getattr(self, "entries", {}).values():
            assert bool(entry.vary) == (entry.head is None)
            assert not (entry.vary and entry.body)


TestBook = Book.TestCase
TestBook.settings = settings(max_examples=150, stateful_step_count=40)
