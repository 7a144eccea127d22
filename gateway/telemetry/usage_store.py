"""Where is it written down who used what? In a small database beside the other state, an hour in a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import orjson

from gateway.core.usage import Person, Sums, Use

MOST: Final = 1_000_000
"""Rows that are kept; the oldest hours go first."""

_PATIENCE: Final = 10.0
_TABLES: Final = """\
CREATE TABLE IF NOT EXISTS uses (
    hour INTEGER, subject TEXT, issuer TEXT, service TEXT, method TEXT,
    calls INTEGER, hits INTEGER, failed INTEGER, size INTEGER, saved INTEGER, trips INTEGER, seconds REAL,
    PRIMARY KEY (hour, subject, issuer, method)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (subject TEXT, issuer TEXT, groups TEXT, PRIMARY KEY (subject, issuer)) WITHOUT ROWID;
"""
_ADD: Final = """\
INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    calls = calls + excluded.calls, hits = hits + excluded.hits, failed = failed + excluded.failed,
    size = size + excluded.size, saved = saved + excluded.saved, trips = trips + excluded.trips,
    seconds = seconds + excluded.seconds
"""
_READ: Final = """\
SELECT hour, uses.subject, uses.issuer, service, method, calls, hits, failed, size, saved, trips, seconds, groups
FROM uses LEFT JOIN people USING (subject, issuer) WHERE hour > ?
"""


class UsageStore:
    """A file that several processes write to; its methods take milliseconds, and belong into a thread. They raise
    `sqlite3.Error` and OSError."""

    def __init__(self, file: Path, keep: float, most: int = MOST) -> None:
        """What is older than `keep` seconds goes, and the oldest where there are more than `most` rows."""
        self._file = file
        self._keep = keep
        self._most = most

    def write(self, uses: Sequence[Use], now: float) -> None:
        """Add to what is there; `now` is in seconds since 1970."""
        with self._open() as base:
            base.executemany(_ADD, map(_values, uses))
            people = {(one.person.subject, one.person.issuer): one.person.groups for one in uses}
            base.executemany(
                "INSERT OR REPLACE INTO people VALUES (?, ?, ?)",
                [
                    (*(map(_sayable, who)), orjson.dumps([*map(_sayable, groups)]).decode())
                    for who, groups in people.items()
                ],
            )
            base.execute("DELETE FROM uses WHERE hour < ?", (now - self._keep,))
            (count,) = base.execute("SELECT count(*) FROM uses").fetchone()
            if count > self._most:
                last = base.execute(
                    "SELECT hour FROM uses ORDER BY hour DESC LIMIT 1 OFFSET ?", (self._most,)
                ).fetchone()[0]
                base.execute("DELETE FROM uses WHERE hour <= ?", (last,))

    def read(self, since: float) -> list[Use]:
        """What was used in the hours that ended after then."""
        if not self._file.exists():
            return []
        with self._open() as base:
            return [_use(row) for row in base.execute(_READ, (since - 3600,))]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        fresh = not self._file.exists()
        with closing(sqlite3.connect(self._file, timeout=_PATIENCE)) as base:
            if fresh:
                self._file.chmod(0o600)
            with base:
                base.executescript(_TABLES)
                base.execute("BEGIN IMMEDIATE")
                yield base


def _values(use: Use) -> tuple[int | str | float, ...]:
    sums, person = use.sums, use.person
    texts = map(_sayable, (person.subject, person.issuer, use.service, use.method))
    numbers = (sums.calls, sums.hits, sums.failed, sums.size, sums.saved, sums.trips, sums.seconds)
    return (use.hour, *texts, *numbers)


def _use(row: Sequence[object]) -> Use:
    hour, subject, issuer, service, method, *numbers, groups = row
    person = Person(str(subject), str(issuer), tuple(orjson.loads(str(groups or "[]"))))
    return Use(int(str(hour)), person, str(service), str(method), Sums(*numbers))  # type: ignore[arg-type]


def _sayable(text: str) -> str:
    """The text without lone surrogates, which no database holds."""
    return text.encode("utf-8", "backslashreplace").decode()
