"""What is handed on about a request below a mount while it is answered quickly?"""

from __future__ import annotations

from msgspec import Struct

from gateway.doors.way import Way
from gateway.wire.connection import Connection
from gateway.wire.lane import Seen


class Passing(Struct, frozen=True):
    """A request below a mount: `line` is its verb and target, `query` what of that stands from the `?` on."""

    caller: Connection
    line: bytes
    seen: Seen
    way: Way
    query: bytes
