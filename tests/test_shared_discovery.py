"""Laws of discovery in several workers: one asks, all know the same, and another one goes on when it ends."""

import asyncio
import json
from collections import Counter
from contextlib import AsyncExitStack

import msgspec
import pytest

from gateway.core.faults import Unavailable, UpstreamUnreachable
from gateway.core.policy import Policies, Policy
from gateway.core.principal import Principal
from gateway.core.service import Described, Description, Service
from gateway.core.told import Told
from gateway.shared_discovery import SharedDiscovery
from gateway.watch import Retries

FOREVER = 3600.0
SERVICES = [
    Service(name, "fake", ("http://127.0.0.1:1",), refresh=FOREVER, summary=name)
    for name in ("jobs", "files")
]
GONE = UpstreamUnreachable("refused the connection")


def described(*names):
    return Description(tuple(Described(name) for name in names), "rpc.fake", "/")


class Dialect:
    """Answers for each service what stands in `says`, and counts."""

    kind = "fake"

    def __init__(self):
        self.says = {"jobs": described("get", "set"), "files": described("read")}
        self.asked = Counter()

    async def describe(self, service, upstream, deadline):
        self.asked[service.name] += 1
        answer = self.says[service.name]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Team:
    """All workers of a gate, in one process; what they say goes through JSON."""

    def __init__(self):
        self.dialect = Dialect()
        self.places = []
        self.told = {}
        self.sent = []
        self.begun = False

    async def worker(self, stack, *, leads=False):
        place = Place(self, leads=leads)
        self.places.append(place)
        place.discovery = SharedDiscovery(
            SERVICES,
            {"fake": self.dialect},
            dict.fromkeys(("jobs", "files")),
            colleagues=place,
            release="1",
            monotonic=asyncio.get_running_loop().time,
            grace=20.0,
            retries=Retries(FOREVER, FOREVER),
        )
        await stack.enter_async_context(place.discovery)
        return place.discovery

    @property
    def leader(self):
        return next(one for one in self.places if one.leads)


class Place:
    """One worker's colleagues."""

    def __init__(self, team, *, leads):
        self.team = team
        self.leads = leads
        self.listener = None

    async def listen(self, listener):
        for one in self.team.told.values():
            await listener.hear(one)
        if self.team.begun:
            listener.begun()
        self.listener = listener

    async def announce(self, one):
        one = msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(one))), Told)
        self.team.sent.append(one)
        self.team.told[one.service] = one.after(self.team.told.get(one.service))
        for other in self.team.places:
            if other is not self and other.listener is not None:
                await other.listener.hear(one)

    def begun(self):
        self.team.begun = True
        for other in self.team.places:
            if other is not self and other.listener is not None:
                other.listener.begun()

    def nudge(self, service, reason):
        self.team.leader.listener.nudged(service, reason)

    async def refresh(self, service):
        return await self.team.leader.listener.refresh(service)


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack
    assert [one for one in asyncio.all_tasks() if one.get_name().startswith("discovery")] == []


@pytest.fixture
async def team(stack):
    """A leader and one that hears."""
    team = Team()
    await team.worker(stack, leads=True)
    await team.worker(stack)
    return team


def seen(discovery):
    """What callers see of the catalog: its version, and the names."""
    access = Policies([Policy(("authenticated",), ("*",))]).access(Principal("someone", "here"))
    view = discovery.current.view(access)
    return view.version, view.names


def agreed(team):
    """The names that all advertise, under one version."""
    (found,) = {seen(place.discovery) for place in team.places}
    assert len({place.discovery.current.version for place in team.places}) == 1
    return list(found[1])


async def test_one_asks_and_all_advertise_the_same(team):
    assert agreed(team) == ["files.read", "jobs.get", "jobs.set"]
    assert team.dialect.asked == {"jobs": 1, "files": 1}


async def test_whoever_is_told_to_refresh_it_is_asked_once_and_known_to_all_at_the_end(team):
    for number, place in enumerate(team.places):
        team.dialect.says["jobs"] = described("get", f"more_{number}")
        changes = await place.discovery.refresh("jobs")
        assert changes["jobs"].added == (f"jobs.more_{number}",)
        assert agreed(team) == ["files.read", "jobs.get", f"jobs.more_{number}"]
    assert team.dialect.asked == {"jobs": 3, "files": 1}
    with pytest.raises(LookupError):
        await team.places[1].discovery.refresh("nobody")


async def test_all_know_that_a_service_is_down_and_keep_what_it_offered(team):
    team.dialect.says["jobs"] = GONE
    await team.places[1].discovery.refresh()
    assert agreed(team) == ["files.read", "jobs.get", "jobs.set"]
    for place in team.places:
        health = place.discovery.health()["jobs"]
        assert (health.down, health.why, health.methods) == (True, GONE.message, 2)
    assert [one.service for one in team.sent if one.same] == ["jobs", "files"], "descriptions are told once"


async def test_a_new_worker_asks_nobody_and_knows_all_that_was_told(stack, team):
    team.dialect.says["jobs"] = GONE
    await team.places[0].discovery.refresh()
    asked = team.dialect.asked.copy()
    await team.worker(stack)
    assert agreed(team) == ["files.read", "jobs.get", "jobs.set"]
    assert team.places[2].discovery.health()["jobs"].down
    assert team.dialect.asked == asked


async def test_when_the_one_that_asked_has_ended_another_asks_and_keeps_what_was_known(stack, team):
    team.dialect.says["jobs"] = GONE
    old, new = team.places
    await old.discovery.close()
    team.places.remove(old)
    new.leads = True
    new.listener.lead()
    new.listener.lead()
    await new.discovery.refresh()
    await team.worker(stack)
    assert agreed(team) == ["files.read", "jobs.get", "jobs.set"]
    assert team.dialect.asked["files"] <= 3, "told twice to lead, it asks as one"
    # All of them have ended, and a leader comes anew: it knows what the last ones knew.
    team.places.clear()
    again = await team.worker(stack, leads=True)
    await again.refresh()
    assert agreed(team) == ["files.read", "jobs.get", "jobs.set"]


async def test_what_a_call_at_any_worker_tells_of_a_service_makes_the_leader_ask_it(team):
    hearing = team.places[1].discovery
    now = asyncio.get_running_loop().time()
    team.dialect.says["jobs"] = described("other")
    assert hearing.missing("jobs", now)
    assert not hearing.missing("jobs", now), "once is enough"
    assert hearing.suspect("files", now)
    async with asyncio.timeout(10):
        while team.dialect.asked != {"jobs": 2, "files": 2}:
            await asyncio.sleep(0)
        while seen(hearing)[1] != ("files.read", "jobs.other"):
            await asyncio.sleep(0)
    assert agreed(team) == ["files.read", "jobs.other"]


async def test_a_leader_that_cannot_tell_the_others_goes_on(team, monkeypatch):
    async def gone(_):
        raise Unavailable("going down")

    leader = team.places[0]
    monkeypatch.setattr(leader, "announce", gone)
    team.dialect.says["jobs"] = described("new")
    assert (await leader.discovery.refresh("jobs"))["jobs"].added == ("jobs.new",)
    monkeypatch.undo()
    await leader.discovery.refresh("jobs")
    assert agreed(team) == ["files.read", "jobs.new"], "what was not told is told the next time"
