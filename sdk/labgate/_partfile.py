"""What has been downloaded of a file so far, of which version of it, and who is at it?

`NAME.part` grows beside `NAME` and takes its place when it is whole. `NAME.part.tag` says of which request and which
version (a strong ETag) its bytes are. It is removed before the bytes of another version come, and written before those
of its own: at no moment do the two disagree.
"""

# os.path instead of pathlib: the SDK leaves it to those who use it.

from __future__ import annotations

import json
import os

from labgate._places import Naming, refuse_other_than_files
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Self

    from labgate._digests import Digest

_LARGEST_TAG = 64 * 1024
_PIECE = 1 << 20


class PartFile:
    """The growing file, for one download at a time.

    Attributes:
        size: how many bytes it has.
        tag: the version that they are of, None where that is unknown: then they are of no use.
    """

    def __init__(self, to: str, request: str) -> None:
        """`request` tells apart what may be downloaded to the same path.

        Raises:
            SetupError: another download is at it.
            OSError: it cannot be written.
        """
        refuse_other_than_files(to)
        self._to = to
        self._part = f"{to}.part"
        self._note = f"{to}.part.tag"
        self._request = request
        self._file = _locked(self._part)
        self.size = self._file.seek(0, os.SEEK_END)
        self.tag = self._noted() if self.size else None
        self._kept = False

    def restart(self, tag: str | None) -> None:
        """Begin with nothing, for a version of this tag; None can never be resumed."""
        with Naming(self._note):
            _removed(self._note)
            self._file.seek(0)
            self._file.truncate()
            self.size, self.tag = 0, tag
            if tag is not None:
                with open(self._note, "w", encoding="ascii") as note:
                    json.dump({"request": self._request, "etag": tag}, note)

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes."""
        with Naming(self._part):
            self._file.write(data)
        self.size += len(data)

    def feed(self, digest: Digest) -> None:
        """Give what is there to a checksum."""
        self._file.seek(0)
        while piece := self._file.read(_PIECE):
            digest.add(piece)

    def finish(self) -> None:
        """The file is whole: put it into its place, at once and for good."""
        with Naming(self._part):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()  # a system may refuse to rename what is open
        os.replace(self._part, self._to)
        _removed(self._note)
        self._kept = True

    def discard(self) -> None:
        """What came is of no use."""
        self.tag = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave what can be resumed, and nothing else."""
        if self._kept:
            return
        useful = self.size > 0 and self.tag is not None
        if not useful:
            _removed(self._note)
            if os.name == "posix":
                _removed(self._part)  # while it is locked
        self._file.close()
        if not useful and os.name != "posix":
            _removed(self._part)

    def _noted(self) -> str | None:
        try:
            with open(self._note, encoding="ascii") as note:
                said = json.loads(note.read(_LARGEST_TAG))
            return str(said["etag"]) if said["request"] == self._request else None
        except (OSError, ValueError, LookupError, TypeError):
            return None


def _removed(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _locked(path: str) -> IO[bytes]:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    while True:
        file = open(os.open(path, flags, 0o666), "r+b")  # noqa: SIM115 - it is the caller's to close
        try:
            _lock(file, path)
            if _is_at(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _lock(file: IO[bytes], path: str) -> None:
    try:
        import fcntl
    except ImportError:
        return  # not on this system
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SetupError(f"another download is writing {path}") from None
    except OSError:
        return  # not on this file system


def _is_at(file: IO[bytes], path: str) -> bool:
    """False when another download has just put the file that was opened into its place."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
