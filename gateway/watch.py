"""What is known of one service, and when is it asked again?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from zlib import crc32

from msgspec import Struct

from gateway.core.faults import Fault
from gateway.core.listing import Change, Listing, Offer, list_of
from gateway.core.ports import Dialect
from gateway.core.service import Description, Service
from gateway.core.upstream import Upstream

LARGE: Final = 500
"""Listings of more methods are made in a thread: ten thousand take a tenth of a second."""

_JITTER: Final = 0.1


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
        self.notice = ""
        self.left_alone: str | None = None
        self.failures = 0
        self.questions = self.unanswered = 0
        """How often this process has asked it, and had no answer."""
        self.asked: float | None = None
        self.since: float | None = None
        self.early: dict[str, float] = {}
        self.adopted: tuple[Description, str] | None = None
        """What replicas have agreed on since it was asked, and the kind of its dialect."""
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
        return None if why is None else replace(self.offer, down=True, why=why, notice=self.notice)

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

    @property
    def health(self) -> Health:
        """The service's state for the operator."""
        offer = self.offer
        return Health(
            down=offer.down,
            why=offer.why,
            dialect=offer.dialect,
            convention=offer.description.convention if offer.description else "",
            version=offer.description.version if offer.description else "",
            methods=len(self.listing.items),
            left_out=self.listing.left_out,
            since=self.since,
            asked=self.asked,
        )


async def listing_of(offer: Offer, previous: Listing) -> Listing:
    """The listing of an offer; a large one is made in a thread."""
    if offer.description is not None and len(offer.description.methods) > LARGE:
        return await asyncio.to_thread(_large_listing, offer, previous)
    return list_of(offer, previous)


def _large_listing(offer: Offer, previous: Listing) -> Listing:
    """The listing, with its operations written already: nobody who asks for them should wait so long."""
    listing = list_of(offer, previous)
    _ = listing.operations
    return listing
