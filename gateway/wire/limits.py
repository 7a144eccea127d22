"""How much time, room and how many connections may callers take?"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What callers' connections may take. Bytes, seconds and counts; every time is checked about once a second.

    A head is at most `header_bytes` with `fields` fields and lines of `line_bytes` (431), and whole within
    `header_seconds` of its first byte (408). Between requests a connection may be silent for `idle_seconds`.
    A body may pause for `body_seconds` and must on the whole come at `body_rate` bytes a second (400).
    An answer whose caller takes nothing of it for `write_seconds`, or on the whole less than `write_rate` bytes a second,
    ends the connection; `write_bytes` of it wait at most, beside what the handler holds. `held_bytes` of further requests
    wait for the first one's answer.
    A caller who still sends after the last answer is read for `linger_seconds` and `linger_bytes`, so that the
    answer arrives. `connections` are served at once, and `connections_per_address` of them from one (0 = there is no such
    limit); a tenth more are accepted to be told 503, those beyond are closed unread.
    """

    header_bytes: int = 16 << 10
    line_bytes: int = 8190
    fields: int = 128
    header_seconds: float = 10.0
    idle_seconds: float = 75.0
    body_seconds: float = 20.0
    body_rate: int = 256
    write_seconds: float = 60.0
    write_rate: int = 256
    write_bytes: int = 256 << 10
    held_bytes: int = 64 << 10
    linger_seconds: float = 2.0
    linger_bytes: int = 1 << 20
    connections: int = 10_000
    connections_per_address: int = 0

    @property
    def pulse(self) -> float:
        """How often, in seconds, the times above are checked."""
        times = (
            self.header_seconds,
            self.idle_seconds,
            self.body_seconds,
            self.write_seconds,
            self.linger_seconds,
        )
        return min(1.0, min(times) / 2)
