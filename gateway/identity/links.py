"""Which token of a service's own has each user left with the gate? Encrypted, and for that user's calls alone."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from gateway.core.faults import Unavailable
from gateway.core.principal import Principal
from gateway.identity import state
from gateway.identity.errors import IdentityError

log = logging.getLogger("labgate.identity")

KEY: Final = "links.key"
FILE: Final = "links.json"
MOST: Final = 100_000
"""Links of all users together."""
_NONCE: Final = 12


class Link(Struct, frozen=True):
    """A token that was left for a service, and since when (seconds since 1970)."""

    service: str
    since: float
    token: str

    def __repr__(self) -> str:
        return f"Link({self.service!r}, {self.since})"


class Links:
    """The linked tokens of all users, in a file that all gates with the same state folder share.

    Each is encrypted (AES-GCM) by a key in a file of its own, which only the gate's user may read; whose it is and for which
    service is sealed with it, so that no record can be put in another's place.
    """

    def __init__(self, folder: Path, wall: Callable[[], float]) -> None:
        """The files are made with the first link; `wall` tells seconds since 1970."""
        self._wall = wall
        self._folder = folder
        self._file = folder / FILE
        self._seen: tuple[int, int, int] | None = None
        self._records: dict[str, dict[str, Any]] = {}
        self._opened: dict[str, Link] = {}

    def get(self, principal: Principal, service: str) -> Link | None:
        """The user's link for this service. Raises `Unavailable` where it cannot be read."""
        with _told():
            return self._get(principal, service)

    def _get(self, principal: Principal, service: str) -> Link | None:
        self._look()
        name = _name(principal, service)
        known = self._opened.get(name)
        if known is not None:
            return known
        record = self._records.get(name)
        if record is None:
            return None
        link = self._opened[name] = self._open(name, service, record)
        return link

    def put(self, principal: Principal, service: str, token: str) -> None:
        """Keep this token, in the place of one before. Raises `Unavailable` where it cannot be kept."""
        with _told():
            self._put(principal, service, token)

    def _put(self, principal: Principal, service: str, token: str) -> None:
        state.prepare(self._folder)
        name = _name(principal, service)
        nonce = secrets.token_bytes(_NONCE)
        sealed = AESGCM(self._key(make=True)).encrypt(nonce, token.encode(), name.encode())
        record = {
            "since": self._wall(),
            "nonce": b64encode(nonce).decode(),
            "sealed": b64encode(sealed).decode(),
        }
        with self._changing() as records:
            if len(records) >= MOST and name not in records:
                raise IdentityError(f"there are {MOST} linked tokens already: no more are kept")
            records[name] = record

    def drop(self, principal: Principal, service: str) -> bool:
        """Forget the user's token for this service; whether there was one. Raises `Unavailable`."""
        with _told(), self._changing() as records:
            return records.pop(_name(principal, service), None) is not None

    # --- the files

    def _look(self) -> None:
        """Read what others have changed."""
        try:
            now = self._file.stat()
        except FileNotFoundError:
            self._seen, self._records, self._opened = None, {}, {}
            return
        except OSError as error:
            raise IdentityError(f"{self._file} cannot be read: {error.strerror}") from error
        seen = (now.st_ino, now.st_size, now.st_mtime_ns)
        if seen != self._seen:
            self._records, self._opened, self._seen = self._read(), {}, seen

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            said = json.loads(state.read_private(self._file))
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError) as error:
            raise IdentityError(f"{self._file} is damaged: linked tokens cannot be read ({error})") from error
        if not isinstance(said, dict) or not all(isinstance(one, dict) for one in said.values()):
            raise IdentityError(f"{self._file} is damaged: it holds no linked tokens")
        return said

    def _open(self, name: str, service: str, record: dict[str, Any]) -> Link:
        try:
            nonce, sealed = (b64decode(record[part], validate=True) for part in ("nonce", "sealed"))
            token = AESGCM(self._key(make=False)).decrypt(nonce, sealed, name.encode()).decode()
            return Link(service, float(record["since"]), token)
        except (InvalidTag, KeyError, TypeError, ValueError) as error:
            raise IdentityError(
                f"a linked token for {service} cannot be opened: was {KEY} replaced? Link it again"
            ) from error

    def _key(self, *, make: bool) -> bytes:
        path = self._folder / KEY
        if make:
            state.write_once(path, secrets.token_bytes(32))
        try:
            key = state.read_private(path)
        except FileNotFoundError as error:
            raise IdentityError(f"{path} is gone: linked tokens cannot be opened, link them again") from error
        if len(key) != 32:
            raise IdentityError(f"{path} is no key")
        return key

    @contextmanager
    def _changing(self) -> Iterator[dict[str, dict[str, Any]]]:
        """The records, to be changed; what is left of them is written when nobody else changes them."""
        beside = self._file.with_name(f".{FILE}.{os.getpid()}")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / f".{FILE}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise IdentityError(f"{self._file} cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            records = self._read()
            yield records
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                json.dump(records, file, sort_keys=True)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._file)
        except OSError as error:
            raise IdentityError(f"{self._file} cannot be written: {error.strerror}") from error
        finally:
            os.close(lock)


@contextmanager
def _told() -> Iterator[None]:
    """Callers are told that it does not work, and the log why."""
    try:
        yield
    except IdentityError as error:
        log.warning("linked tokens: %s", error)
        raise Unavailable(
            "Linked tokens cannot be read or kept at present; the gate's log tells why.", retry_after=30
        ) from error


def _name(principal: Principal, service: str) -> str:
    """What a record is called: whose it is and for which service, and no more can be read of it."""
    framed = "".join(f"{len(part)}:{part}" for part in (principal.issuer, principal.subject, service))
    return sha256(framed.encode("utf-8", "surrogatepass")).hexdigest()
