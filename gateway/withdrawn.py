"""Which services were taken out of service on this host, for all its workers, and after a restart?"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Final

import msgspec

from gateway.core.faults import Unavailable
from gateway.core.withdrawals import Withdrawal

FILE: Final = "services.json"
_LARGEST: Final = 16 << 20

log = logging.getLogger("labgate.services")


class Withdrawn:
    """The withdrawals, in a file that all gates with the same state folder share: who changes it has a lock, others look."""

    def __init__(self, folder: Path) -> None:
        """The file is made with the first withdrawal; `poll` reads it."""
        self._file = folder / FILE
        self._seen: tuple[int, ...] | None = None
        self._kept: Mapping[str, Withdrawal] = {}
        self.found: Mapping[str, Withdrawal] = {}
        """By the qualified names of services that take no calls, as they were when somebody last looked."""

    def poll(self) -> bool:
        """Look whether somebody has changed it; whether there is anything new."""
        try:
            stat = self._file.stat()
        except OSError:
            mark = None
        else:
            mark = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if mark == self._seen:
            return False
        self._seen = mark
        before = self.found
        self._kept = {} if mark is None else self._read(self._kept)
        self.found = {name: one for name, one in self._kept.items() if one.state != "enabled"}
        return self.found != before

    def put(self, service: str, one: Withdrawal) -> None:
        """From now on this holds of the service, on the whole host and after a restart.

        Raises `Unavailable` where it cannot be written down: then nothing has changed.
        """
        self._change({service: one})
        self.poll()

    def all(self) -> Mapping[str, Withdrawal]:
        """What was said last of each service, also that it takes calls again, for whoever tells other hosts."""
        return self._read(self._kept)

    def add(self, others: Mapping[str, Withdrawal]) -> None:
        """This was said on other hosts: what was said last of a service holds. Raises `Unavailable`.

        Beside those who look: they find it when they do.
        """
        known = self.all()
        new = {
            name: one for name, one in others.items() if name not in known or known[name].since < one.since
        }
        if new:
            self._change(new)

    def _change(self, said: Mapping[str, Withdrawal]) -> None:
        try:
            with self._alone():
                self._write({**self._read(self._kept), **said})
        except OSError as error:
            raise Unavailable(
                f"Nothing was changed: it cannot be written into the state folder ({error.strerror})."
            ) from error

    def _read(self, otherwise: Mapping[str, Withdrawal]) -> Mapping[str, Withdrawal]:
        try:
            with self._file.open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST), type=dict[str, Withdrawal])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            # A service that was taken out must not come back because a file is broken.
            log.warning("%s cannot be read, what was known before holds: %s", self._file, error)
            return otherwise

    def _write(self, found: Mapping[str, Withdrawal]) -> None:
        beside = self._file.with_name(f".{FILE}.{token_hex(8)}")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(found, order="sorted")) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._file)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else changes it meanwhile."""
        lock = os.open(f"{self._file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)
