"""How is an entry written as one value that many hosts read, so that a value which was altered is never served?

    labgate, version | shape | digest of all the rest | rows | length of the head | head | body

The *shape* stands for the fields that an entry has in this release: a gate of another one does not read what it may not
understand. The *rows* are the numbers of the counters that the entry must agree with; they stand where a script within
Redis finds them, so that the value and the counters of now come by one trip. The head is the entry without its body. Its times
are by the clock of Redis: hosts whose clocks differ agree on how long it is fresh.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct as Layout
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from gateway.core.verdict import Entry, HttpHead

MOST_ROWS: Final = 250
"""So many counters one entry may have to agree with, at most."""

_MAGIC: Final = b"labgate\x02"
_SHAPE: Final = blake2b(
    "/".join(one.name for part in (Entry, HttpHead) for one in fields(part)).encode(), digest_size=8
).digest()
_DIGEST: Final = 16
_FIRST: Final = len(_MAGIC) + len(_SHAPE)
_LENGTH: Final = Layout(">I")

ROWS_AT: Final = _FIRST + _DIGEST
"""Where the rows begin: how many, in one byte, and then two bytes for each."""
VERSION: Final = f"v{_MAGIC[-1]}-{_SHAPE.hex()}"
"""What the keys of values of this layout and shape begin with, so that releases side by side do not meet in them."""


class UnreadableError(ValueError):
    """The value was cut, altered, or is of another version."""


class Stored(Struct, frozen=True):
    """A value as it was read: the entry, and the counters that it must agree with, of the Redis called `incarnation`.

    The last of the counters is the epoch's.
    """

    entry: Entry
    incarnation: bytes
    rows: tuple[int, ...]
    counters: tuple[int, ...]


class _Head(Struct, frozen=True, array_like=True):
    entry: Entry
    incarnation: bytes
    counters: tuple[int, ...]


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Head).decode


def packed(stored: Stored) -> bytes:
    """The value; the entry's body must be whole in memory. Raises ValueError where there are too many rows."""
    if len(stored.rows) > MOST_ROWS:
        raise ValueError(f"an entry has more than {MOST_ROWS} counters to agree with")
    entry = stored.entry
    head = _encode(_Head(replace(entry, body=b"", extent=None), stored.incarnation, stored.counters))
    rows = bytes([len(stored.rows)]) + b"".join(row.to_bytes(2, "big") for row in stored.rows)
    rest = rows + _LENGTH.pack(len(head)) + head
    return b"".join((_MAGIC, _SHAPE, _digest(rest, entry.body), rest, entry.body))


def unpacked(value: bytes) -> Stored:
    """What `packed` made the value of. Raises `UnreadableError`."""
    if value[:_FIRST] != _MAGIC + _SHAPE:
        raise UnreadableError("it is of another version")
    if len(value) <= ROWS_AT or _digest(memoryview(value)[ROWS_AT:]) != value[_FIRST:ROWS_AT]:
        raise UnreadableError("it was cut or altered")
    try:
        after = ROWS_AT + 1 + 2 * value[ROWS_AT]
        rows = tuple(int.from_bytes(value[at : at + 2], "big") for at in range(ROWS_AT + 1, after, 2))
        (length,) = _LENGTH.unpack_from(value, after)
        begin = after + _LENGTH.size
        head = _decode(memoryview(value)[begin : begin + length])
    except (msgspec.MsgspecError, ValueError, ArithmeticError, LookupError) as mistake:
        raise UnreadableError("its head cannot be read") from mistake
    entry = replace(head.entry, body=value[begin + length :])
    return Stored(entry, head.incarnation, rows, head.counters)


def later(entry: Entry, seconds: float) -> Entry:
    """The entry by a clock that is so many seconds ahead."""
    if not seconds:
        return entry
    return replace(
        entry,
        stored=entry.stored + seconds,
        fresh_until=entry.fresh_until + seconds,
        stale_until=entry.stale_until + seconds,
        refresh_until=entry.refresh_until + seconds if entry.refresh_until else 0.0,
    )


def _digest(*parts: bytes | memoryview) -> bytes:
    found = blake2b(_MAGIC + _SHAPE, digest_size=_DIGEST)
    for part in parts:
        found.update(part)
    return found.digest()
