"""Which connection carries one request from the moment on in which it begins to be made, and no other?"""

from __future__ import annotations

from gateway.core.upstream import Receiver
from gateway.wire.upstream import Connection, NotConnectedError
from gateway.wire.upstream_socket import SocketTransport


class BegunConnection(Connection):
    """A connection that is being made: what is `start`ed goes out when it is there, and fails as `NotConnectedError` else."""

    @property
    def reusable(self) -> bool:
        """It is never used again."""
        return False

    def start(
        self, head: bytes, receiver: Receiver, *, whole: bool, bodiless: bool, upgrades: bool = False
    ) -> None:
        """As a `Connection` does."""
        super().start(head, receiver, whole=whole, bodiless=bodiless, upgrades=upgrades)
        if self._never_was and self._transport is not None and self._transport.is_closing():
            self._receiver = None
            self.trouble = NotConnectedError("it took no connection")
            raise self.trouble

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, or there never was one."""
        receiver = self._receiver
        if self._never_was:
            failure = NotConnectedError("it took no connection")
            if receiver is not None:
                self._receiver = None
                self.trouble = failure
                receiver.failed(failure)
            self._fail(failure)
        super().connection_lost(exc)

    def _expire(self) -> None:
        if self._never_was:
            self._fail(NotConnectedError("no connection in time"))
        else:
            super()._expire()

    @property
    def _never_was(self) -> bool:
        return isinstance(self._transport, SocketTransport) and not self._transport.connected
