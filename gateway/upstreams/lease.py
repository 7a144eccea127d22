"""What does somebody hold who carries a request to a service by himself?"""

from __future__ import annotations

from time import perf_counter

from gateway.upstreams.guard import Guard
from gateway.upstreams.replica import Replica
from gateway.upstreams.turns import Turns
from gateway.wire.upstream import Connection, ConnectionLostError, NotConnectedError


class Lease:
    """A turn at a service and a connection to one of its replicas, for one request; to be given back by `release`."""

    __slots__ = ("_guard", "_turns", "connection", "pooled", "replica", "since")

    def __init__(
        self, turns: Turns, guard: Guard, replica: Replica, connection: Connection, *, pooled: bool
    ) -> None:
        self._turns = turns
        self._guard = guard
        self.replica = replica
        self.connection = connection
        self.pooled = pooled
        """Whether it has carried other requests: the upstream may be closing it at this very moment."""
        self.since = perf_counter()
        """When it was given out."""

    @property
    def address(self) -> str:
        """Whom it leads to, without what is secret of the address."""
        return self.replica.address

    def head(
        self, verb: bytes, rest: bytes, query: bytes, host: bytes | None, lines: bytes, last: bytes = b""
    ) -> bytes:
        """A request's head; `rest` is the path below the service's address, `lines` are its fields but Host.

        The service's own fields are added, `last` comes after them.
        """
        replica = self.replica
        path = replica.base + rest or b"/"
        return b"%b %b%b HTTP/1.1\r\nHost: %b\r\n%b%b%b\r\n" % (
            verb, path, query, host or replica.host, lines, replica.lines, last,
        )  # fmt: skip

    def late(self, seconds: float) -> None:
        """The answer did not come within so many seconds."""
        self._guard.late(self.connection.loop.time(), seconds, self.replica)

    def release(self) -> None:
        """The exchange is over, however it ended."""
        connection = self.connection
        trouble = connection.trouble
        if trouble is not None or self._guard.alert:
            self._note(trouble)
        if trouble is None and connection.complete:
            self.replica.durations.note(perf_counter() - self.since)
        self.replica.pool.give_back(connection)
        self._turns.give()

    def _note(self, trouble: Exception | int | None) -> None:
        """Have the guard know what became of the request."""
        now, guard = self.connection.loop.time(), self._guard
        if isinstance(trouble, ConnectionLostError) and self.pooled and not trouble.begun:
            guard.abandoned(now)  # it had been closed while it was idle
        elif isinstance(trouble, NotConnectedError):
            guard.unreached(now, self.replica)  # whoever tries the next one will know
        elif trouble is not None:
            why = f"HTTP {trouble}" if isinstance(trouble, int) else f"it {trouble}"
            guard.failed(now, why, self.replica)
        elif self.connection.complete:
            guard.succeeded(now, self.replica)
        else:
            guard.abandoned(now)
