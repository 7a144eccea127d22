"""Which tokens has the gate given out, and which did it take back?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, ValidationError, convert, to_builtins

from gateway.identity import state
from gateway.identity.errors import IdentityError
from gateway.identity.journal import Follower, append, log

Record = TypeVar("Record", bound=Struct)

_whole_id = re.compile(r"[0-9a-f]{32}")


class Issued(Struct, frozen=True):
    """A token that was given out, without the token. Times are seconds since 1970. Of keys there is a `digest`."""

    id: str
    subject: str
    groups: tuple[str, ...]
    scopes: tuple[str, ...]
    created: float
    expires: float
    digest: str = ""


class Revoked(Struct, frozen=True):
    """A token that was taken back, and when (seconds since 1970)."""

    id: str
    revoked: float


class Revocations:
    """The ids of all tokens that were taken back, as they are added to the file."""

    def __init__(self, folder: Path) -> None:
        self._follower = Follower(folder / state.REVOKED)
        self._ids: set[str] = set()
        self._unreadable = False

    def __contains__(self, token_id: str | None) -> bool:
        return token_id in self._ids

    def poll(self) -> bool:
        """Reads what was added; whether there are new ones. A file that cannot be read leaves the known ones."""
        try:
            records = self._follower.poll()
        except OSError as error:
            if not self._unreadable:
                log.error("revoked tokens cannot be read, new ones stay unknown: %s", error)
            self._unreadable = True
            return False
        self._unreadable = False
        found = {record.id for record in _read(records, Revoked)}
        new = found - self._ids
        self._ids |= new  # Only ever more: a file that was cut or removed brings no token back.
        return bool(new)


def record_issued(folder: Path, issued: Issued) -> None:
    """Writes down that a token was given out. Raises IdentityError."""
    _append(folder / state.ISSUED, to_builtins(issued))


def record_revoked(folder: Path, token_id: str, now: float) -> None:
    """Takes a token back. Raises IdentityError."""
    _append(folder / state.REVOKED, to_builtins(Revoked(token_id, now)))


def all_issued(folder: Path) -> list[Issued]:
    """Every token that was given out from this folder, oldest first. Raises IdentityError."""
    return _read(_records(folder / state.ISSUED), Issued)


def issued_in(records: Iterable[dict[str, Any]]) -> list[Issued]:
    """The tokens of which these records tell."""
    return _read(records, Issued)


def all_revoked(folder: Path) -> dict[str, float]:
    """When each token was taken back, by its id. Raises IdentityError."""
    return {record.id: record.revoked for record in _read(_records(folder / state.REVOKED), Revoked)}


def is_id(text: str) -> bool:
    """Whether this can be the id of one of the gate's own tokens."""
    return _whole_id.fullmatch(text) is not None


def resolve(given: str, issued: Iterable[Issued]) -> str:
    """The id of the token that an operator means by an id, or by the beginning of one.

    A whole id need not be known here: another gate with the same key may have made the token. Raises IdentityError.
    """
    found = [token.id for token in issued if token.id.startswith(given)] if given else []
    if len(found) == 1 or given in found:
        return given if given in found else found[0]
    if found:
        raise IdentityError(f"{given} is the beginning of {len(found)} ids: give more of it")
    if _whole_id.fullmatch(given):
        return given
    raise IdentityError(f"no token has an id that begins with {given!a}: see `labgated token list`")


def _append(path: Path, record: dict[str, Any]) -> None:
    try:
        append(path, record)
    except OSError as error:
        raise IdentityError(f"{path} cannot be written: {error.strerror}") from error


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        return Follower(path).poll()
    except OSError as error:
        raise IdentityError(f"{path} cannot be read: {error.strerror}") from error


def _read(records: Iterable[dict[str, Any]], kind: type[Record]) -> list[Record]:
    found = []
    for record in records:
        try:
            found.append(convert(record, kind))
        except ValidationError:
            log.warning("a record that is no %s was passed over", kind.__name__)
    return found
