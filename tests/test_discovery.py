"""Are services asked as they should be, and is the catalog always the best that is known?"""

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from gateway.core.call import Call
from gateway.core.catalog import Catalog
from gateway.core.faults import (
    Fault,
    TooLarge,
    Unavailable,
    UpstreamBroken,
    UpstreamUnreachable,
)
from gateway.core.listing import Change
from gateway.core.method import CacheRule
from gateway.core.policy import Policies, Policy
from gateway.core.ports import Dialect
from gateway.core.principal import Principal
from gateway.core.reply import Reply
from gateway.core.service import Described, Description, Rule, Service
from gateway.core.upstream import Upstream
from gateway.discovery import MISSING_EVERY, SUSPECT_EVERY, Discovery
from gateway.watch import Retries, pause

GONE = UpstreamUnreachable("service jobs: refused the connection")
FOREVER = 3600.0


def service(name: str = "jobs", dialect: str = "fake", **more: Any) -> Service:
    return Service(name, dialect, ("http://127.0.0.1:1",), **{"refresh": FOREVER, **more})


def described(*names: str, **more: Any) -> Description:
    return Description(tuple(Described(name) for name in names), "rpc.fake", "/", **more)


class Scripted:
    """A dialect whose services answer as written down, the last answer again and again.

    An answer is a description, an exception, or an event to wait for before the next answer.
    """

    def __init__(self, kind: str = "fake", **answers: Any) -> None:
        self.kind = kind
        self.answers = {
            name: list(said) if isinstance(said, list) else [said] for name, said in answers.items()
        }
        self.asked: Counter[str] = Counter()
        self._news = asyncio.Condition()

    async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
        name = service.qualified
        self.asked[name] += 1
        async with self._news:
            self._news.notify_all()
        answers = self.answers[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Description)
        return answer

    async def perform(self, call: Call, service: Service, address: str, upstream: Upstream) -> Reply:
        raise NotImplementedError

    async def until_asked(self, name: str, times: int) -> None:
        async with asyncio.timeout(20), self._news:
            await self._news.wait_for(lambda: self.asked[name] >= times)


class Listener:
    """Every catalog that was published."""

    def __init__(self) -> None:
        self.catalogs: list[Catalog] = []
        self._news = asyncio.Event()

    def __call__(self, catalog: Catalog) -> None:
        self.catalogs.append(catalog)
        self._news.set()

    async def until(self, holds: Callable[[Catalog], bool]) -> Catalog:
        async with asyncio.timeout(20):
            while not (self.catalogs and holds(self.catalogs[-1])):
                self._news.clear()
                await self._news.wait()
        return self.catalogs[-1]


