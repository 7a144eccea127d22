"""Which tokens were taken back on this host, and which does it learn of from others?"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from gateway.identity import ledger, state
from gateway.identity.errors import IdentityError

log = logging.getLogger("labgate.identity")


class SharedLedger:
    """The revoked tokens of one `state_dir`, for whoever carries them to other hosts. Only ever more; nothing is raised."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._said = False

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

    def _say(self, mistake: IdentityError) -> None:
        if not self._said:
            self._said = True
            log.error("revocations are not shared with other hosts: %s", mistake)


def shared_ledger(folder: Path, *, local_tokens: bool) -> SharedLedger | None:
    """The ledger of the folder; None where the gate accepts no tokens of its own."""
    if not local_tokens:
        return None
    state.prepare(folder)
    return SharedLedger(folder)
