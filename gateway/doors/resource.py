"""What does a client have to know before it has a token? Open documents: the gate's metadata (RFC 9728), and its keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from gateway.core.cors import Cors
from gateway.core.faults import Fault, NoSuchAddress
from gateway.core.mounts import Mounts
from gateway.core.paths import steps
from gateway.doors.asked import Asked
from gateway.wire.answer import Answer

METADATA: Final = "/.well-known/oauth-protected-resource"
KEYS: Final = "/.well-known/jwks.json"

_FIELDS: Final = (
    (b"Content-Type", b"application/json"),
    (b"Cache-Control", b"public, max-age=300"),
    # Clients that are pages look for a way in, too; there is nothing in it for one caller alone.
    (b"Access-Control-Allow-Origin", b"*"),
)
FOR_ANY_PAGE: Final = Cors(frozenset("*"), methods=("GET", "HEAD"), headers=("*",))
"""Clients of the Model Context Protocol say their revision in a field, about which browsers ask first."""


class ResourceDoor:
    """Says of the gate as a whole, of `/rpc` or of a mount where tokens for it come from."""

    def __init__(
        self,
        origin: Callable[[Asked], str],
        servers: Sequence[str],
        scopes: Sequence[str],
        own: Collection[str],
        mounts: Mounts,
        logins: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """`servers` are authorization servers; `own` are paths of the gate's that are resources by themselves.

        `logins` says as which public client people log in at some of the servers by the device flow (RFC 8628). RFC 9728
        has no word for that; as it lets resources say more (section 2), it stands under `x-labgate`.
        """
        self._origin = origin
        self._servers = servers
        self._scopes = scopes
        self._own = frozenset(own)
        self._mounts = mounts
        self._logins = logins

    async def answer(self, asked: Asked) -> Answer:
        """The metadata of the resource whose path follows."""
        path = asked.request.rel_url.raw_path.removeprefix(METADATA)
        if not self._is_resource(path):
            raise NoSuchAddress("There is no metadata of this path: only of the gate's own, and of mounts.")
        return Answer(200, None, _FIELDS, orjson.dumps(self._said(self._origin(asked), path)))

    def _said(self, origin: str, path: str) -> dict[str, Any]:
        said: dict[str, Any] = {"resource": f"{origin}{path}", "resource_name": "labgate"}
        if self._servers:
            said["authorization_servers"] = self._servers
        if self._scopes:
            said["scopes_supported"] = self._scopes
        if self._logins:
            said["x-labgate"] = {"login": self._logins}
        return said | {"bearer_methods_supported": ["header"], "jwks_uri": f"{origin}{KEYS}"}

    def _is_resource(self, path: str) -> bool:
        if path == "" or path in self._own:
            return True
        try:
            below = steps(path.encode())
            found = self._mounts.find(below)
        except Fault:
            return False
        return found is not None and found[1] == len(below)


class KeysDoor:
    """The public keys by which whatever the gate signs is verified, as a JSON Web Key Set."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._body = orjson.dumps(document)

    async def answer(self, asked: Asked) -> Answer:
        """The key set."""
        return Answer(200, None, _FIELDS, self._body)