class NoUpstream:
    """An upstream that nobody needs, for dialects that do not use one."""

    async def exchange(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError


def made(services: list[Service], *dialects: Dialect, **more: Any) -> Discovery:
    return Discovery(
        services,
        {one.kind: one for one in dialects},
        {one.qualified: NoUpstream() for one in services},
        **{
            "release": "0.1.0",
            "monotonic": asyncio.get_running_loop().time,
            "grace": 20.0,
            "retries": Retries(FOREVER, FOREVER),
            **more,
        },
    )


@asynccontextmanager
async def discovering(services: list[Service], *dialects: Dialect, **more: Any) -> AsyncIterator[Discovery]:
    """A discovery that is under way, and leaves no task behind."""
    before = asyncio.all_tasks()
    async with made(services, *dialects, **more) as discovery:
        yield discovery
    assert asyncio.all_tasks() == before


def names(catalog: Catalog) -> list[str]:
    access = Policies([Policy(("authenticated",), ("*",))]).access(Principal("someone", "here"))
    return list(catalog.view(access).names)


def has(count: int, catalog: Catalog) -> bool:
    return len(names(catalog)) == count


# --- the first catalog -----------------------------------------------------------------------------------


async def test_the_first_catalog_has_every_service_that_answered() -> None:
    dialect = Scripted(jobs=described("get"), info=described("a", "b"), files=GONE)
    listener = Listener()
    services = [service("jobs"), service("info"), service("files")]
    async with discovering(services, dialect, on_change=listener, grace=FOREVER) as discovery:
        assert names(discovery.current) == ["info.a", "info.b", "jobs.get"]
        assert listener.catalogs == [discovery.current]
        assert discovery.current.down("files") == GONE.message


async def test_of_fifty_services_five_that_hang_delay_nobody() -> None:
    hanging = asyncio.Event()
    answers: dict[str, Any] = {f"s{number}": described("get") for number in range(50)}
    slow = ["s3", "s14", "s15", "s26", "s49"]
    answers |= {name: [hanging, described("late")] for name in slow}
    listener = Listener()
    services = [service(name, describe_timeout=FOREVER) for name in answers]
    async with discovering(services, Scripted(**answers), on_change=listener, grace=0.5) as discovery:
        assert len(names(discovery.current)) == 45
        assert discovery.current.down("s3") == "it has not answered yet"
        assert len(listener.catalogs) == 1
        hanging.set()
        last = await listener.until(lambda catalog: len(names(catalog)) == 50)
        assert last is discovery.current
        assert last.down("s3") is None


async def test_before_the_first_catalog_there_are_namespaces_without_methods() -> None:
    discovery = made([service()], Scripted(jobs=described("get")))
    assert names(discovery.current) == []
    assert discovery.current.down("jobs") == "it has not answered yet"


async def test_without_services_the_first_catalog_is_empty() -> None:
    async with discovering([]) as discovery:
        assert names(discovery.current) == []
        assert await discovery.refresh() == {}


async def test_the_version_does_not_depend_on_who_answers_first() -> None:
    versions = set()
    for seed in range(4):
        turns = [asyncio.Event() for _ in range(5)]
        answers: dict[str, Any] = {f"s{at}": [turn, described("get")] for at, turn in enumerate(turns)}
        listener = Listener()
        dialect = Scripted(**answers)
        async with discovering([service(name) for name in answers], dialect, on_change=listener, grace=0.0):
            random.Random(seed).shuffle(turns)
            for count, turn in enumerate(turns, 1):
                turn.set()
                await listener.until(partial(has, count))
            versions.add(listener.catalogs[-1].version)
    assert len(versions) == 1


async def test_a_service_may_offer_more_methods_than_are_made_on_the_loop() -> None:
    many = [f"m{number}" for number in range(2000)]
    async with discovering([service()], Scripted(jobs=described(*many))) as discovery:
        assert len(names(discovery.current)) == 2000


# --- services that do not answer -------------------------------------------------------------------------


async def test_a_service_that_goes_down_keeps_its_last_good_methods() -> None:
    dialect = Scripted(jobs=[described("get", "put"), GONE, described("get")])
    async with discovering([service()], dialect) as discovery:
        methods = discovery.current.listings["jobs"].items
        assert await discovery.refresh() == {"jobs": Change(why=GONE.message)}
        assert names(discovery.current) == ["jobs.get", "jobs.put"]
        assert discovery.current.down("jobs") == GONE.message
        assert all(
            item.method is methods[name].method
            for name, item in discovery.current.listings["jobs"].items.items()
        )
        assert await discovery.refresh() == {"jobs": Change(removed=("jobs.put",))}
        assert discovery.current.down("jobs") is None


@pytest.mark.parametrize("fault", [GONE, UpstreamBroken("answered HTML"), TooLarge("described in 100 MB")])
async def test_the_reason_is_kept_for_the_operator(fault: Fault) -> None:
    async with discovering([service()], Scripted(jobs=fault)) as discovery:
        health = discovery.health()["jobs"]
        assert (health.down, health.why, health.methods) == (True, fault.message, 0)
        assert health.since is not None


async def test_a_service_that_comes_up_late_is_there_soon() -> None:
    dialect = Scripted(jobs=[GONE] * 6 + [described("get")])
    listener = Listener()
    async with discovering([service()], dialect, on_change=listener, retries=Retries(0.001, 0.002)):
        assert names(listener.catalogs[0]) == []
        await listener.until(lambda catalog: names(catalog) == ["jobs.get"])
        assert dialect.asked["jobs"] == 7


async def test_a_dialect_that_forgets_its_deadline_is_stopped() -> None:
    never = asyncio.Event()
    async with discovering([service(describe_timeout=0.01)], Scripted(jobs=[never, GONE])) as discovery:
        assert discovery.health()["jobs"].why == "service jobs: no description within 0.01 s"


async def test_the_dialect_is_told_its_deadline() -> None:
    deadlines = []

    class Noting(Scripted):
        async def describe(self, service: Service, upstream: Upstream, deadline: float) -> Description:
            deadlines.append(deadline)
            return described("get")

    async with discovering([service(describe_timeout=7.0)], Noting(), monotonic=lambda: 100.0):
        assert deadlines == [107.0]


async def test_a_full_queue_towards_a_service_does_not_make_it_down() -> None:
    busy = Unavailable("too many calls wait for service jobs")
    async with discovering([service()], Scripted(jobs=[described("get"), busy])) as discovery:
        before = discovery.current
        assert await discovery.refresh() == {"jobs": Change(why=busy.message)}
        assert discovery.current is before
        assert discovery.current.down("jobs") is None


async def test_a_mistake_in_a_dialect_ends_nothing_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dialect = Scripted(jobs=[described("get"), ValueError("secret"), ValueError("secret"), described("put")])
    async with discovering([service()], dialect) as discovery:
        for _ in range(2):
            outcome = await discovery.refresh()
            assert "log tells more" in (outcome["jobs"].why or "")
        assert names(discovery.current) == ["jobs.get"]
        assert "secret" not in (discovery.current.down("jobs") or "")
        await discovery.refresh()
        assert names(discovery.current) == ["jobs.put"]
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


async def test_one_line_is_logged_for_each_change_of_state(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    other = UpstreamBroken("service jobs: answered HTML to rpc.discover")
    dialect = Scripted(jobs=[GONE, GONE, other, described("get", left_out=2), described("get"), GONE, GONE])
    async with discovering([service()], dialect) as discovery:
        for _ in range(6):
            await discovery.refresh()
    assert [record.getMessage() for record in caplog.records] == [
        f"service jobs is down: {GONE.message}",
        "service jobs is up, methods by rpc.fake: 1 (2 left out: their names cannot be used)",
        f"service jobs is down, known methods kept: 1: {GONE.message}",
    ]


async def test_changes_and_rules_that_cannot_be_applied_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    dialect = Scripted(jobs=[described("get"), described("get", "put"), described("get", "put")])
    ruled = service(rules={"p*": Rule(cache=CacheRule(1.0))})
    async with discovering([ruled], dialect) as discovery:
        await discovery.refresh()
        await discovery.refresh()
    first, second, third = (record.getMessage() for record in caplog.records)
    assert first == "service jobs is up, methods by rpc.fake: 1"
    assert second == "service jobs, methods added: 1, changed: 0, removed: 0"
    assert "cache rule for jobs.put is ignored" in third


# --- dialects --------------------------------------------------------------------------------------------


async def test_auto_takes_the_first_dialect_that_answers_and_stays_with_it() -> None:
    html = UpstreamBroken("answered HTML")
    first = Scripted("first", jobs=html)
    second = Scripted("second", jobs=described("get"))
    third = Scripted("third", jobs=described("never"))
    async with discovering([service(dialect="auto")], first, second, third) as discovery:
        assert names(discovery.current) == ["jobs.get"]
        offer = discovery.current.offer("jobs")
        assert offer is not None
        assert offer.dialect == discovery.health()["jobs"].dialect == "second"
        await discovery.refresh()
        assert (first.asked["jobs"], second.asked["jobs"], third.asked["jobs"]) == (1, 2, 0)


async def test_auto_tells_what_every_dialect_said_when_none_answers() -> None:
    dialects = [Scripted(kind, jobs=UpstreamBroken(f"no {kind}")) for kind in ("first", "second")]
    async with discovering([service(dialect="auto")], *dialects) as discovery:
        assert discovery.health()["jobs"].why == "no first; no second"


async def test_auto_asks_no_further_where_nothing_listens() -> None:
    first, second = Scripted("first", jobs=GONE), Scripted("second", jobs=described("get"))
    async with discovering([service(dialect="auto")], first, second) as discovery:
        assert discovery.health()["jobs"].why == GONE.message
        assert second.asked["jobs"] == 0


async def test_auto_does_not_take_the_operators_list_for_an_answer() -> None:
    listed, other = Scripted("listed", jobs=described("a")), Scripted("other", jobs=described("b"))
    async with discovering([service(dialect="auto")], listed, other) as discovery:
        assert names(discovery.current) == ["jobs.b"]
        assert not listed.asked


async def test_a_services_own_dialect_is_the_only_one_it_is_asked_in() -> None:
    other, own = Scripted("other", jobs=described("a")), Scripted("own", jobs=described("b"))
    async with discovering([service(dialect="own")], other, own) as discovery:
        assert names(discovery.current) == ["jobs.b"]
        assert not other.asked


# --- asking again ----------------------------------------------------------------------------------------


async def test_services_are_asked_again_at_their_own_intervals() -> None:
    dialect = Scripted(often=described("get"), rarely=described("get"))
    async with discovering([service("often", refresh=0.001), service("rarely")], dialect) as discovery:
        first = discovery.current
        await dialect.until_asked("often", 5)
        assert dialect.asked["rarely"] == 1
        assert discovery.current is first


async def test_a_refresh_tells_what_was_added_changed_and_removed() -> None:
    before = Description((Described("a"), Described("b"), Described("c")), "rpc.fake", "/")
    after = Description((Described("b", summary="new"), Described("c"), Described("d")), "rpc.fake", "/")
    dialect = Scripted(jobs=[before, after], info=described("x"))
    listener = Listener()
    async with discovering([service("jobs"), service("info")], dialect, on_change=listener) as discovery:
        outcome = await discovery.refresh()
        assert outcome == {"jobs": Change(("jobs.d",), ("jobs.b",), ("jobs.a",)), "info": Change()}
        assert [bool(change) for change in outcome.values()] == [True, False]
        assert len(listener.catalogs) == 2


async def test_a_refresh_of_one_service_asks_no_other() -> None:
    answers: dict[str, Any] = {"jobs": described("a"), "fly/info": described("b")}
    dialect = Scripted(**answers)
    services = [service("jobs"), service("info", datastack="fly")]
    async with discovering(services, dialect) as discovery:
        assert list(await discovery.refresh("fly/info")) == ["fly/info"]
        assert dialect.asked == {"jobs": 1, "fly/info": 2}
        with pytest.raises(LookupError, match="info"):
            await discovery.refresh("info")


async def test_a_refresh_is_answered_by_a_question_asked_after_it() -> None:
    under_way = asyncio.Event()
    dialect = Scripted(jobs=[described("old"), under_way, described("old"), described("new")])
    async with discovering([service()], dialect) as discovery:
        first = asyncio.create_task(discovery.refresh())
        await dialect.until_asked("jobs", 2)
        second = asyncio.create_task(discovery.refresh())
        await asyncio.sleep(0)
        under_way.set()
        assert await first == {"jobs": Change()}
        assert await second == {"jobs": Change(added=("jobs.new",), removed=("jobs.old",))}


async def test_a_refresh_whose_caller_has_gone_away_hurts_nobody() -> None:
    under_way = asyncio.Event()
    dialect = Scripted(jobs=[described("a"), under_way, described("b")])
    async with discovering([service()], dialect) as discovery:
        leaving = asyncio.create_task(discovery.refresh())
        await dialect.until_asked("jobs", 2)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        under_way.set()
        await discovery.refresh()
        assert names(discovery.current) == ["jobs.b"]


async def test_an_unknown_method_leads_to_one_question_in_thirty_seconds() -> None:
    dialect = Scripted(jobs=described("get"), info=described("get"))
    async with discovering([service("jobs"), service("info")], dialect) as discovery:
        now = 1000.0
        assert discovery.missing("jobs", now)
        await dialect.until_asked("jobs", 2)
        assert not any(discovery.missing("jobs", now + later) for later in (0.0, 10.0, MISSING_EVERY - 0.1))
        assert discovery.missing("info", now + 1)
        await dialect.until_asked("info", 2)
        assert discovery.missing("jobs", now + MISSING_EVERY)
        await dialect.until_asked("jobs", 3)
        assert not discovery.missing("nobody", now)
        assert dialect.asked == {"jobs": 3, "info": 2}


async def test_a_call_that_did_not_arrive_leads_to_an_early_question() -> None:
    dialect = Scripted(jobs=[described("get"), described("get"), GONE])
    listener = Listener()
    async with discovering([service()], dialect, on_change=listener) as discovery:
        assert discovery.suspect("jobs", 0.0)
        await dialect.until_asked("jobs", 2)
        assert not discovery.suspect("jobs", SUSPECT_EVERY - 0.1)
        assert discovery.suspect("jobs", SUSPECT_EVERY)
        await listener.until(lambda catalog: catalog.down("jobs") is not None)
        assert not discovery.suspect("jobs", 100.0)
        assert not discovery.suspect("nobody", 0.0)


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (5000, 60)])
def test_a_service_that_is_down_is_asked_after_pauses_that_double_up_to_a_minute(
    failures: int, seconds: float
) -> None:
    assert pause(service(), failures, Retries()) == pytest.approx(seconds, rel=0.1)


