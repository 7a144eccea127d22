"""How does a running gate make tokens, and take them back? With the same files as `labgated token`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.core.faults import BadRequest
from gateway.core.token_wishes import TokenWish
from gateway.identity import ledger
from gateway.identity.api_keys import Uses, issue_key
from gateway.identity.errors import IdentityError
from gateway.identity.local import issue
from gateway.identity.signing import SigningKeys
from gateway.identity.token_rows import described


class LedgerDesk:
    """The tokens of one `state_dir`: a `TokenDesk`."""

    def __init__(self, folder: Path, signing: SigningKeys, wall: Callable[[], float]) -> None:
        """`wall` tells seconds since 1970."""
        self._folder = folder
        self._signing = signing
        self._wall = wall

    def all(self) -> list[dict[str, Any]]:
        """What is known of each, oldest first."""
        try:
            issued, revoked = ledger.all_issued(self._folder), ledger.all_revoked(self._folder)
        except IdentityError as error:
            raise BadRequest(f"The tokens cannot be listed: {error}.") from error
        used, now = Uses(self._folder).all(), self._wall()
        return [described(one, revoked, used, now) for one in issued]

    def make(self, wish: TokenWish) -> tuple[str, dict[str, Any]]:
        """A new token, and what is known of it; it is on the disk when this returns."""
        now = self._wall()
        said = (wish.subject, wish.groups, wish.scopes, wish.ttl, now)
        try:
            token, issued = issue_key(*said) if wish.opaque else issue(self._signing, *said)
            ledger.record_issued(self._folder, issued)
        except IdentityError as error:
            raise BadRequest(f"No token was made: {error}.") from error
        return token, described(issued, {}, {}, now)

    def revoke(self, given: str) -> dict[str, Any]:
        """Take back the token of this id, or of the beginning of one."""
        try:
            issued = ledger.all_issued(self._folder)
            token_id = ledger.resolve(given, issued)
            if token_id not in ledger.all_revoked(self._folder):
                ledger.record_revoked(self._folder, token_id, self._wall())
            revoked = ledger.all_revoked(self._folder)
        except IdentityError as error:
            raise BadRequest(f"Nothing was revoked: {error}.") from error
        known = next((one for one in issued if one.id == token_id), None)
        if known is None:
            return {"id": token_id, "state": "revoked"}
        return described(known, revoked, Uses(self._folder).all(), self._wall())
