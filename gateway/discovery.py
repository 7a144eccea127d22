"""What does every service offer at this moment, and when is it asked again?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Final

import msgspec

from gateway.core.catalog import Catalog
from gateway.core.faults import Unavailable
from gateway.core.listing import Change, Listing, changes
from gateway.core.ports import Dialect
from gateway.core.service import Description, Service
from gateway.core.upstream import Upstream
from gateway.descriptions import Agreement, Descriptions, candidates
from gateway.watch import LARGE, Health, Retries, Watch, listing_of, pause

MISSING_EVERY: Final = 30.0
"""Seconds between two early questions because a service did not know a method."""
SUSPECT_EVERY: Final = 5.0
"""Seconds between two early questions because a call did not reach a service."""

log = logging.getLogger(__name__)


class Discovery:
    """Asks every service what it offers, each at its own pace, and keeps the catalog of the answers.

    A service that does not answer keeps its last good methods, marked as down, and delays nobody. `dialects` are
    tried in their order where a service's dialect is `auto`; `upstreams` are by the services' qualified names.
    `on_change` is called with each new catalog, and `on_described` with each new description, before: it may `add` and `drop`
    services. `monotonic` gives the time by which deadlines are set, in seconds.
    `with_token` gives the gate's own token to a service for which it is asked for elsewhere.
    `grace` is how many seconds the first catalog waits for services that are slow to answer. `agreement` is with the replicas.
    """

    def __init__(
        self,
        services: Iterable[Service],
        dialects: Mapping[str, Dialect],
        upstreams: Mapping[str, Upstream],
        *,
        release: str,
        keeps: float = 0.0,
        monotonic: Callable[[], float],
        on_change: Callable[[Catalog], None] = lambda _: None,
        on_described: Callable[[Service, Description], None] = lambda *_: None,
        with_token: Callable[[Service], Awaitable[Service]] | None = None,
        grace: float = 2.0,
        retries: Retries | None = None,
        agreement: Agreement | None = None,
    ) -> None:
        self._dialects = dialects
        self._agreement = agreement
        self._watches = {
            one.qualified: Watch(one, upstreams[one.qualified], candidates(one, dialects)) for one in services
        }
        self._release = release
        self._keeps = keeps
        self._monotonic = monotonic
        self._on_change = on_change
        self._on_described = on_described
        self._asker = Descriptions(monotonic, with_token, agreement)
        self._grace = grace
        self._retries = retries or Retries()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._showing: set[asyncio.Task[None]] = set()
        self._is_public = False
        self._over = False
        self._current = self._catalog()

    @property
    def current(self) -> Catalog:
        """The catalog at this moment; before the first answers it has namespaces and no methods."""
        return self._current

    async def remember(self, before: Discovery) -> None:
        """Know what another one was told by the services that are the same here, until they have answered us.

        So a service that is down when the settings are taken anew keeps its methods. To be called before `start`.
        """
        left = dict(before._watches)
        # What one service says may bring others, which are remembered in the next round.
        while found := [watch for name, watch in self._watches.items() if name in left]:
            for watch in found:
                known = left.pop(watch.service.qualified)
                description = known.offer.description
                if description is None or not _is_same(known.service, watch.service):
                    continue
                watch.listing = await listing_of(replace(known.offer, service=watch.service), watch.listing)
                watch.show()
                self._on_described(watch.service, description)
        self._current = self._catalog()

    async def start(self) -> None:
        """Ask every service; returns with the first catalog: when all have answered or failed, or after `grace`."""
        self._follow_all()
        try:
            async with asyncio.timeout(self._grace):
                while waiting := [one for one in self._watches.values() if not one.settled.is_set()]:
                    await waiting[0].settled.wait()  # what it says may bring others
        except TimeoutError:
            slow = [name for name, watch in self._watches.items() if not watch.settled.is_set()]
            log.warning("starting without %s: no answer yet", ", ".join(slow))
        except BaseException:
            await self.close()
            raise
        self._is_public = True
        self._publish()

    def _follow_all(self) -> None:
        for watch in list(self._watches.values()):
            self._begin(watch)

    def _begin(self, watch: Watch) -> None:
        name = watch.service.qualified
        if name not in self._tasks and not self._over:
            self._tasks[name] = asyncio.create_task(self._follow(watch), name=f"discovery of {name}")

    async def close(self) -> None:
        """Stop asking, for good; returns when no task is left."""
        self._over = True
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._showing, return_exceptions=True)
        for watch in self._watches.values():
            watch.give_up(Unavailable("the gate is going down: try again later"))

    def add(self, service: Service, upstream: Upstream) -> None:
        """Know of one more service, or of one that has changed, and ask it from now on.

        Its methods are in the next catalog that it answers for; who adds it while another has described itself need not
        wait: see `on_described`.
        """
        name = service.qualified
        self.drop(name)
        watch = self._watches[name] = Watch(service, upstream, candidates(service, self._dialects))
        if self._tasks:
            self._begin(watch)

    def drop(self, name: str) -> None:
        """Forget the service of this qualified name, if there is one."""
        watch = self._watches.pop(name, None)
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
        if watch is not None:
            watch.give_up(Change(why="the service is no more"))

    def publish(self) -> None:
        """Have what was added or dropped known, where nothing else will."""
        if self._is_public:
            self._publish()

    async def __aenter__(self) -> Discovery:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def refresh(self, service: str | None = None) -> Mapping[str, Change]:
        """Ask one service (by its qualified name) or all of them now; what changed in each.

        Raises `LookupError` for a name that no service has, `Unavailable` when discovery has ended.
        """
        if service is not None and service not in self._watches:
            raise LookupError(f"no service is called {service}")
        if len(self._tasks) < len(self._watches):
            raise Unavailable("the gate is not asking its services: try again later")
        names = [service] if service is not None else list(self._watches)
        outcomes = await asyncio.gather(*(self._watches[name].request() for name in names))
        return dict(zip(names, outcomes, strict=True))

    def missing(self, service: str, now: float) -> bool:
        """A service did not know a method that it had listed: ask it again soon. False when it was just asked."""
        watch = self._watches.get(service)
        return watch is not None and watch.nudge("missing", MISSING_EVERY, now)

    def suspect(self, service: str, now: float) -> bool:
        """A call did not reach a service: ask soon whether it is down. False when that is known or just asked."""
        watch = self._watches.get(service)
        return watch is not None and not watch.offer.down and watch.nudge("suspect", SUSPECT_EVERY, now)

    @property
    def asks(self) -> bool:
        """Whether the services are asked here: not before the start, nor where another worker does."""
        return bool(self._tasks)

    def adopt(self, service: str, description: Description, dialect: str) -> None:
        """Advertise this of a service: replicas have agreed on it."""
        watch = self._watches.get(service)
        if watch is not None:
            watch.adopted = description, dialect
            watch.wake.set()

    def nudge(self, service: str) -> None:
        """Ask a service now: a replica has seen it go down, or come back."""
        watch = self._watches.get(service)
        if watch is not None:
            watch.wake.set()

    def withhold(self, service: str, why: str | None, notice: str = "") -> None:
        """Mark every method of a service (by its qualified name) as down, whatever it answers; None ends that.

        It is asked as before, so that its health is known when it comes back. `notice` is for its callers to read. Raises
        `LookupError`.
        """
        watch = self._watches[service]
        if (watch.withheld, watch.notice) != (why, notice):
            watch.withheld, watch.notice = why, notice
            watch.show()
            self._publish()

    def turned(self, service: str, why: str | None, now: float) -> None:
        """Calls of a service are refused from now on, because too many failed; None = they are not any more.

        Until then its methods are marked as down; it is asked soon whether it is.
        """
        watch = self._watches.get(service)
        if watch is None or watch.left_alone == why:
            return
        watch.left_alone = why
        if len(watch.listing.items) > LARGE:
            task = asyncio.create_task(self._show(watch), name=f"marks of {service}")
            self._showing.add(task)
            task.add_done_callback(self._showing.discard)
        else:
            watch.show()
            self.publish()
        if why is not None:
            self.suspect(service, now)

    async def _show(self, watch: Watch) -> None:
        """Show a large listing with its marks, which are made in a thread."""
        listing, why, marked = watch.listing, watch.left_alone, watch.marked
        shown = listing if marked is None else await listing_of(marked, listing)
        if (watch.listing, watch.left_alone) == (listing, why):
            watch.shown = shown
            self.publish()

    def health(self) -> Mapping[str, Health]:
        """The state of every service, by qualified name."""
        return {name: watch.health for name, watch in sorted(self._watches.items())}

    def questions(self) -> Iterator[tuple[tuple[str, str], float]]:
        """How often each service was asked what it offers, by whether it answered; for metrics."""
        for name, watch in sorted(self._watches.items()):
            yield (name, "answered"), float(watch.questions - watch.unanswered)
            yield (name, "failed"), float(watch.unanswered)

    # --- one service -------------------------------------------------------------------------------------

    async def _follow(self, watch: Watch) -> None:
        while True:
            watch.wake.clear()
            watch.asking, watch.waiting = watch.waiting, []
            change = await self._ask(watch)
            for future in watch.asking:
                if not future.done():
                    future.set_result(change)
            watch.asking = []
            watch.settled.set()
            await _woken(watch.wake, pause(watch.service, watch.failures, self._retries))

    async def _ask(self, watch: Watch) -> Change:
        listing, why = await self._asker.attempt(watch)
        watch.questions += 1
        watch.unanswered += why is not None
        change = self._note(watch, listing, why)
        await self._tell(watch, why)
        return change

    async def _tell(self, watch: Watch, why: str | None) -> None:
        """The service was asked: here nobody else needs to know."""

    def _note(self, watch: Watch, listing: Listing, why: str | None) -> Change:
        """Know what the service answered just now, or why it did not."""
        watch.asked = self._monotonic()
        watch.failures = 0 if why is None else watch.failures + 1
        return msgspec.structs.replace(self._settle(watch, listing), why=why)

    def _settle(self, watch: Watch, listing: Listing) -> Change:
        before, watch.listing = watch.listing, listing
        watch.show()
        description = listing.offer.description
        if description is not None and description is not before.offer.description:
            self._on_described(watch.service, description)
        change = changes(before, listing)
        turned = watch.since is None or before.offer.down != listing.offer.down
        if turned:
            if self._agreement is not None and self._tasks and watch.since is not None:
                self._agreement.turned(watch.service.qualified)
            watch.since = watch.asked
        self._report(before, listing, None if turned else change)
        if listing is not before and self._is_public:
            self._publish()
        return change

    def _report(self, before: Listing, after: Listing, change: Change | None) -> None:
        """Log what is new of a service; without a change it has turned up or down."""
        if change is None:
            _log_state(after)
        elif change:
            log.info(
                "service %s, methods added: %d, changed: %d, removed: %d",
                after.service.qualified,
                len(change.added),
                len(change.changed),
                len(change.removed),
            )
        if after.warnings != before.warnings:
            for warning in after.warnings:
                log.warning("%s", warning)

    # --- all services ------------------------------------------------------------------------------------

    def _catalog(self) -> Catalog:
        shown = (watch.shown for watch in self._watches.values())
        return Catalog(shown, release=self._release, keeps=self._keeps)

    def _publish(self) -> None:
        self._current = self._catalog()
        try:
            self._on_change(self._current)
        except Exception:
            # Whoever listens must not stop the watch over the services.
            log.exception("a listener to changes of the catalog failed")


def _is_same(one: Service, other: Service) -> bool:
    """Whether what the one has said of itself is what the other would say."""
    mine, its = (
        (each.urls, each.dialect, each.names, each.rpc_path, each.describe_path) for each in (one, other)
    )
    return mine == its


async def _woken(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


def _log_state(listing: Listing) -> None:
    offer, name, count = listing.offer, listing.service.qualified, len(listing.items)
    if offer.down:
        kept = f", known methods kept: {count}" if count else ""
        log.warning("service %s is down%s: %s", name, kept, offer.why)
        return
    convention = offer.description.convention if offer.description else ""
    full = count >= listing.service.max_methods
    why = "no more than `limits.methods` are taken" if full else "their names cannot be used"
    left_out = f" ({listing.left_out} left out: {why})" if listing.left_out else ""
    log.info("service %s is up, methods by %s: %d%s", name, convention or offer.dialect, count, left_out)
