"""Who has opened a connection that goes on, and is it still them?"""

from __future__ import annotations

from gateway.core.certificates import PeerCertificate
from gateway.core.principal import Principal
from gateway.core.reply import Fields
from gateway.doors.entrance import Entrance


class Caller:
    """The caller of one request, who can be asked again who they are."""

    __slots__ = ("_certificate", "_credential", "_entrance", "_fields")

    def __init__(self, entrance: Entrance, fields: Fields, certificate: PeerCertificate | None) -> None:
        """`fields` are the request's, with the token where it belongs. Raises `Unauthenticated`."""
        self._entrance = entrance
        self._fields = fields
        self._certificate = certificate
        self._credential = entrance.credential(fields, certificate)

    def known(self) -> Principal | None:
        """Who they are, if their credential still holds and nobody has to be asked."""
        return self._entrance.known(self._credential, self._certificate)

    async def identify(self) -> Principal:
        """Who they are. Raises `Unauthenticated`."""
        return self.known() or await self._entrance.identify(self._fields, self._certificate)
