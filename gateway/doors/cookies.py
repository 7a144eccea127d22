"""Whose cookies are these? Browsers keep them by host, and every mounted service shares the gate's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.core.places import cookie_names
from gateway.core.reply import Fields

MOST: Final = 10_000
"""Names that are remembered."""


class CookieOwners:
    """Which services have set which cookies, by name.

    Paths keep the cookies of mounted services apart, but not those of a service at the root or on a port of its own,
    which browsers send everywhere: so a cookie that only other services have set is not passed on.
    """

    def __init__(
        self, tell: Callable[[bytes, str], None] | None = None, known: CookieOwners | None = None
    ) -> None:
        """`tell` is called with what was not known: other workers will get the cookie too.

        What somebody else knows already is known to both from here on.
        """
        self.owners: dict[bytes, set[str]] = {} if known is None else known.owners
        self._tell = tell

    def note(self, name: bytes, service: str) -> None:
        """The service (by its qualified name) has set a cookie."""
        if self.learn(name, service) and self._tell is not None:
            self._tell(name, service)

    def learn(self, name: bytes, service: str) -> bool:
        """The same, seen by somebody else; whether it was not known."""
        if name not in self.owners and len(self.owners) >= MOST:
            return False
        owners = self.owners.setdefault(name, set())
        if service in owners:
            return False
        owners.add(service)
        return True

    def own(self, fields: Fields, service: str) -> Fields:
        """The fields with only those cookies that may be the service's; a field stays as it was sent if all may."""
        if not self.owners:
            return fields
        kept: list[tuple[bytes, bytes]] = []
        for field in fields:
            if field[0].lower() != b"cookie":
                kept.append(field)
                continue
            pairs = cookie_names(field[1])
            mine = [pair for name, pair in pairs if service in self.owners.get(name, (service,))]
            if len(mine) == len(pairs):
                kept.append(field)
            elif mine:
                kept.append((field[0], b"; ".join(mine)))
        return tuple(kept)
