"""How do several callers read one answer while it comes, each at their own pace?

It belongs to none of them: who began it reads it like the others, and may leave like them. The last to leave ends it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from gateway.core.heads import AnswerHead
from gateway.core.pieces import Part, size_of
from gateway.core.upstream import Lease
from gateway.core.verdict import Entry
from gateway.core.wanted import Wanted
from gateway.doors.keeping import Keeping
from gateway.trips import Trip
from gateway.wire.upstream_answer import AnswerTooLargeError

_AT_ONCE: Final = 1 << 20
"""Bytes that a reader is given at a time out of memory."""
_BEHIND: Final = 4 << 20
"""Bytes by which the slowest reader may lag behind what is not kept; the service waits then."""
_LOOK_SECONDS: Final = 1.0

log = logging.getLogger("labgate.doors")


class BrokenOffError(Exception):
    """The answer does not come to its end."""


class Beginner(Protocol):
    """The request that the answer came for, which may be over by now."""

    id: str
    most: float

    @property
    def idle_seconds(self) -> float:
        """For how long nothing may move."""

    def note(self, data: bytes) -> None:
        """Some of the body passes."""

    def is_spoilt(self, size: int) -> bool:
        """Whether the body, which is whole with so many bytes, is none that may be stored."""

    def is_not_kept(self) -> None:
        """It will not be stored after all."""

    def is_over(self) -> None:
        """Nothing more comes of it."""


class _Coming(NamedTuple):
    """What there is while the answer comes, and not after it: whoever reads on must not keep all that alive."""

    beginner: Beginner
    trip: Trip
    lease: Lease


class AnswerStream:
    """An answer on its way into the cache, of which several read; the `Receiver` of what comes of it yet."""

    def __init__(
        self, beginner: Beginner, keeping: Keeping, trip: Trip, lease: Lease, length: int | None, size: int
    ) -> None:
        """`size` bytes of `length` have come."""
        self.length = length
        self.keeping = keeping
        self.ended = False
        self.failure: Exception | None = None
        self._coming: _Coming | None = _Coming(beginner, trip, lease)
        self._size = size
        self._readers: list[Reader] = []
        self._lost = False
        self._waits = False
        self._loop = asyncio.get_running_loop()
        self._moved_at = self._loop.time()
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)
        lease.connection.change_receiver(self)

    # --- whoever reads

    def entry_for(self, wanted: Wanted, now: float) -> Entry | None:
        """See `gateway.core.ports.Shared`."""
        return self.keeping.entry_for(wanted, now)

    def reader(self, at: int = 0) -> Reader:
        """A way through the body, from this place on."""
        made = Reader(self, at)
        self._readers.append(made)
        return made

    def leave(self, reader: Reader) -> None:
        """One reads no more; the last one ends it."""
        if reader in self._readers:
            self._readers.remove(reader)
            self.taken()
            if not self._readers and self._coming is not None:
                self._coming.trip.deserted = True
                self._give_up(self._coming, BrokenOffError("everybody has left"))

    def taken(self) -> None:
        """Somebody has come further."""
        if self._lost and self._readers:
            slowest = min(reader.at for reader in self._readers)
            self.keeping.forget(slowest)
            behind = self._size - slowest
            if behind > (_BEHIND // 2 if self._waits else _BEHIND):
                self.pace(True)
            elif self._waits:
                self.pace(False)

    def _wake(self) -> None:
        for reader in self._readers:
            reader.wake()

    # --- the service

    def pace(self, wait: bool) -> None:
        """Have the service wait for the disk, or for the slowest, or go on."""
        self._waits = wait
        self._moved_at = self._loop.time()
        if self._coming is not None:
            line = self._coming.lease.connection
            line.pause_reading() if wait else line.resume_reading()

    def _look(self) -> None:
        """From time to time: end what has been silent for too long."""
        coming = self._coming
        if coming is None:
            return
        if not self._waits and self._loop.time() - self._moved_at > coming.beginner.idle_seconds:
            self._give_up(coming, TimeoutError("nothing has moved for too long"))
        else:
            self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)

    def _give_up(self, coming: _Coming, failure: Exception) -> None:
        coming.lease.connection.leave()
        self.failed(failure)

    def _over(self) -> _Coming | None:
        """The service has no more to do with it; None if that was so before."""
        coming, self._coming = self._coming, None
        if coming is not None:
            self._timer.cancel()
            coming.lease.release()
            coming.beginner.is_over()
        return coming

    # --- a Receiver

    def piece(self, data: bytes) -> None:
        """Some of the body."""
        coming = self._coming
        if coming is None:
            return
        self._size += len(data)
        if self._size > coming.beginner.most:
            self._give_up(coming, AnswerTooLargeError())
            return
        coming.beginner.note(data)
        if not self.keeping.write(data) and not self._lost:
            self._lost = True
            coming.beginner.is_not_kept()
            coming.trip.land(shared=False)

    def fed(self) -> None:
        """All that has come so far was given."""
        self._moved_at = self._loop.time()
        self._wake()
        self.taken()

    def end(self) -> None:
        """The answer is complete."""
        coming = self._over()
        if coming is None:
            return
        self.ended = True
        if coming.beginner.is_spoilt(self._size):
            self.keeping.abandon()
        seal(self.keeping, coming.trip, coming.beginner.id)
        self._wake()

    def failed(self, failure: Exception) -> None:
        """The answer never ends."""
        coming = self._over()
        if coming is None:
            return
        self.failure = failure
        self.keeping.abandon()
        coming.trip.land(shared=False)
        self._wake()

    def interim(self, status: int) -> None:
        """Interim answers came before."""

    def head(self, head: AnswerHead) -> None:
        """It has begun before."""

    def whole(self, head: AnswerHead, body: bytes) -> None:
        """It has begun before."""

    def tunnel(self, data: bytes) -> None:
        """It is no tunnel."""

    def pause(self) -> None:
        """The request is whole."""

    def resume(self) -> None:
        """The request is whole."""


class Reader:
    """One caller's way through the body: a `gateway.core.ports.BodyReader`."""

    def __init__(self, stream: AnswerStream, at: int) -> None:
        self.at = at
        """How far it has come, in bytes."""
        self._stream = stream
        self._more: asyncio.Future[None] | None = None

    async def next(self) -> Sequence[Part]:
        """What comes next, as soon as there is some; nothing at the end. Raises BrokenOffError."""
        stream = self._stream
        while stream.failure is None:
            parts = stream.keeping.since(self.at, _AT_ONCE)
            if parts:
                self.at += sum(map(size_of, parts))
                stream.taken()
                return parts
            if stream.ended:
                return ()
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        raise BrokenOffError(str(stream.failure)) from stream.failure

    def wake(self) -> None:
        """There is more, or an end."""
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def close(self) -> None:
        """No more of it is wanted."""
        self._stream.leave(self)


def seal(keeping: Keeping, trip: Trip | None, request_id: str) -> None:
    """Store an answer that is whole, and say so to whoever waits for it."""

    def done(entry: Entry | None) -> None:
        if trip is not None:
            trip.land(shared=entry is not None)

    try:
        keeping.seal(done)
    except Exception:
        log.exception("an answer was not stored", extra={"request_id": request_id})
        done(None)
