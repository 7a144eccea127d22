"""How does an answer pass of which a dialect knows that it would lead its caller past the gate?"""

from __future__ import annotations

from typing import Final

from gateway.core.http_fields import without
from gateway.core.plain_body import plain
from gateway.core.reply import Fields
from gateway.core.verdict import HttpHead
from gateway.doors.mounted_read import IN_PART, MountedRead

_ASKED: Final = IN_PART | {b"accept-encoding"}


class MountedMoved(MountedRead):
    """One request whose answer names addresses of services that the dialect brought."""

    @property
    def passed_fields(self) -> Fields:
        """The fields of the request: the whole is asked for, in plain."""
        return (*without(super().passed_fields, _ASKED), (b"Accept-Encoding", b"identity"))

    def reads(self, status: int, fields: Fields) -> bool:
        """Whether an answer like this is read: whatever its fields say, it is what was asked for."""
        return status == 200

    def led(self, head: HttpHead, stored: bytes) -> bytes:
        """The body as it leads to the gate; what it says of services is learned. Raises ValueError for what cannot be read."""
        way = self._way
        body = plain(head.fields, stored)
        self.tools.learn(way.service, way.inner, body, self._principal)
        if way.site is None:
            return body
        return way.site.moved(way.service, way.inner, body, self.public() + way.places.mount)
