"""How does an entry lie in a file, so that nothing but what was stored ever comes back?

The body comes first, so that a body which was written while it passed through the gate becomes an entry by what is added
behind it, and is sent from the file's beginning. Behind it stand the entry's head and a foot of fixed size: lengths,
digests, a mark. A file that is cut, longer or altered anywhere does not agree with its foot.
"""

from __future__ import annotations

import re
import struct
from typing import Final

import xxhash
import zstandard
from msgspec import MsgspecError, Struct, msgpack
from msgspec.structs import replace

from gateway.core.verdict import Entry

VERSION: Final = 1
"""Of this layout and of what an entry means; files of another one are as good as none."""
_FOOT: Final = struct.Struct("<QII16s16s8s")
_MARK: Final = b"labgate\x1a"
_SEALED: Final = _FOOT.size - 24
"""Bytes of the foot that its own digest speaks for, together with the head."""
FOOT: Final = _FOOT.size
SMALL: Final = 64 << 10
"""Bytes of a body up to which it is read with its head, and digested at each reading."""
PACKED_FROM: Final = 4 << 10
PACKED_UNTIL: Final = 1 << 20
"""Bytes of a body that is packed: below, a file takes one block of the disk either way; above, it is sent as it lies.

Level 1 of zstd packs a list of jobs ten to one, at 1 ms a megabyte, and unpacks it in a third of that: three times as fast
as zlib both ways, and smaller.
"""
_TEXT: Final = re.compile(
    rb"\s*(text/|application/([\w.+-]*\+)?(json|xml|yaml|csv|javascript|x-ndjson)\b)", re.IGNORECASE
)


class BrokenFormError(Exception):
    """The bytes are not those of a stored entry."""


class Stamp(Struct, frozen=True, array_like=True):
    """Under which circumstances an entry was stored.

    `file` and `run` are those of the file of generations; `under` stands for the settings of the entry's service.
    """

    file: bytes
    run: bytes
    under: bytes


class Stored(Struct, frozen=True, array_like=True):
    """The head of a stored entry; the entry is without its body. `raw` is the body's length before it was packed, 0 = it is not."""

    stamp: Stamp
    entry: Entry
    raw: int = 0


class Foot(Struct, frozen=True):
    """What the end of a file says of it; lengths in bytes."""

    body: int
    head: int
    digest: bytes
    seal: bytes


_encode = msgpack.Encoder().encode
_decode = msgpack.Decoder(Stored).decode


def digest() -> xxhash.xxh3_128:
    """What a body's bytes are compared by, for one that comes piece by piece.

    It is to find what a disk or a hand has altered. It keeps nobody out who can write into the folder: no digest without
    a secret would, and one that would (blake2b) takes as long as everything else that is done with a body together.
    """
    return xxhash.xxh3_128()


def digest_of(body: bytes | memoryview) -> bytes:
    """The same of a whole body."""
    return xxhash.xxh3_128_digest(body)


def tail(stamp: Stamp, entry: Entry, length: int, digest: bytes, raw: int = 0) -> bytes:
    """What stands behind a body of this length and digest."""
    head = _encode(Stored(stamp, replace(entry, body=b"", extent=None), raw))
    sealed = _FOOT.pack(length, len(head), VERSION, digest, b"", b"")[:_SEALED]
    return head + sealed + digest_of(head + sealed) + _MARK


def foot_of(end: bytes, size: int) -> Foot:
    """The foot of a file of `size` bytes that ends so. Raises BrokenFormError."""
    if len(end) < FOOT:
        raise BrokenFormError("shorter than its foot")
    body, head, version, digest, seal, mark = _FOOT.unpack(end[-FOOT:])
    if mark != _MARK:
        raise BrokenFormError("the mark at its end is not there")
    if version != VERSION:
        raise BrokenFormError(f"of the layout {version}, not {VERSION}")
    if body + head + FOOT != size:
        raise BrokenFormError("not as long as it says")
    return Foot(body, head, digest, seal)


def stored_of(foot: Foot, end: bytes) -> Stored:
    """The head of a file that ends so; `end` holds it whole. Raises BrokenFormError."""
    sealed = end[-foot.head - FOOT : len(end) - 24]
    if digest_of(sealed) != foot.seal:
        raise BrokenFormError("its head was altered")
    try:
        return _decode(sealed[: foot.head])
    except MsgspecError as error:
        raise BrokenFormError("its head cannot be read") from error


def pack(entry: Entry) -> tuple[bytes, int]:
    """The body as it is to lie, and its length before it was packed (0 = it is not): text that gets smaller is."""
    body = entry.body
    if not PACKED_FROM < len(body) < PACKED_UNTIL or not _is_text(entry):
        return body, 0
    packed = zstandard.ZstdCompressor(level=1, write_checksum=False).compress(body)
    return (packed, len(body)) if len(packed) < len(body) * 0.9 else (body, 0)


def unpack(body: bytes, raw: int) -> bytes:
    """The body as it was. Raises BrokenFormError."""
    if not raw:
        return body
    if raw >= PACKED_UNTIL:
        raise BrokenFormError("packed, but too long for it")
    try:
        whole = zstandard.ZstdDecompressor().decompress(body, max_output_size=raw)
    except zstandard.ZstdError as error:
        raise BrokenFormError("its body cannot be unpacked") from error
    if len(whole) != raw:
        raise BrokenFormError("its body is not as long as it was")
    return whole


def _is_text(entry: Entry) -> bool:
    if entry.head is None:
        return True
    fields = {name.lower(): value for name, value in entry.head.fields}
    return b"content-encoding" not in fields and bool(_TEXT.match(fields.get(b"content-type", b"")))
