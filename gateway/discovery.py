"""What does every service offer at this moment, and when is it asked again?"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final
from zlib import crc32

import msgspec
from msgspec import Struct

from gateway.core.catalog import Catalog
from gateway.core.faults import (
    DeadlineExceeded,
    Fault,
    Unavailable,
    UpstreamBroken,
    UpstreamUnreachable,
)
from gateway.core.listing import Change, Listing, Offer, changes, list_of
from gateway.core.ports import Dialect, Upstream
from gateway.core.service import Description, Service

MISSING_EVERY: Final = 30.0
"""Seconds between two early questions because a service did not know a method."""
SUSPECT_EVERY: Final = 5.0
"""Seconds between two early questions because a call did not reach a service."""

# The dialect's own deadline comes first, and says more.
_PATIENCE: Final = 1.1
_JITTER: Final = 0.1
# Listings of more methods are made in a thread: ten thousand take a tenth of a second.
_LARGE: Final = 500

_PLAIN: Final = "listed"
_NAMED_ONLY: Final = frozenset({"cave"})
"""Dialects that are spoken where the settings say so: what they understand are several services at once."""
_MISTAKE: Final = "the gate could not use its description; the gate's log tells more"

log = logging.getLogger(__name__)


class Retries(Struct, frozen=True):
    """How soon a service that is down is asked again: after `first` seconds, then twice as many, at most `most`."""

    first: float = 1.0
    most: float = 60.0


class Health(Struct, frozen=True):
    """A service's state for the operator.

    `since` is when it became so, `asked` when it was last asked, both on the monotonic clock; None before the first
    answer or failure.
    """

    down: bool
    why: str | None
    dialect: str
    convention: str
    version: str
    methods: int
    left_out: int
    since: float | None
    asked: float | None


def pause(service: Service, failures: int, retries: Retries) -> float:
    """Seconds until the service is asked again, after so many failures in a row.

    Each service has its own share of spread, always the same, so that all are not asked at once.
    """
    spread = 1 + _JITTER * (2 * crc32(service.qualified.encode()) / 0xFFFFFFFF - 1)
    if not failures:
        return service.refresh * spread
    return min(retries.first * 2.0 ** min(failures - 1, 32), retries.most) * spread


class Watch:
    """One service, and what is known of it."""

    def __init__(self, service: Service, upstream: Upstream, dialects: Sequence[Dialect]) -> None:
        self.service = service
        self.upstream = upstream
        self.dialects = dialects
        self.listing = list_of(Offer(service, down=True, why="it has not answered yet"))
        self.shown = self.listing
        self.withheld: str | None = None
        self.left_alone: str | None = None
        self.failures = 0
        self.asked: float | None = None
        self.since: float | None = None
        self.early: dict[str, float] = {}
        self.settled = asyncio.Event()
        self.wake = asyncio.Event()
        self.asking: list[asyncio.Future[Change]] = []
        self.waiting: list[asyncio.Future[Change]] = []

    @property
    def offer(self) -> Offer:
        return self.listing.offer

    def show(self) -> None:
        """Choose what the catalog holds: the listing, its methods marked as down where the service is not asked."""
        self.shown = self.listing
        marked = self.marked
        if marked is not None:
            self.shown = list_of(marked, self.listing)

    @property
    def marked(self) -> Offer | None:
        """The offer as it is shown where the service is not asked; None where it is."""
        why = self.withheld or (None if self.offer.down else self.left_alone)
        return None if why is None else replace(self.offer, down=True, why=why)

    def nudge(self, reason: str, every: float, now: float) -> bool:
        """Wake early, unless this reason did so less than `every` seconds ago."""
        last = self.early.get(reason)
        if last is not None and now - last < every:
            return False
        self.early[reason] = now
        self.wake.set()
        return True

    def give_up(self, outcome: Change | Fault) -> None:
        """Tell this to those who wait for an answer: there will be none."""
        for future in (*self.asking, *self.waiting):
            if future.done():
                continue
            if isinstance(outcome, Change):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)
        self.asking, self.waiting = [], []
        self.settled.set()

    def request(self) -> asyncio.Future[Change]:
        """The outcome of a question that is yet to be asked."""
        future: asyncio.Future[Change] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        self.wake.set()
        return future


class Discovery:
    """Asks every service what it offers, each at its own pace, and keeps the catalog of the answers.

    A service that does not answer keeps its last good methods, marked as down, and delays nobody. `dialects` are
    tried in their order where a service's dialect is `auto`; `upstreams` are by the services' qualified names.
    `on_change` is called with each new catalog, and `on_described` with each new description, before: it may `add` and `drop`
    services. `monotonic` gives the time by which deadlines are set, in seconds.
    `with_token` gives the gate's own token to a service for which it is asked for elsewhere.
    `grace` is how many seconds the first catalog waits for services that are slow to answer.
    """

    def __init__(
        self,
        services: Iterable[Service],
        dialects: Mapping[str, Dialect],
        upstreams: Mapping[str, Upstream],
        *,
        release: str,
        monotonic: Callable[[], float],
        on_change: Callable[[Catalog], None] = lambda _: None,
        on_described: Callable[[Service, Description], None] = lambda *_: None,
        with_token: Callable[[Service], Awaitable[Service]] | None = None,
        grace: float = 2.0,
        retries: Retries | None = None,
    ) -> None:
        self._dialects = dialects
        self._watches = {
            one.qualified: Watch(one, upstreams[one.qualified], _candidates(one, dialects))
            for one in services
        }
        self._release = release
        self._monotonic = monotonic
        self._on_change = on_change
        self._on_described = on_described
        self._with_token = with_token
        self._grace = grace
        self._retries = retries or Retries()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._showing: set[asyncio.Task[None]] = set()
        self._is_public = False
        self._current = self._catalog()

    @property
    def current(self) -> Catalog:
        """The catalog at this moment; before the first answers it has namespaces and no methods."""
        return self._current

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
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._follow(watch), name=f"discovery of {name}")

    async def close(self) -> None:
        """Stop asking; returns when no task is left."""
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
        watch = self._watches[name] = Watch(service, upstream, _candidates(service, self._dialects))
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

    def withhold(self, service: str, why: str | None) -> None:
        """Mark every method of a service (by its qualified name) as down, whatever it answers; None ends that.

        It is asked as before, so that its health is known when it comes back. Raises `LookupError`.
        """
        watch = self._watches[service]
        if watch.withheld != why:
            watch.withheld = why
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
        if len(watch.listing.items) > _LARGE:
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
        return {name: _health(watch) for name, watch in sorted(self._watches.items())}

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
        listing, why = await self._attempt(watch)
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

    async def _attempt(self, watch: Watch) -> tuple[Listing, str | None]:
        """The service's listing after one question, and why there was no answer."""
        try:
            description, kind = await self._describe(watch)
            return await listing_of(Offer(watch.service, description, dialect=kind), watch.listing), None
        except Unavailable as fault:
            # The gate's own calls fill the queue: that says nothing of the service.
            return watch.listing, fault.message
        except Fault as fault:
            why = fault.message
        except Exception:
            # A mistake of ours must not end the watch over a service.
            why = _MISTAKE
            if watch.offer.why != why:
                log.exception("service %s: its description could not be used", watch.service.qualified)
        return await listing_of(replace(watch.offer, down=True, why=why), watch.listing), why

    async def _describe(self, watch: Watch) -> tuple[Description, str]:
        """The description, and the kind of the dialect that understood the service."""
        service, known = watch.service, watch.offer.dialect
        faults: list[Fault] = []
        dialects = sorted(watch.dialects, key=lambda one: one.kind != known or one.kind == _PLAIN)
        if known not in ("", _PLAIN):
            # What described itself once has not become a plain service because it does not answer as it did.
            dialects = [one for one in dialects if one.kind != _PLAIN or len(dialects) == 1]
        for dialect in dialects:
            deadline = self._monotonic() + service.describe_timeout
            try:
                async with asyncio.timeout(service.describe_timeout * _PATIENCE):
                    asking = service if dialect.kind == _PLAIN else await self._equipped(service)
                    return await dialect.describe(asking, watch.upstream, deadline), dialect.kind
            except UpstreamUnreachable:
                raise
            except TimeoutError:
                faults.append(
                    DeadlineExceeded(
                        f"service {service.qualified}: no description within {service.describe_timeout:g} s"
                    )
                )
            except Fault as fault:
                faults.append(fault)
        if len(faults) == 1:
            raise faults[0]
        raise UpstreamBroken(
            "; ".join(fault.message for fault in faults) or f"no dialect for {service.qualified}"
        )

    async def _equipped(self, service: Service) -> Service:
        """The service with the token that the gate asks it with."""
        if self._with_token is None:
            return service
        try:
            return await self._with_token(service)
        except Unavailable as fault:
            raise UpstreamBroken(fault.message) from fault

    def _settle(self, watch: Watch, listing: Listing) -> Change:
        before, watch.listing = watch.listing, listing
        watch.show()
        description = listing.offer.description
        if description is not None and description is not before.offer.description:
            self._on_described(watch.service, description)
        change = changes(before, listing)
        turned = watch.since is None or before.offer.down != listing.offer.down
        if turned:
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
        return Catalog((watch.shown for watch in self._watches.values()), release=self._release)

    def _publish(self) -> None:
        self._current = self._catalog()
        try:
            self._on_change(self._current)
        except Exception:
            # Whoever listens must not stop the watch over the services.
            log.exception("a listener to changes of the catalog failed")


