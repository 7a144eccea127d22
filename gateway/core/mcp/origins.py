"""May a page of this origin speak to the endpoint, and read what it answers? (2026-07-28, Streamable HTTP, security)"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from gateway.core.cors import Cors
from gateway.core.places import normal_origin

_VERBS: Final = ("POST", "GET", "DELETE")
"""What clients try. That there is neither a stream to GET nor a session to DELETE they learn from a 405, if they may read it."""

_EXPOSED: Final = (
    "WWW-Authenticate",
    "Mcp-Session-Id",
    "MCP-Protocol-Version",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
    "X-Request-Id",
    "Labgate-Catalog",
)


class PageRule(Struct, frozen=True):
    """Whose pages may ask: those of these `origins` (in lower case, `*` for any), and the gate's own.

    `named` = the settings say by which names the gate is reached. Where they do not, a page could have its own name lead
    here (DNS rebinding) and pass for one of the gate's; only an address or `localhost` cannot be such a name.
    """

    origins: Collection[str] = ()
    named: bool = False

    @property
    def cors(self) -> Cors | None:
        """What browsers are told for those of other origins; None where no other may ask.

        No cookie and no certificate is sent from there: a page has to show a token. Its requests may have any field, for
        clients add theirs (`Mcp-Param-…`), and whoever may call may say more about it.
        """
        if not self.origins:
            return None
        return Cors(frozenset(self.origins), methods=_VERBS, headers=("*",), expose=_EXPOSED)

    def allows(self, said: Sequence[str], own: str) -> bool:
        """Whether what these fields `Origin` say may ask; `own` is the origin by which this request reached the gate."""
        if not said:
            return True
        if len(said) > 1:
            return False
        if "*" in self.origins or said[0].lower() in self.origins:
            return True
        same = normal_origin(said[0].encode("latin-1", "replace")) == normal_origin(
            own.encode("latin-1", "replace")
        )
        return same and (self.named or _is_fixed(own.rpartition("://")[2]))


def _is_fixed(host: str) -> bool:
    name = host.rpartition("]")[0].lstrip("[") if host.startswith("[") else host.partition(":")[0]
    try:
        ip_address(name)
    except ValueError:
        return name.lower() == "localhost"
    return True
