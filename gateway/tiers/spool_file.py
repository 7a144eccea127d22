"""How does a body get into a file that is not whole yet, and where is that file?"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from io import FileIO
from pathlib import Path
from secrets import token_hex

from gateway.tiers.stored_form import digest


class OpenBody(FileIO):
    """A file that closes when nobody has it any more, without a word."""

    def __del__(self) -> None:
        """Close it."""
        self.close()


class SpoolFile(OpenBody):
    """A file that holds a body, and is gone with whoever has it unless the tier takes it over.

    While it lives under its first name it is locked: one that is not belongs to nobody, and is swept away.
    """

    def __init__(self, folder: Path) -> None:
        """Make it. Raises OSError."""
        self.path: Path | None = folder / f"{os.getpid()}-{token_hex(8)}"
        super().__init__(str(self.path), "x+b", opener=_private)
        self.hash = digest()
        self.size = 0
        fcntl.flock(self, fcntl.LOCK_EX)

    def add(self, data: bytes) -> None:
        """Write at the end. Raises OSError."""
        self.hash.update(data)
        self.size += len(data)
        left = memoryview(data)
        while left:
            left = left[self.write(left) :]

    def taken_over(self) -> None:
        """It has another name now, and stays."""
        self.path = None
        fcntl.flock(self, fcntl.LOCK_UN)

    def __del__(self) -> None:
        """Remove and close it."""
        if self.path is not None:
            with suppress(OSError):
                self.path.unlink()
        super().__del__()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


class SpoolFolder:
    """Where spools have their files, and who writes them."""

    def __init__(self, path: Path, executor: Executor, failed: Callable[[OSError], None]) -> None:
        """`failed` is told, in the executor's thread, what went wrong."""
        self.path = path
        self.executor = executor
        self._failed = failed

    def make(self) -> SpoolFile | None:
        """A new file, None if there cannot be one; it may take time."""
        try:
            return SpoolFile(self.path)
        except FileNotFoundError:
            pass
        except OSError as error:
            self._failed(error)
            return None
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            return SpoolFile(self.path)
        except OSError as error:
            self._failed(error)
            return None

    def add(self, file: SpoolFile, pieces: list[bytes]) -> bool:
        """Write these at the end; whether they could be."""
        try:
            for piece in pieces:
                file.add(piece)
        except OSError as error:
            self._failed(error)
            return False
        return True
