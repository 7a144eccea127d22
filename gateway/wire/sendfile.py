"""How does a body that lies in a file reach the caller, without passing through Python?

The kernel sends it: by `os.sendfile` on a duplicate of the connection's socket, once the transport has sent what it was
given before. (The event loops' own sendfile is not to be had: uvloop has none.) What cannot be sent so, over TLS or
from a file system that has no such thing, is read in a thread and written piece by piece.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Final

from gateway.core.verdict import Extent
from gateway.wire.sender import Sender

_AT_ONCE: Final = 1 << 20
"""Bytes that the kernel is asked to send at a time: it may have to read them from the disk meanwhile."""
_TURN: Final = 4 << 20
"""Bytes after which others have a turn."""
_AHEAD: Final = 8 << 20
"""Bytes that the kernel is told to read before they are sent."""
_PIECE: Final = 256 << 10
_CANNOT: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSOCK)


class ShortFileError(Exception):
    """The file ends before the body does: it was cut since it was opened."""


async def send_extent(out: Sender, extent: Extent, start: int = 0, length: int | None = None) -> None:
    """Send the body, or `length` bytes of it from `start` on, behind what was written before.

    Nothing else may be written until this returns. Raises ConnectionResetError if there is no caller (any more),
    ShortFileError or OSError if the body breaks off: the connection must be cut then.
    """
    left = extent.length - start if length is None else length
    at = extent.offset + start
    if not 0 <= start <= start + left <= extent.length:
        raise ValueError("a part that the body has not")
    if not left:
        return
    if out.has_socket:
        sent = await _by_the_kernel(out, extent, at, left)
        at, left = at + sent, left - sent
    if left:
        await _in_pieces(out, extent, at, left)


async def _by_the_kernel(out: Sender, extent: Extent, at: int, left: int) -> int:
    """Send by `os.sendfile`; returns how much was sent, less than all only if the kernel cannot at all."""
    file, sent, told, turn = extent.file.fileno(), 0, at, 0
    with await out.borrow() as socket:
        while sent < left:
            if hasattr(os, "posix_fadvise") and at + sent >= told:
                os.posix_fadvise(file, told, _AHEAD, os.POSIX_FADV_WILLNEED)
                told += _AHEAD
            out.check()
            try:
                size = os.sendfile(socket, file, at + sent, min(_AT_ONCE, left - sent))
            except BlockingIOError:
                await out.taking(socket)
                turn = 0
                continue
            except (BrokenPipeError, ConnectionResetError) as gone:
                raise ConnectionResetError("The caller has gone.") from gone
            except OSError as error:
                if sent or error.errno not in _CANNOT:
                    raise
                return 0
            if not size:
                raise ShortFileError("the file ends before the body does")
            out.sent(size)
            sent += size
            turn += size
            if turn >= _TURN:
                turn = 0
                await asyncio.sleep(0)
    return sent


async def _in_pieces(out: Sender, extent: Extent, at: int, left: int) -> None:
    """Read in a thread, write, and wait until the caller has taken enough."""
    file = extent.file.fileno()
    while left:
        piece = await asyncio.to_thread(os.pread, file, min(_PIECE, left), at)
        if not piece:
            raise ShortFileError("the file ends before the body does")
        out.write(piece)
        at, left = at + len(piece), left - len(piece)
        if out.paused:
            await out.drain()
