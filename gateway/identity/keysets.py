"""Where do an issuer's keys come from, and how do they stay fresh?"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from aiohttp import ClientSession
from cachetools import LRUCache

from gateway.core.claims import Issuer, shown
from gateway.core.faults import Unavailable
from gateway.identity.asking import FAILURES, TooLargeError, asked, is_safe
from gateway.identity.errors import IdentityError
from gateway.identity.jwks import MAX_BYTES, Key, KeyRing, KeySetError, read_keys
from gateway.identity.metadata import keys_address

log = logging.getLogger("labgate.identity")

LIFE = 300.0
"""Seconds that fetched keys serve, where their answer does not say it."""

LIVES = (60.0, 3600.0)
"""The shortest and the longest life that an answer's `Cache-Control: max-age` may give."""

LAST_GOOD = 86400.0
"""Seconds that the last good keys serve while newer ones cannot be had."""

RETRY = 5.0
"""Seconds from a failed fetch to the next."""

UNKNOWN = 30.0
"""Seconds between two fetches for the sake of key ids that are not in the set."""

ABSENT = 300.0
"""Seconds that a key id counts as absent after a fetch that did not bring it."""

_ABSENT_IDS = 1024
_STEP = 60.0  # Callers who waited bring a time that is a little old, and clocks are adjusted.
_max_age = re.compile(r"(?:^|[\s,])max-age=\"?(\d{1,9})", re.ASCII | re.IGNORECASE)


class KeySource(Protocol):
    """The keys of one issuer."""

    async def find(self, key_id: str | None, algorithm: str, now: float) -> Key:
        """The key for a signature. Raises `Unauthenticated`, or `Unavailable` while no keys can be had."""

    def start(self, now: float) -> None:
        """Begin to have keys ready."""

    async def close(self) -> None:
        """End what runs in the background."""


class FixedKeys:
    """Keys that stay as they are."""

    def __init__(self, issuer: Issuer, ring: KeyRing) -> None:
        self._issuer = issuer
        self._ring = ring

    async def find(self, key_id: str | None, algorithm: str, now: float) -> Key:  # noqa: ARG002 - the port's
        """See `KeySource`."""
        return _found(self._ring, key_id, algorithm, self._issuer)

    def start(self, now: float) -> None:
        """See `KeySource`."""

    async def close(self) -> None:
        """See `KeySource`."""


class FileKeys:
    """Keys of a file, read again when it changes; a file that is broken or gone leaves the last good keys."""

    def __init__(self, issuer: Issuer, path: Path, on_withdrawn: Callable[[], None]) -> None:
        """Raises IdentityError when the file cannot be used."""
        self._issuer = issuer
        self._path = path
        self._on_withdrawn = on_withdrawn
        self._seen = self._stamp()
        try:
            self._ring = self._read()
        except (OSError, KeySetError) as error:
            raise IdentityError(f"the keys of {issuer.issuer} cannot be read from {path}: {error}") from error

    async def find(self, key_id: str | None, algorithm: str, now: float) -> Key:  # noqa: ARG002 - the port's
        """See `KeySource`."""
        self._refresh()
        return _found(self._ring, key_id, algorithm, self._issuer)

    def start(self, now: float) -> None:
        """See `KeySource`."""

    async def close(self) -> None:
        """See `KeySource`."""

    def _refresh(self) -> None:
        seen = self._stamp()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            ring = self._read()
        except (OSError, KeySetError) as error:
            log.warning("%s: the keys of %s stay as they were: %s", self._path, self._issuer.issuer, error)
            return
        before, self._ring = self._ring, ring
        if not ring.covers(before):
            self._on_withdrawn()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            now = self._path.stat()
        except OSError:
            return None
        return now.st_ino, now.st_size, now.st_mtime_ns

    def _read(self) -> KeyRing:
        with self._path.open("rb") as file:
            return read_keys(file.read(MAX_BYTES + 1))


