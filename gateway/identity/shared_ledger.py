"""Which tokens were taken back on this host, which keys were made on it, and of which does it learn from others?"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.identity import ledger, state
from gateway.identity.errors import IdentityError
from gateway.identity.journal import Follower
from gateway.identity.key_records import sealed, unsealed
from gateway.identity.ledger import Issued
from gateway.identity.signing import SigningKeys

log = logging.getLogger("labgate.identity")


class SharedLedger:
    """The revoked tokens and the keys of one `state_dir`, for whoever carries them to other hosts. Nothing is raised."""

    def __init__(self, folder: Path, wall: Callable[[], float], signing: SigningKeys | None = None) -> None:
        """Without `signing` no keys are shared; `wall` tells seconds since 1970."""
        self._folder = folder
        self._signing = signing
        self._wall = wall
        self._issued = Follower(folder / state.ISSUED)
        self._keys: dict[str, Issued] = {}
        self._sealed: dict[str, str] = {}
        self._said = self._strange = False

    def all(self) -> Mapping[str, float]:
        """When each token was taken back (seconds since 1970), by its id; none while the file cannot be read."""
        try:
            return ledger.all_revoked(self._folder)
        except IdentityError as mistake:
            self._say(mistake)
            return {}

    def add(self, revoked: Mapping[str, float]) -> None:
        """Tokens were taken back on another host; what is no id of a token is passed over."""
        try:
            known = ledger.all_revoked(self._folder)
            for token_id, at in revoked.items():
                if token_id not in known and ledger.is_id(token_id):
                    ledger.record_revoked(self._folder, token_id, at)
        except IdentityError as mistake:
            self._say(mistake)

    def keys(self) -> Mapping[str, str]:
        """The records of the keys that hold, by their ids, fit to be shown to other gates; see `key_records`."""
        if self._signing is None:
            return {}
        self._look()
        for key_id, issued in self._in_use().items():
            if key_id not in self._sealed:
                self._sealed[key_id] = sealed(issued, self._signing)
        return dict(self._sealed)

    def add_keys(self, records: Mapping[str, str]) -> list[str]:
        """Keys were made on another host; the ids of those that hold no longer."""
        if self._signing is None:
            return []
        self._look()
        revoked, over, strange = self.all(), list[str](), 0
        for key_id, text in records.items():
            record = self._keys.get(key_id) or unsealed(text, self._signing)
            if record is None or record.id != key_id:
                strange += 1
            elif key_id in revoked or not self._holds(record):
                over.append(key_id)
            elif key_id not in self._keys:
                self._write_down(record)
        if strange and not self._strange:
            self._strange = True
            log.warning("%d keys of other gates were passed over: they have another signing key", strange)
        return over

    def _write_down(self, record: Issued) -> None:
        try:
            ledger.record_issued(self._folder, record)
        except IdentityError as mistake:
            self._say(mistake)

    def _look(self) -> None:
        try:
            found = ledger.issued_in(self._issued.poll())
        except OSError as error:
            self._say(IdentityError(f"keys cannot be read: {error.strerror}"))
            return
        self._keys |= {one.id: one for one in found if one.digest}

    def _in_use(self) -> dict[str, Issued]:
        revoked = self.all()
        found = {one.id: one for one in self._keys.values() if one.id not in revoked and self._holds(one)}
        self._sealed = {key_id: text for key_id, text in self._sealed.items() if key_id in found}
        return found

    def _holds(self, issued: Issued) -> bool:
        return self._wall() < issued.expires

    def _say(self, mistake: IdentityError) -> None:
        if not self._said:
            self._said = True
            log.error("revocations are not shared with other hosts: %s", mistake)


def shared_ledger(
    folder: Path, wall: Callable[[], float], *, local_tokens: bool, signing: SigningKeys | None = None
) -> SharedLedger | None:
    """The ledger of the folder; None where the gate accepts no tokens of its own. Keys are shared by `signing`."""
    if not local_tokens:
        return None
    state.prepare(folder)
    return SharedLedger(folder, wall, signing)
