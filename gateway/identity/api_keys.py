"""Whose is a key of the gate's, and when was it last used? Keys are kept as digests, beside what is known of them."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.core.api_keys import RANDOM_BYTES, digest, is_key, key_of
from gateway.core.claims import ADVICE, LOCAL, span
from gateway.core.faults import Unauthenticated
from gateway.core.principal import Principal
from gateway.core.vouching import token_id
from gateway.identity import state
from gateway.identity.journal import Follower
from gateway.identity.ledger import Issued, issued_in
from gateway.identity.local import checked

log = logging.getLogger("labgate.identity")

NOTED: Final = 60.0
"""Seconds from one note of a key's use to the next."""


def issue_key(
    subject: str, groups: Sequence[str], scopes: Sequence[str], ttl: float, now: float
) -> tuple[str, Issued]:
    """A new key, and what to write down about it; `ttl` and `now` are seconds. Raises IdentityError."""
    principal = checked(subject, groups, scopes, ttl, now)
    key = key_of(secrets.token_bytes(RANDOM_BYTES))
    return key, Issued(
        token_id(key), subject, principal.groups, principal.scopes, int(now), principal.expires, digest(key)
    )


class ApiKeys:
    """The keys that were given out from one state folder, as they are added to its file."""

    def __init__(self, folder: Path) -> None:
        self._follower = Follower(folder / state.ISSUED)
        self._by_digest: dict[str, Issued] = {}
        self._uses = Uses(folder)
        self._unreadable = False

    def poll(self) -> None:
        """Read what was added. A file that cannot be read leaves the known ones."""
        try:
            records = self._follower.poll()
        except OSError as error:
            if not self._unreadable:
                log.warning("keys cannot be read, new ones stay unknown: %s", error)
            self._unreadable = True
            return
        self._unreadable = False
        self._by_digest |= {one.digest: one for one in issued_in(records) if one.digest}

    def find(self, key: str, now: float) -> Principal:
        """Whom the key speaks for; its use is noted. Raises `Unauthenticated`."""
        if not is_key(key):
            raise Unauthenticated(
                f"The key is none of the gate's: was it cut off, or a digit changed? {ADVICE}"
            )
        found = self._by_digest.get(digest(key))
        if found is None:
            self.poll()
            found = self._by_digest.get(digest(key))
        if found is None:
            raise Unauthenticated(f"The key is none that this gate has made. {ADVICE}")
        if now >= found.expires:
            raise Unauthenticated(f"The key expired {span(now - found.expires)} ago. {ADVICE}")
        self._uses.note(found.id, now)
        return Principal(
            subject=found.subject,
            issuer=LOCAL,
            groups=found.groups,
            scopes=found.scopes,
            expires=found.expires,
            token_id=found.id,
        )


class Uses:
    """When each key was last used, to about a minute: the time of an empty file of its name, for all processes alike."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / state.USED
        self._noted: dict[str, float] = {}
        self._said = False

    def note(self, key_id: str, now: float) -> None:
        """The key was used now. Nothing is raised: whether that can be noted decides about no call."""
        if 0 <= now - self._noted.get(key_id, float("-inf")) < NOTED:
            return
        self._noted[key_id] = now
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            path = self._folder / key_id
            path.touch(mode=0o600)
            os.utime(path, (now, now))
        except OSError as error:
            if not self._said:
                log.warning("it is not noted when keys are used: %s", error)
            self._said = True

    def all(self) -> dict[str, float]:
        """When each key was last used (seconds since 1970), by its id."""
        try:
            return {file.name: file.stat().st_mtime for file in os.scandir(self._folder)}
        except OSError:
            return {}