def test_each_service_has_its_own_part_of_the_interval_and_always_the_same() -> None:
    pauses = [pause(service(f"s{number}", refresh=300.0), 0, Retries()) for number in range(100)]
    assert pauses == [pause(service(f"s{number}", refresh=300.0), 0, Retries()) for number in range(100)]
    assert len(set(pauses)) == 100
    assert 270 <= min(pauses) < 280
    assert 320 < max(pauses) <= 330


# --- beginning and ending --------------------------------------------------------------------------------


async def test_closing_ends_every_task_and_fails_who_waits() -> None:
    never = asyncio.Event()
    dialect = Scripted(jobs=[described("get"), never, described("get")])
    before = asyncio.all_tasks()
    discovery = made([service(describe_timeout=FOREVER)], dialect)
    await discovery.start()
    under_way = asyncio.create_task(discovery.refresh())
    await dialect.until_asked("jobs", 2)
    waiting = asyncio.create_task(discovery.refresh())
    await asyncio.sleep(0)
    await discovery.close()
    outcomes = await asyncio.gather(under_way, waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]
    assert asyncio.all_tasks() == before
    await discovery.close()
    with pytest.raises(Unavailable):
        await discovery.refresh()


async def test_a_start_that_is_cancelled_leaves_no_task() -> None:
    dialect = Scripted(jobs=[asyncio.Event(), described("get")])
    before = asyncio.all_tasks()
    discovery = made([service(describe_timeout=FOREVER)], dialect, grace=FOREVER)
    starting = asyncio.create_task(discovery.start())
    await dialect.until_asked("jobs", 1)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert asyncio.all_tasks() == before