class UrlKeys:
    """Keys of an address (https; http on loopback), fetched when needed and refreshed in the background.

    One fetch at a time, however many wait for it. Time comes in with each look-up, in seconds since 1970.
    """

    def __init__(
        self, issuer: Issuer, url: str | None, session: ClientSession, on_withdrawn: Callable[[], None]
    ) -> None:
        """Without a `url` the issuer's metadata tells it, which is read until it did, and then no more.

        Raises IdentityError when keys fetched from there could be replaced on the way.
        """
        if not is_safe(url or issuer.issuer):
            raise IdentityError(
                f"the keys of {issuer.issuer} come from an address that is neither https nor http on loopback"
            )
        self._issuer = issuer
        self._url = url
        self._session = session
        self._on_withdrawn = on_withdrawn
        self._ring: KeyRing | None = None
        self._fetched = self._attempted = self._sought = float("-inf")
        self._life = LIFE
        self._failing = False
        self._flight: asyncio.Task[None] | None = None
        self._absent: LRUCache[str, float] = LRUCache(_ABSENT_IDS)

    async def find(self, key_id: str | None, algorithm: str, now: float) -> Key:
        """See `KeySource`. A key id that is not in the set is worth one fetch in `UNKNOWN` seconds."""
        ring = await self._fresh(now)
        if key_id is not None and ring.find(key_id, algorithm) is None:
            ring = await self._sought_anew(key_id, algorithm, now, ring)
        return _found(ring, key_id, algorithm, self._issuer)

    def start(self, now: float) -> None:
        """See `KeySource`."""
        self._fetch(now)

    async def close(self) -> None:
        """See `KeySource`."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def _fresh(self, now: float) -> KeyRing:
        """The keys as of less than their life ago; the last good ones while newer cannot be had."""
        if not _within(now, self._fetched, 0.8 * self._life) and not (
            self._failing and _within(now, self._attempted, RETRY)
        ):
            self._fetch(now)
        over = not _within(now, self._fetched, self._life) and not self._failing
        if self._flight is not None and (self._ring is None or over):
            await asyncio.shield(self._flight)
        if self._ring is None or now - self._fetched >= LAST_GOOD:
            raise self._unavailable()
        return self._ring

    async def _sought_anew(self, key_id: str, algorithm: str, now: float, ring: KeyRing) -> KeyRing:
        """The keys after a look whether this one is new; the same ones where that was looked up lately."""
        if self._flight is not None:
            await asyncio.shield(self._flight)
            ring = self._ring or ring
            if ring.find(key_id, algorithm) is not None:
                return ring
        absent_until = self._absent.get(key_id)
        if _within(now, self._sought, UNKNOWN) or (absent_until is not None and now < absent_until):
            return ring
        self._sought = now
        await asyncio.shield(self._fetch(now))
        ring = self._ring or ring
        if not self._failing and ring.find(key_id, algorithm) is None:
            self._absent[key_id] = now + ABSENT
        return ring

    def _fetch(self, now: float) -> asyncio.Task[None]:
        """The fetch that is under way, or a new one; it never raises."""
        if self._flight is None:
            self._attempted = now
            self._flight = asyncio.create_task(self._fly(now), name=f"keys of {self._issuer.issuer}")
        return self._flight

    async def _fly(self, now: float) -> None:
        try:
            await self._renew(now)
        finally:
            self._flight = None

    async def _renew(self, now: float) -> None:
        try:
            raw, life = await self._answer()
            ring = read_keys(raw)
        except (*FAILURES, KeySetError) as error:
            # The address may hold a secret, and so may errors that name it.
            what = str(error) if isinstance(error, KeySetError | TooLargeError) else type(error).__name__
            if not self._failing:
                log.warning("the keys of %s cannot be fetched: %s", self._issuer.issuer, what)
            self._failing = True
            return
        if not len(ring):
            log.warning("the key set of %s holds no key for signatures", self._issuer.issuer)
        before, self._ring = self._ring, ring
        self._fetched, self._life, self._failing = now, life, False
        if before is not None and not ring.covers(before):
            self._on_withdrawn()

    async def _answer(self) -> tuple[bytes, float]:
        """The document, and for how many seconds it serves."""
        if self._url is None:
            self._url = await keys_address(self._session, self._issuer.issuer)
        accept = "application/jwk-set+json, application/json"
        told = await asked(self._session, "GET", self._url, most=MAX_BYTES, accept=accept)
        if told.status != 200:
            raise KeySetError(f"answered {told.status}, which is not 200")
        return told.body, _life(told.fields.getall("Cache-Control", []))

    def _unavailable(self) -> Unavailable:
        return Unavailable(
            f"The token cannot be checked: the keys of {shown(self._issuer.issuer)} cannot be had at the moment. "
            "Try again in a few seconds.",
            retry_after=int(RETRY),
        )


def _found(ring: KeyRing, key_id: str | None, algorithm: str, issuer: Issuer) -> Key:
    key = ring.find(key_id, algorithm)
    if key is not None:
        return key
    if key_id is None:
        raise issuer.refusal("The token does not say by which of its issuer's keys it is signed (kid).")
    raise issuer.refusal(
        f"The token is signed by an unknown key: {shown(key_id)} is not among its issuer's for {algorithm}."
    )


def _within(now: float, since: float, seconds: float) -> bool:
    """Whether `since` is less than so many seconds ago; not when the clock was put back far behind it."""
    return -_STEP <= now - since < seconds


def _life(cache_control: list[str]) -> float:
    told = _max_age.search(",".join(cache_control))
    shortest, longest = LIVES
    return min(max(float(told[1]), shortest), longest) if told else LIFE
