"""Generations as the gate has them, in a file that nobody else finds: for tests that need no second process."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from gateway.tiers.shared_generations import SharedGenerations

_IN_MEMORY = Path("/dev/shm")


class OwnGenerations(SharedGenerations):
    """They go with whoever holds them."""

    def __init__(self) -> None:
        where = _IN_MEMORY if _IN_MEMORY.is_dir() else None
        with TemporaryDirectory(prefix="labgate-test-", dir=where) as folder:
            super().__init__(Path(folder) / "generations", machine=b"this run")

    def __del__(self) -> None:
        """The file has no name any more: what is open of it is all there is."""
        for file in (self._users, self._lock):
            os.close(file)
