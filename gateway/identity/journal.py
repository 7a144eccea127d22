"""What was added to a file that only ever grows?"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.identity.state import sync_folder

log = logging.getLogger("labgate.identity")


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Adds one line of JSON, alone among processes; it is on the disk when this returns. Raises OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line  # A writer died in the middle of its line; ours stays readable.
        try:
            _write(descriptor, line)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)
    if not size:
        sync_folder(path.parent)


def _write(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) != len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


class Follower:
    """Reads a journal as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int, int] | None = None
        self._read = 0

    def poll(self) -> list[dict[str, Any]]:
        """The records that were added since the last time; those of a replaced or shortened file all again.

        A last line without its end is read as soon as it is whole JSON, and then once more. A file that is
        absent holds nothing. Raises OSError.
        """
        try:
            now = self._path.stat()
        except FileNotFoundError:
            self._seen = None
            return []
        seen = (now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns)
        if seen == self._seen:
            return []
        if self._seen is None or self._seen[:2] != seen[:2] or now.st_size < self._read:
            self._read = 0
        with self._path.open("rb") as file:
            file.seek(self._read)
            added = file.read()
        whole, newline, torn = added.rpartition(b"\n")
        self._read += len(whole) + len(newline)
        self._seen = seen
        records = [self._record(line, whole=True) for line in whole.split(b"\n")] + [
            self._record(torn, whole=False)
        ]
        return [record for record in records if record is not None]

    def _record(self, line: bytes, *, whole: bool) -> dict[str, Any] | None:
        try:
            record = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            record = None
            if whole:
                log.warning("%s: a line that is no record was passed over", self._path)
        return record if isinstance(record, dict) else None
