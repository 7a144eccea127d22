"""What stands last in the audit log? Read from its end: it may be large, and others go on writing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import orjson

MOST_BYTES: Final = 4 << 20
"""So much of the end is read."""


def last_records(file: Path, count: int) -> list[dict[str, Any]]:
    """The last records of a file, the newest first; lines that were torn are passed over. Raises OSError."""
    with file.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        start = log.seek(max(0, size - MOST_BYTES))
        lines = log.read(size - start).split(b"\n")
    if start:
        del lines[0]  # it may have begun before
    found: list[dict[str, Any]] = []
    for line in reversed(lines):
        if len(found) == count:
            break
        try:
            record = orjson.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            found.append(record)
    return found
