"""Which process goes for what all of them would store? One at a time: the others wait for what it brings.

On one host that is a lock on one byte of a file that all workers have open. The kernel takes it back from a process that
is killed, so nobody ever waits for the dead. The byte's place is a digest of what is sought: the key, and the generations
that a reply must agree with, so that nobody waits for a trip that left before a write ended.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol

from gateway.core.ports import Sought

_SPAN: Final = (1 << 62) - 1  # places in a file are signed 64-bit numbers
_LOCK: Final = struct.Struct("@hhqqi")  # struct flock of 64-bit Linux: type, whence, start, length, pid
_SET: Final[int | None] = getattr(fcntl, "F_OFD_SETLK", None)


class Leads(Protocol):
    """Who agrees with others on which of them goes. Nothing is raised."""

    def told(self, sought: Sought) -> bool | None:
        """What `take` would say, once, where a tier has said so when it was asked for the entry; else None."""

    async def take(self, sought: Sought) -> bool | None:
        """Whether we go; False = somebody else is on the way, None = there is nobody to agree with."""

    async def leave(self, sought: Sought) -> None:
        """We have been there."""


class HostLeads:
    """The workers of one host, by locks on a file; the locks of two open files exclude each other (fcntl(2), F_OFD_SETLK)."""

    def __init__(self, path: Path) -> None:
        """`path` is the same for all workers. Raises OSError."""
        if _SET is None:
            raise OSError(errno.ENOSYS, "this system has no locks of open files")
        self._set = _SET
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def told(self, sought: Sought) -> bool | None:  # noqa: ARG002 - no tier is shared by workers alone
        """Nothing."""
        return None

    async def take(self, sought: Sought) -> bool | None:
        """Lock the byte that stands for it."""
        if self._file < 0:
            return None
        try:
            self._lock(fcntl.F_WRLCK, sought)
        except OSError as refused:
            return False if refused.errno in (errno.EAGAIN, errno.EACCES) else None
        return True

    async def leave(self, sought: Sought) -> None:
        """Unlock it."""
        if self._file >= 0:
            self._lock(fcntl.F_UNLCK, sought)

    def _lock(self, kind: int, sought: Sought) -> None:
        fcntl.fcntl(self._file, self._set, _LOCK.pack(kind, os.SEEK_SET, _place(sought), 1, 0))

    def close(self) -> None:
        """Nobody of this process goes any more; every lock ends."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _place(sought: Sought) -> int:
    told = repr((sought.epoch, sought.generations)).encode()
    digest = blake2b(sought.key, digest_size=8, key=blake2b(told, digest_size=16).digest())
    return int.from_bytes(digest.digest(), "big") & _SPAN
