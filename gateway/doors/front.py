"""Who answers what comes to a listener of callers, before the aiohttp handler? JSON-RPC first, then the mounts."""

from __future__ import annotations

from gateway.doors.mount import MountDoor
from gateway.doors.rpc_lane import RpcLane
from gateway.wire.connection import Connection
from gateway.wire.guest import Answered, Guest
from gateway.wire.lane import Seen


class FrontDoor:
    """The `Host` of one listener: without `rpc` on a service's own port, without `mounts` on the operator's."""

    def __init__(self, rpc: RpcLane | None, mounts: MountDoor | None) -> None:
        self._rpc = rpc
        self._mounts = mounts

    def takes(self, target: bytes) -> bool:
        """Whether requests for this target may be for one of the two."""
        return (self._rpc is not None and self._rpc.takes(target)) or (
            self._mounts is not None and self._mounts.takes(target)
        )

    def again(
        self, caller: Connection, line: bytes, seen: Seen, data: bytes, end: int
    ) -> Guest | Answered | None:
        """Who answers a request for what was asked for before by the same header lines."""
        if self._rpc is not None and line in seen.terms:
            return self._rpc.again(caller, line, seen, data, end)
        return self._mounts.again(caller, line, seen, data) if self._mounts is not None else None

    def guest(self, caller: Connection, verb: str, target: bytes, seen: Seen) -> Guest | None:
        """Who answers the request; None = the aiohttp handler does."""
        if self._rpc is not None and self._rpc.takes(target):
            return self._rpc.guest(caller, verb, target, seen)
        if self._mounts is not None and self._mounts.takes(target):
            return self._mounts.guest(caller, verb, target, seen)
        return None