async def test_a_listener_that_fails_does_not_end_discovery(caplog: pytest.LogCaptureFixture) -> None:
    def failing(_: Catalog) -> None:
        raise ValueError("no")

    dialect = Scripted(jobs=[described("a"), described("b"), described("c")])
    async with discovering([service()], dialect, on_change=failing) as discovery:
        await discovery.refresh()
        await discovery.refresh()
        assert names(discovery.current) == ["jobs.c"]
    assert [record.levelname for record in caplog.records].count("ERROR") == 3


# --- services that are left alone ------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 600])
async def test_a_service_that_is_left_alone_has_its_methods_marked_until_it_is_asked_again(count) -> None:
    listener = Listener()
    dialect = Scripted(jobs=described(*(f"m{number}" for number in range(count))), info=described("get"))
    services = [service("jobs"), service("info")]
    async with discovering(services, dialect, on_change=listener) as discovery:
        discovery.turned("jobs", "too many requests to it failed", 0.0)
        marked = await listener.until(lambda catalog: catalog.down("jobs") is not None)
        assert marked.down("jobs") == "too many requests to it failed"
        assert (marked.down("info"), len(names(marked))) == (None, count + 1)
        discovery.turned("nobody", "no such service", 0.0)
        discovery.turned("jobs", None, 1.0)
        assert (await listener.until(lambda catalog: catalog.down("jobs") is None)) is discovery.current


async def test_a_service_that_is_left_alone_is_asked_soon_what_it_offers() -> None:
    dialect = Scripted(jobs=[described("get"), GONE])
    listener = Listener()
    async with discovering([service("jobs")], dialect, on_change=listener) as discovery:
        discovery.turned("jobs", "too many requests to it failed", 0.0)
        gone = await listener.until(lambda catalog: catalog.down("jobs") == GONE.message)
        assert names(gone) == ["jobs.get"]


async def test_a_service_of_more_methods_than_are_taken_is_told_of_the_limit(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    dialect = Scripted(jobs=[described("get", "put", left_out=3)])
    async with discovering([service(max_methods=2)], dialect) as discovery:
        await discovery.refresh()
    assert [record.getMessage() for record in caplog.records] == [
        "service jobs is up, methods by rpc.fake: 2 (3 left out: no more than `limits.methods` are taken)"
    ]
