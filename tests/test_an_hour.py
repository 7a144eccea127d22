"""An hour of mixed traffic, on a clock that is moved: everything that is kept stays within its bounds, and memory flat."""

import asyncio
import gc
import random
import tracemalloc
from collections import Counter
from types import SimpleNamespace

from gateway.core.cache_control import demand_from
from gateway.core.call import Call, Demand, Params
from gateway.core.catalog import Catalog
from gateway.core.faults import Fault, UpstreamUnreachable
from gateway.core.http_freshness import HttpCache
from gateway.core.http_storing import head_of
from gateway.core.invalidation import uri_name
from gateway.core.keys import person
from gateway.core.method import CacheRule, HttpBinding, Method, RpcBinding
from gateway.core.policy import Policies, Policy
from gateway.core.ports import Route
from gateway.core.principal import Principal
from gateway.core.reply import Reply, Whole
from gateway.core.service import Service
from gateway.core.serving import served
from gateway.core.validators import conditions, confirms
from gateway.core.verdict import Hit, Miss, Pass, Stale
from gateway.core.wanted import Wanted, root_of, rule_for
from gateway.doors.notes import Notes
from gateway.flights import Flights
from gateway.relay import Relay
from gateway.tiers.memory import MemoryTier
from gateway.wire.lane import MOST, Lane, Seen
from tests.tiers.own_generations import OwnGenerations

EVENTS = 16_000
STEP = 3600 / EVENTS
QUARTER = EVENTS // 4
GROWTH = 384 << 10
"""Bytes by which the second half may grow: the lane counts what came once, up to a bound of its own. A leak of 50 bytes an event is 400 KB."""

HEAD = SimpleNamespace()
"""What the parser found; nobody here asks."""
ADDRESSES = 300
PRINCIPALS = tuple(Principal(subject=f"p{n}", issuer="labgate", groups=("lab",)) for n in range(8))
SHARED = CacheRule(fresh=30, stale=60, share="everyone", tags=("jobs",), negative=5)
READ = Method("jobs.get", "jobs", RpcBinding("get"), safe=True, cache=SHARED)
OWN = Method("jobs.mine", "jobs", RpcBinding("mine"), safe=True, cache=CacheRule(fresh=60, tags=("jobs",)))
WRITE = Method("jobs.set", "jobs", RpcBinding("set"), invalidates=("jobs",))
PAGE = Method("jobs.http", "jobs", HttpBinding("GET", "/"), safe=True)
PUT = Method("jobs.http", "jobs", HttpBinding("PUT", "/"))
SAYS = (b"public, max-age=20", b"max-age=60", b"public, max-age=10, stale-while-revalidate=600", b"public, max-age=5, stale-if-error=60", b"no-store", b"no-cache")  # fmt: skip


