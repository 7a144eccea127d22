"""Who removes what the disk tier has no room for?

One process at a time, whichever is first: it looks through the folder twice, so that its memory does not grow with the
number of entries. First it counts the bytes of each second of last use, then it removes what was last used in the oldest.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.tiers.disk_files import ENTRIES, UNFINISHED, is_abandoned
from gateway.tiers.usage import Usage, taken

BATCH: Final = 256
"""Files that are removed before their bytes are said to be free."""
ROOM: Final = 0.9
"""The part of the tier's size that is left taken when it was full."""


def sweep(root: Path, usage: Usage, size: int, now: float) -> int | None:
    """Remove leftovers, and the entries used least recently until nine tenths of `size` (bytes) are taken.

    `now` is in seconds since 1970. Returns how many entries were removed, None if another process is at it. Raises OSError.
    """
    lock = os.open(root / "sweeper", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        _leftovers(root, now)
        return _make_room(root, usage, size)
    finally:
        os.close(lock)


def _leftovers(root: Path, now: float) -> None:
    """Remove what processes that were killed have not finished."""
    with suppress(FileNotFoundError):
        for path in sorted((root / UNFINISHED).iterdir()):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif is_abandoned(path, now):
                path.unlink(missing_ok=True)


def _make_room(root: Path, usage: Usage, size: int) -> int:
    before = usage.read()
    seconds: Counter[int] = Counter()
    total = found = 0
    for _, status in _entries(root):
        seconds[int(status.st_atime)] += taken(status.st_size)
        total += taken(status.st_size)
        found += 1
    # What came meanwhile may have been counted twice: rather too much than too little.
    usage.add(total - before[0], found - before[1])
    if total <= size:
        return 0
    return _remove(root, usage, total - int(size * ROOM), _last_second(seconds, total - int(size * ROOM)))


def _last_second(seconds: Counter[int], needed: int) -> int:
    """The second up to which everything would have to go for so many bytes."""
    for second in sorted(seconds):
        needed -= seconds[second]
        if needed <= 0:
            return second
    return max(seconds, default=0)


def _remove(root: Path, usage: Usage, needed: int, last: int) -> int:
    """Remove entries that were last used up to this second, until so many bytes are free."""
    removed = freed = counted = files = 0
    for path, status in _entries(root):
        if freed >= needed:
            break
        if int(status.st_atime) > last:
            continue
        with suppress(OSError):
            path.unlink()
            freed += taken(status.st_size)
            removed += 1
        if removed - files >= BATCH:
            usage.add(counted - freed, files - removed)
            counted, files = freed, removed
    usage.add(counted - freed, files - removed)
    return removed


def _entries(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Every entry's file, as it is when it is looked at."""
    for service in _inside(root / ENTRIES):
        for part in _inside(Path(service)):
            for path in _inside(Path(part)):
                with suppress(OSError):
                    yield Path(path), Path(path).lstat()


def _inside(folder: Path) -> Iterator[str]:
    """What is in a folder; nothing, if it is none."""
    try:
        with os.scandir(folder) as found:
            for one in found:
                yield one.path
    except (FileNotFoundError, NotADirectoryError):
        return