def _candidates(service: Service, dialects: Mapping[str, Dialect]) -> Sequence[Dialect]:
    if service.dialect != "auto":
        return [dialects[service.dialect]]
    # Whatever is asked in it, `listed` answers with what the operator wrote down: so it comes last, and only where
    # there is something to reach without a description.
    plain = service.mount is not None or service.has_port
    kinds = dialects.keys() - _NAMED_ONLY - (set() if plain else {_PLAIN})
    return [dialect for kind, dialect in dialects.items() if kind in kinds]


async def listing_of(offer: Offer, previous: Listing) -> Listing:
    """The listing of an offer; a large one is made in a thread."""
    if offer.description is not None and len(offer.description.methods) > _LARGE:
        return await asyncio.to_thread(_large_listing, offer, previous)
    return list_of(offer, previous)


def _large_listing(offer: Offer, previous: Listing) -> Listing:
    """The listing, with its operations written already: nobody who asks for them should wait so long."""
    listing = list_of(offer, previous)
    _ = listing.operations
    return listing


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
    left_out = f" ({listing.left_out} unusable names left out)" if listing.left_out else ""
    log.info("service %s is up, methods by %s: %d%s", name, convention or offer.dialect, count, left_out)


def _health(watch: Watch) -> Health:
    offer = watch.offer
    return Health(
        down=offer.down,
        why=offer.why,
        dialect=offer.dialect,
        convention=offer.description.convention if offer.description else "",
        version=offer.description.version if offer.description else "",
        methods=len(watch.listing.items),
        left_out=watch.listing.left_out,
        since=watch.since,
        asked=watch.asked,
    )