class Hour:
    """A relay with its memory, its book and a lane; callers at random, and a service that changes and fails."""

    kind = "scripted"

    def __init__(self):
        self.pick = random.Random(7)
        self.now = 1_700_000_000.0
        self.seen = Counter()
        self.tier = MemoryTier(160 << 10)
        self.flights = Flights()
        self.lane = Lane()
        self.versions = Counter()
        self.generations = OwnGenerations()
        self.relay = Relay(
            SimpleNamespace(missing=lambda *_: False, suspect=lambda *_: False),
            Policies([Policy(("group:lab",), ("jobs.*",))]),
            self.tier,
            self.generations,
            self.flights,
            wall=lambda: self.now,
            monotonic=asyncio.get_running_loop().time,
        )
        service = Service("jobs", "scripted", ("http://127.0.0.1:1",), timeout=50.0)
        self.relay.rebind(Catalog(), {"jobs": Route(service, self, "/", None)})

    def some(self):
        """The number of something that is asked for: a few of them often, most of them hardly ever."""
        return int(ADDRESSES * self.pick.random() ** 4)

    # --- calls

    async def perform(self, call, service, address, upstream):
        """What the service does."""
        await asyncio.sleep(0)
        chance = self.pick.random()
        if chance < 0.02:
            raise UpstreamUnreachable("away")
        if chance < 0.06:
            return Reply("error", Whole(b'{"code":1,"message":"no"}'), Pass("trip"))
        return Reply("result", Whole(b'"%b"' % (b"x" * self.pick.randrange(3000))), Pass("trip"))

    async def call(self, method):
        """A call, or several equal ones at once."""
        raw = b"[%d]" % self.some()
        deadline = asyncio.get_running_loop().time() + 50
        demand = Demand(max_age=self.pick.choice((None, None, None, 10.0, -1.0)))
        call = Call("r", self.pick.choice(PRINCIPALS), method, Params(raw), deadline, demand)
        times = self.pick.choice((1, 1, 1, 3))
        for reply in await asyncio.gather(
            *(self.relay.answer(call) for _ in range(times)), return_exceptions=True
        ):
            assert isinstance(reply, Reply | Fault), reply
            self.seen["fault" if isinstance(reply, Fault) else type(reply.verdict).__name__] += 1

    # --- requests through a mount

    def wanted(self, number, asked):
        """A request as the cache sees it."""
        who, path = self.pick.choice(PRINCIPALS), b"page%d" % number
        return Wanted(
            rule_for(PAGE),
            root_of(PAGE, who, "GET", (), None, b"/" + path, {}, credential=b""),
            person(who.issuer, who.subject, who.rights),
            asked,
            demand_from(asked),
            (*PAGE.lineage, *PAGE.calls, uri_name("jobs", (path,), b"")),
            frozenset(),
            HttpCache(),
        )

    def get(self):
        """A request: found, confirmed, or fetched and stored; whole or in part."""
        number = self.some()
        colour = self.pick.choice((b"red", b"blue"))
        part = ((b"Range", b"bytes=0-9"),) if self.pick.random() < 0.2 else ()
        wanted, book = self.wanted(number, ((b"X-Colour", colour), *part)), self.relay.book
        found = book.find(wanted, self.now)
        self.seen[f"page {type(found.verdict).__name__}"] += 1
        if isinstance(found.verdict, Hit | Stale):
            entry = found.verdict.entry
            made = served(entry.head, entry.length, "GET", wanted.asked, entry.stored)
            self.seen[f"page {made.status}"] += 1
        elif isinstance(found.verdict, Miss):
            self.fetch(number, wanted, found)

    def fetch(self, number, wanted, found):
        """One trip, for which others might wait."""
        book, miss, asked_at = self.relay.book, found.verdict, self.now
        trip = book.lead(miss, PAGE)
        tag = b'"%d"' % self.versions[number]
        fields = ((b"ETag", tag), (b"Cache-Control", self.pick.choice(SAYS)))
        stored = None
        if found.entry is not None and found.entry.head is not None and self.pick.random() < 0.8:
            conditions(found.entry.head.fields, wanted.asked, self.now)
            if confirms(found.entry.head.fields, fields, alone=True):
                stored = book.freshen(wanted, miss, found.entry, fields, asked_at, self.now)
                self.seen["confirmed"] += 1
            else:
                book.drop(found.entry)
        else:
            if number % 3 == 0:
                fields += ((b"Vary", b"X-Colour"),)
            how = book.how(wanted, 200, fields, asked_at, self.now)
            if not isinstance(how, str):
                body = bytes(self.pick.randrange(3000))
                stored = book.store(wanted, miss, how, head_of(200, b"OK", how.fields), body, self.now)
        trip.land(shared=stored is not None)

    def put(self):
        """A write to an address, however it ends."""
        number = self.some()
        self.versions[number] += 1
        self.relay.writes.ended((PUT,), (uri_name("jobs", (b"page%d" % number,), b""),))

    # --- header lines, and whole requests

    def lines(self):
        """A client's header lines, which change with its token; some send an id of their own with each request."""
        who, age = self.pick.randrange(200), int(self.now) // 300
        own = b"X-Request-Id: %d\r\n" % self.pick.randrange(1 << 40) if self.pick.random() < 0.3 else b""
        data = b"HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer %d.%d\r\n%b\r\n" % (who, age, own)
        if self.lane.get(data) is None:
            seen = Seen(HEAD, HEAD, ((b"Host", b"gate"),))
            seen.notes = Notes(seen.fields)
            self.lane.put(data, seen)
        request = b"POST /rpc " + data + b"%d" % self.pick.randrange(500)
        if self.lane.comes_again(request):
            self.lane.put_request(request, 100, SimpleNamespace())

    # --- the hour

    async def event(self, number):
        """What happens next."""
        self.now += STEP
        kind = self.pick.random()
        if kind < 0.3:
            await self.call(READ)
        elif kind < 0.4:
            await self.call(OWN)
        elif kind < 0.402:
            await self.call(WRITE)
        elif kind < 0.8:
            self.get()
        elif kind < 0.85:
            self.put()
        else:
            self.lines()
        if number % (EVENTS // 60) == 0:
            self.lane.clear()  # as the gate does each minute
        if number % (EVENTS // 12) == 0:
            self.generations.advance()  # a token was withdrawn

    def within_bounds(self):
        """Nothing is larger than it may be."""
        assert self.tier.bytes <= self.tier.limit
        assert self.lane._size <= MOST
        assert len(self.lane._sighted) <= 1 << 15

    def nothing_under_way(self):
        """What was under way has left nothing behind, and the numbers are those of what is there."""
        assert (len(self.flights), self.flights.shared(), len(self.relay.book._trips)) == (0, (), 0)
        assert self.tier.bytes == sum(entry.size for entry in self.tier.recent())


async def test_an_hour_of_mixed_traffic_stays_within_all_bounds_and_memory_flat():
    hour, taken = Hour(), []
    tracemalloc.start()
    try:
        for number in range(1, EVENTS + 1):
            await hour.event(number)
            hour.within_bounds()
            if number % QUARTER == 0:
                await hour.flights.settle(10.0)
                await asyncio.sleep(0)
                hour.nothing_under_way()
                gc.collect()
                taken.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert taken[3] - taken[1] < GROWTH, taken
    expected = ("Hit", "Stale", "Miss", "Pass", "fault", "page Hit", "page Miss", "page Stale", "page 206", "page 200", "confirmed")  # fmt: skip
    assert all(hour.seen[kind] >= 20 for kind in expected), hour.seen
    assert hour.tier.bytes > hour.tier.limit // 2, "the bound of the tier was never tried"
