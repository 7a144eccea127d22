"""Where is the catalog that this user last saw at this gate, and how is the next one kept?"""

# os.path instead of pathlib: pathlib alone would cost half of the time that a connect from the cache takes.

from __future__ import annotations

import os
import stat

from labgate._catalog import Catalog, CorruptCatalog, read_catalog
from labgate._places import Replacing

_MOST_FILES = 64
_LARGEST = 256 * 1024 * 1024


class CatalogFile:
    """One catalog on disk, in a folder that only its user can enter; a folder that cannot be had is no error."""

    __slots__ = ("_folder", "_path", "folder")

    def __init__(self, folder: str, gate: str, datastack: str | None, token: str | None) -> None:
        import hashlib

        # Every part ends in a zero byte, which none of them can contain.
        whole = "".join(f"{part}\0" for part in (gate, datastack or "", token or ""))
        name = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:40]
        self.folder = folder
        self._folder = os.path.join(folder, "catalogs")
        self._path = os.path.join(self._folder, f"{name}.catalog")

    def load(self) -> Catalog | None:
        """The kept catalog; None when there is none, it is damaged, or others could have written it."""
        try:
            if not _is_ours(self._folder, closed_to=0o022):
                return None
            with open(self._path, "rb") as file:
                return read_catalog(file.read(_LARGEST))
        except (OSError, CorruptCatalog, MemoryError):
            return None

    def store(self, catalog: Catalog) -> None:
        """Keep the catalog, atomically: readers see the old one or the new one."""
        draft = f"{self._path}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            if not _is_ours(self._folder, closed_to=0):
                return
            os.chmod(self._folder, 0o700)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            with Replacing(draft, self._path), open(handle, "wb") as file:
                file.write(catalog.to_bytes())
            self._prune()
        except OSError:
            # A full or read-only disk costs the next start its speed, nothing else.
            return

    def _prune(self) -> None:
        """Leave the newest files: gates and tokens come and go, and small home folders fill up."""
        files = [entry for entry in os.scandir(self._folder) if entry.is_file(follow_symlinks=False)]
        files.sort(key=lambda entry: entry.stat(follow_symlinks=False).st_mtime, reverse=True)
        for entry in files[_MOST_FILES:]:
            os.unlink(entry.path)


def _is_ours(folder: str, *, closed_to: int) -> bool:
    """True when the folder is this user's own, no link, and has none of the mode bits `closed_to`."""
    found = os.lstat(folder)
    if os.name != "posix":
        return stat.S_ISDIR(found.st_mode)
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & closed_to
