"""Which datastacks has the gate learned of from what its callers were given, and still knows after a restart?"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

log = logging.getLogger("labgate.estate")

_MOST: Final = 1000
"""Datastacks of one entry that are learned."""
_LARGEST: Final = 16 << 20


class Learned:
    """Records of datastacks by name, for one entry of the settings; in a file that all workers of a host share."""

    def __init__(self, file: Path) -> None:
        """The folder of the file is made with the first record."""
        self._file = file
        self._stat: tuple[int, int] | None = None
        self.records: dict[str, Mapping[str, Any]] = {}

    def poll(self) -> bool:
        """Read what others have learned; whether there is anything new."""
        try:
            stat = self._file.stat()
        except OSError:
            return False
        mark = (stat.st_mtime_ns, stat.st_ino)
        if mark == self._stat:
            return False
        self._stat = mark
        before = self.records
        self.records = {**self._read(), **before}
        return self.records != before

    def put(self, name: str, record: Mapping[str, Any]) -> bool:
        """Know this record; whether it is new."""
        if self.records.get(name) == record or (len(self.records) >= _MOST and name not in self.records):
            return False
        self.poll()
        self.records = {**self.records, name: record}
        self._write()
        return True

    def _read(self) -> dict[str, Mapping[str, Any]]:
        try:
            with self._file.open("rb") as file:
                said = json.loads(file.read(_LARGEST))
        except (OSError, ValueError, RecursionError) as error:
            log.warning("%s: what was learned of datastacks cannot be read: %s", self._file.name, error)
            return {}
        found = said.items() if isinstance(said, dict) else ()
        return {name: one for name, one in list(found)[:_MOST] if isinstance(one, dict)}

    def _write(self) -> None:
        beside = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            beside.write_text(json.dumps(self.records, sort_keys=True))
            beside.chmod(0o600)
            beside.replace(self._file)
            stat = self._file.stat()
            self._stat = (stat.st_mtime_ns, stat.st_ino)
        except OSError as error:
            log.warning("what was learned of datastacks is known until the gate ends: %s", error.strerror)
