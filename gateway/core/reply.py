"""What goes out: the answer to a call, before a door writes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from typing import Literal

from msgspec import MsgspecError, Struct
from msgspec.json import Decoder

from gateway.core.verdict import Verdict

Fields = tuple[tuple[bytes, bytes], ...]
"""Header fields as sent: their case, order, duplicates and any bytes."""


class Whole(Struct, frozen=True, gc=False):
    """A body that is in memory."""

    data: bytes


class InBlocks(Struct, frozen=True):
    """An array cut at the multiples of `block` along each axis, one block after the other as their coordinates go.

    `start` are the coordinates of its first element; each block is whole in itself, slowest axis first. The pieces are as those
    of the whole.
    """

    start: tuple[int, ...]
    block: tuple[int, ...]
    pieces: AsyncGenerator[bytes | memoryview]


class Composed(Struct, frozen=True):
    """A body of `length` bytes that is made while it is sent; its pieces come once, in order, and raise what goes wrong.

    They are to be closed (`aclose`) whatever happens. Where it is an array, `dtype` is numpy's name of its type and `shape`
    its shape, slowest axis first; else it is bytes, like a table as an Arrow stream. `blocks` is the same in another order,
    where that is less work: only one of them is read. `held` are the same pieces where all of them are in memory: nothing can go
    wrong any more, and who shares a trip can read them again.
    """

    length: int
    pieces: AsyncGenerator[bytes | memoryview]
    dtype: str = ""
    shape: tuple[int, ...] = ()
    blocks: InBlocks | None = None
    held: tuple[bytes | memoryview, ...] | None = None


def in_memory(held: Iterable[bytes | memoryview], dtype: str = "", shape: tuple[int, ...] = ()) -> Composed:
    """What these pieces in memory are together."""
    pieces = tuple(held)

    async def one_by_one() -> AsyncGenerator[bytes | memoryview]:
        for piece in pieces:
            yield piece

    return Composed(sum(map(len, pieces)), one_by_one(), dtype, shape, held=pieces)


class Reply(Struct, frozen=True):
    """The answer to a call.

    For `result` and `error` the body is the bare JSON value of that member, byte for byte as the upstream sent
    it; doors write the envelope around it. `http` is a whole HTTP reply. `stored` = the trip left an entry; `collapsed` = the trip was another call's;
    `upstream_ms` is how long it took, None for what needed none. `notices` are the values of the fields `Warning` that came
    with it (RFC 7234 section 5.5); a reply that has any is not stored, for a stored one would not say them.
    """

    kind: Literal["result", "error", "http"]
    body: Whole
    verdict: Verdict
    stored: bool = False
    collapsed: bool = False
    upstream_ms: float | None = None
    notices: tuple[bytes, ...] = ()
    composed: Composed | None = None
    """The array or the bytes that are the result, where they need not be put into JSON; the body says nothing then."""
    replica: str | None = None
    """Whom of the service it came from, where it was fetched for this call or one that it shared a trip with."""


class _Coded(Struct):
    code: int = 0


_coded = Decoder(_Coded)


def only_replica(replies: Iterable[Reply]) -> str | None:
    """Whom of a service these came from, None where there are several, or memory had them."""
    found = {reply.replica for reply in replies if reply.replica is not None}
    return found.pop() if len(found) == 1 else None


def error_code(error: bytes) -> int:
    """The code of a JSON-RPC error object, 0 where it cannot be read."""
    try:
        return _coded.decode(error).code
    except (MsgspecError, RecursionError, ValueError):
        return 0
