"""How do entries come to lie in files, and come back from them? Everything here may wait for a disk."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import blake2b
from io import FileIO
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import quote

from msgspec.structs import replace

from gateway.core.keys import service_of
from gateway.core.verdict import Entry, Extent
from gateway.tiers import stored_form
from gateway.tiers.spool_file import OpenBody, SpoolFile
from gateway.tiers.stored_form import FOOT, SMALL, BrokenFormError, Foot, Stamp
from gateway.tiers.usage import Usage, taken

ENTRIES: Final = "entries"
UNFINISHED: Final = "tmp"
_AT_ONCE: Final = SMALL + (16 << 10)
"""Bytes of a file's end that are read in one go: a small entry whole, of a large one the head."""
_PIECE: Final = 1 << 20
TOUCH: Final = 60.0
"""Seconds for which an entry counts as just used, before it is noted again."""
AHEAD: Final = 10 * 365 * 86400.0
"""Seconds by which a pinned entry counts as used later than it was."""
_LONG_AGO: Final = 3600.0
"""Seconds after which nobody is about to begin with a file any more."""
_KNOWN: Final = 65536
"""Bodies of which it is remembered that their digest was checked."""


class Lives(Protocol):
    """Who says which entries of before can still be judged; see `SharedGenerations`."""

    @property
    def id(self) -> bytes: ...
    @property
    def run(self) -> bytes: ...
    def holds(self, entry: Entry, file: bytes, run: bytes) -> bool: ...


