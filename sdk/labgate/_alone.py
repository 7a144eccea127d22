"""How does only one of several programs of a user do a thing at a time?"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress

from labgate.errors import LoginError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_STEP = 0.02


@contextmanager
def alone(path: str, seconds: float) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is not there, in a folder of mode 0700.

    The system gives the lock back when its program ends, however it ends; the file stays. Where a folder has no locks,
    or cannot be written, nobody is kept out.

    Raises:
        LoginError: another program holds it for all these seconds.
    """
    handle = _opened(path)
    if handle is None:
        yield
        return
    try:
        end = time.monotonic() + seconds
        while not _locked(handle):
            if time.monotonic() >= end:
                raise LoginError(
                    f"another program changes this login, and has not come to an end in {seconds:g} s"
                )
            time.sleep(_STEP)
        yield
    finally:
        _unlock(handle)
        os.close(handle)


def _opened(path: str) -> int | None:
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return None


def _unlock(handle: int) -> None:
    """End the lock, also for a child that was forked meanwhile, and shares it."""
    if os.name != "nt":
        import fcntl

        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)


def _locked(handle: int) -> bool:
    """Whether the lock is held now, or there are none here."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
