"""Which calls does a file want made, and which of them were made before?"""

import json
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from gateway.core.scanner import MalformedJson, check, decoded, members, opener

_CALL = ("method", "params", "datastack")
_REQUEST = ("get", "fields")
_MOST_PROBLEMS = 10
_LONGEST = 16 << 20


class Wanted(NamedTuple):
    """One line: a call, whose params stay as they are written, or a GET of a path (`get`) with header fields."""

    number: int
    method: bytes | None = None
    params: bytes | None = None
    datastack: str | None = None
    get: str | None = None
    fields: dict[str, str] | None = None


def read(number: int, line: bytes) -> Wanted:
    """The line. Raises `ValueError` with what is wrong with it."""
    if len(line) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} bytes")
    try:
        check(line)
        if opener(line) != b"{":
            raise ValueError('it is no object: {"method": …, "params": …} or {"get": "/path"}')
        said = [(decoded(one.name), line[one.start : one.end]) for one in members(line)]
    except MalformedJson as error:
        raise ValueError(f"it is no JSON: {error}") from error
    spans = dict(said)
    known = _REQUEST if "get" in spans else _CALL
    for name in [name for name, _ in said]:
        if name not in known:
            raise ValueError(f"{name!r} is not one of {', '.join(known)}")
    if len(spans) < len(said):
        raise ValueError("something is said twice")
    return _request(number, spans) if "get" in spans else _call(number, spans)


def _call(number: int, spans: dict[str, bytes]) -> Wanted:
    method = json.loads(spans.get("method", b"null"))
    if not isinstance(method, str) or not method:
        raise ValueError('it names no method: {"method": "jobs.get_job", …}')
    params = spans.get("params")
    if params is not None and opener(params) not in (b"[", b"{"):
        raise ValueError("params is an array or an object")
    datastack = json.loads(spans.get("datastack", b"null"))
    if datastack is not None and not isinstance(datastack, str):
        raise ValueError("datastack is a text")
    return Wanted(number, method=spans["method"], params=params, datastack=datastack)


def _request(number: int, spans: dict[str, bytes]) -> Wanted:
    path = json.loads(spans["get"])
    if not isinstance(path, str) or not path.startswith("/") or not path.isascii() or not path.isprintable():
        raise ValueError('get is a path as it is sent, like "/files/images?limit=2"')
    if " " in path or "#" in path:
        raise ValueError("get holds a space or a #: write %20 or %23")
    fields = json.loads(spans.get("fields", b"{}"))
    if not isinstance(fields, dict) or not all(
        isinstance(one, str) and one.isprintable() for one in fields.values()
    ):
        raise ValueError('fields is an object of texts, like {"Accept": "text/csv"}')
    return Wanted(number, get=path, fields=fields)


def problems_of(file: Path) -> tuple[list[str], bool]:
    """What is wrong with the lines of a file, the first few of it; and whether any of them is a GET."""
    problems: list[str] = []
    gets = False
    for number, line in _lines(file):
        try:
            gets = read(number, line).get is not None or gets
        except ValueError as error:
            problems.append(f"{file}, line {number}: {error}")
            if len(problems) == _MOST_PROBLEMS:
                problems.append("and perhaps more")
                break
    return problems, gets


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that say something, with their numbers from 1."""
    with file.open("rb") as opened:
        for number, line in enumerate(opened, 1):
            if (text := line.strip()) and not text.startswith(b"#"):
                yield number, text


class Progress:
    """How far runs over a file came, in a file beside it: all lines up to one, but those that failed."""

    def __init__(
        self, path: Path, digest: str, through: int = 0, failed: frozenset[int] = frozenset()
    ) -> None:
        self._path = path
        self._digest = digest
        self._through = through
        self._failed = set(failed)
        self._ahead: set[int] = set()
        self._handed_out: list[int] = []

    @classmethod
    def of(cls, file: Path, *, resume: bool) -> "Progress":
        """The progress over a file; what an earlier run wrote counts only to `resume`. Raises `ValueError`."""
        path = file.with_name(f"{file.name}.progress")
        digest = blake2b(digest_size=16)
        with file.open("rb") as opened:
            while piece := opened.read(1 << 20):
                digest.update(piece)
        now = digest.hexdigest()
        if not resume or not path.exists():
            return cls(path, now)
        try:
            said = json.loads(path.read_bytes())
            of, through, failed = said["of"], int(said["through"]), frozenset(map(int, said["failed"]))
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f"{path} cannot be read: remove it, and run without --resume") from error
        if of != now:
            raise ValueError(f"{file} has changed since the last run: run without --resume")
        return cls(path, now, through, failed)

    def is_wanted(self, number: int) -> bool:
        """Whether the line is still to be asked for; lines are asked about in order."""
        if number <= self._through and number not in self._failed:
            return False
        if number > self._through:
            self._handed_out.append(number)
        return True

    def done(self, number: int, *, failed: bool) -> None:
        """The line was asked for, with or without success."""
        if failed:
            self._failed.add(number)
        else:
            self._failed.discard(number)
        self._ahead.add(number)
        at = 0
        while at < len(self._handed_out) and self._handed_out[at] in self._ahead:
            self._through = self._handed_out[at]
            self._ahead.discard(self._through)
            at += 1
        del self._handed_out[:at]

    def save(self) -> None:
        """Write it down, whole or not at all."""
        said = {"of": self._digest, "through": self._through, "failed": sorted(self._failed)}
        half = self._path.with_name(f"{self._path.name}.new")
        half.write_text(json.dumps(said))
        half.replace(self._path)

    def end(self, *, keep: bool) -> None:
        """Write it down for the next run, or remove it where there is nothing left to do."""
        if keep:
            self.save()
        else:
            self._path.unlink(missing_ok=True)


def wanted(file: Path, progress: Progress | None = None) -> Iterator[Wanted]:
    """The lines that are still to be asked for; all of them where nobody has begun."""
    for number, line in _lines(file):
        if progress is None or progress.is_wanted(number):
            yield read(number, line)