class DiskFiles:
    """The entries below one folder: `entries/SERVICE/XX/DIGEST`, and `tmp` for what is not whole yet."""

    def __init__(
        self, root: Path, lives: Lives, under: Mapping[str, bytes], usage: Usage, wall: Callable[[], float]
    ) -> None:
        """`under` stands, by service, for its settings: with others its entries are void. `wall` is in seconds since 1970."""
        self.root = root
        self.under = under
        self._lives = lives
        self._usage = usage
        self._wall = wall
        self._unfinished = root / UNFINISHED
        self._folders: dict[str, Path] = {}
        self._checked: set[tuple[int, int, int, bytes]] = set()

    def folder(self, service: str) -> Path:
        """Where the entries of a service lie."""
        known = self._folders.get(service)
        if known is None:
            known = self._folders[service] = self.root / ENTRIES / (quote(service, safe="") or "%")
        return known

    def path(self, key: bytes) -> Path:
        """Where the entry of a key lies."""
        name = blake2b(key, digest_size=20).hexdigest()
        # In one step: joining paths takes a third of the time of a store.
        return Path(f"{self.folder(service_of(key))}/{name[:2]}/{name}")

    # --- reading

    def load(self, key: bytes) -> Entry | None:
        """The entry under the key, None if there is none. Raises BrokenFormError (then it is gone) and OSError."""
        path = self.path(key)
        try:
            file = OpenBody(str(path), opener=_quiet)
        except FileNotFoundError:
            return None
        try:
            return self._read(key, path, file)
        except BrokenFormError:
            self.remove(path)
            raise

    def _read(self, key: bytes, path: Path, file: FileIO) -> Entry | None:
        status = os.fstat(file.fileno())
        start = max(0, status.st_size - _AT_ONCE)
        end = os.pread(file.fileno(), status.st_size - start, start)
        foot = stored_form.foot_of(end, status.st_size)
        if foot.head + FOOT > len(end):
            end = os.pread(file.fileno(), foot.head + FOOT, foot.body)
        stored = stored_form.stored_of(foot, end)
        entry, stamp = stored.entry, stored.stamp
        if entry.key != key:
            raise BrokenFormError("of another key")
        if stamp.under != self._under(key) or not self._lives.holds(entry, stamp.file, stamp.run):
            self.remove(path)
            return None
        if foot.body <= SMALL or stored.raw:
            body = end[-foot.head - FOOT - foot.body : len(end) - foot.head - FOOT]
            if len(body) < foot.body:
                body = os.pread(file.fileno(), foot.body, 0)
            if stored_form.digest_of(body) != foot.digest:
                raise BrokenFormError("its body was altered")
            entry = replace(entry, body=stored_form.unpack(body, stored.raw))
        else:
            self._check(file, status, foot)
            entry = replace(entry, extent=Extent(file, 0, foot.body))
        self._touch(file, status, self._used(entry))
        return entry

    def _check(self, file: FileIO, status: os.stat_result, foot: Foot) -> None:
        """Compare a long body with its digest, once for each file and whenever it was written to since."""
        if self._known(status, foot) in self._checked:
            return
        digest, at = stored_form.digest(), 0
        while at < foot.body:
            piece = os.pread(file.fileno(), min(_PIECE, foot.body - at), at)
            if not piece:
                break
            digest.update(piece)
            at += len(piece)
        if digest.digest() != foot.digest:
            raise BrokenFormError("its body was altered")
        self._know(status, foot)

    @staticmethod
    def _known(status: os.stat_result, foot: Foot) -> tuple[int, int, int, bytes]:
        """What a body is known by that was checked: whoever writes to the file changes its time."""
        return status.st_ino, status.st_mtime_ns, status.st_size, foot.seal

    def _know(self, status: os.stat_result, foot: Foot) -> None:
        if len(self._checked) >= _KNOWN:
            self._checked.clear()
        self._checked.add(self._known(status, foot))

    def _used(self, entry: Entry) -> float:
        """When an entry counts as used that is used now: what is pinned goes after everything that is not."""
        return self._wall() + (AHEAD if entry.pin else 0.0)

    def _touch(self, file: FileIO, status: os.stat_result, used: float) -> None:
        """Note when the entry was used. The other time stays: it tells when somebody wrote to the file."""
        if not 0 <= used - status.st_atime < TOUCH:
            with suppress(OSError):
                os.utime(file.fileno(), ns=(int(used * 1e9), status.st_mtime_ns))

    # --- writing

    def save(self, entry: Entry) -> bool:
        """Store the entry, take its spool's file over, or copy its body from the entry's file in which it lies already.

        False for a body in any other file. Raises OSError.
        """
        extent, raw, known = entry.extent, 0, b""
        if extent is None:
            body, raw = stored_form.pack(entry)
            file = self._begin()
            file.add(body)
        elif isinstance(extent.file, SpoolFile) and extent.file.path and extent.file.size == extent.length:
            file = extent.file
        else:
            try:
                file, known = self._copied(extent)
            except BrokenFormError:
                return False
        stamp = Stamp(self._lives.id, self._lives.run, self._under(entry.key))
        end = stored_form.tail(stamp, entry, file.size, known or file.hash.digest(), raw)
        _write_at(file, end, file.size)
        now = int(self._wall() * 1e9)
        os.utime(file.fileno(), ns=(int(self._used(entry) * 1e9), now))
        self._publish(file, self.path(entry.key), file.size + len(end))
        if not known:  # it was digested while it was written
            self._know(os.fstat(file.fileno()), stored_form.foot_of(end, file.size + len(end)))
        return True

    def _copied(self, extent: Extent) -> tuple[SpoolFile, bytes]:
        """The body of an entry's file in a new one, and its digest; the kernel copies, where it can.

        So a large reply is renewed that the service has said still holds. Raises BrokenFormError for any other file.
        """
        source = extent.file.fileno()
        size = os.fstat(source).st_size
        foot = stored_form.foot_of(os.pread(source, FOOT, max(0, size - FOOT)), size)
        if extent.offset or foot.body != extent.length:
            raise BrokenFormError("not the body of an entry")
        file = self._begin()
        while file.size < foot.body:
            left = foot.body - file.size
            try:
                copied = os.copy_file_range(source, file.fileno(), left, file.size, file.size)
            except (AttributeError, OSError):
                copied = file.write(os.pread(source, min(_PIECE, left), file.seek(file.size)))
            if not copied:
                raise BrokenFormError("shorter than its foot says")
            file.size += copied
        return file, foot.digest

    def _begin(self) -> SpoolFile:
        """A new file for what is not whole yet."""
        try:
            return SpoolFile(self._unfinished)
        except FileNotFoundError:
            self._unfinished.mkdir(parents=True, exist_ok=True, mode=0o700)
            return SpoolFile(self._unfinished)

    def _publish(self, file: SpoolFile, path: Path, size: int) -> None:
        """Give the whole file its name: others see it from here on, or what was there before."""
        if file.path is None:
            raise FileNotFoundError(errno.ENOENT, "the file was taken over before")
        before = _size(path)
        try:
            file.path.replace(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.path.replace(path)
        file.taken_over()
        self._usage.add(taken(size) - taken(before or 0), before is None)

    def remove(self, path: Path) -> None:
        """Remove one entry."""
        size = _size(path)
        with suppress(OSError):
            path.unlink()
            self._usage.add(-taken(size or 0), -1)

    def _under(self, key: bytes) -> bytes:
        return self.under.get(service_of(key), b"")


def _write_at(file: FileIO, data: bytes, at: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(file.fileno(), left, at)
        at, left = at + written, left[written:]


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _quiet(path: str, flags: int) -> int:
    """Open without the kernel noting it: when an entry was used is noted by `_touch`."""
    flags |= os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags | getattr(os, "O_NOATIME", 0))
    except PermissionError:  # somebody else's file
        return os.open(path, flags)


def is_abandoned(path: Path, now: float) -> bool:
    """Whether nobody writes this unfinished file any more; `now` is in seconds since 1970.

    Its writer has locked it; between its making and the lock, the process in its name lives.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The number may be another process's by now.
        old = now - os.fstat(file).st_mtime > _LONG_AGO
    except OSError:
        return False
    finally:
        os.close(file)
    process = path.name.partition("-")[0]
    return old or not (process.isdecimal() and _is_alive(int(process)))


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
