"""Whom does the gate take this client's user for?"""

from __future__ import annotations

import time

from labgate._names import printable
from labgate._request import request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._client import Client

_MOST_SHOWN = 20


class Whoami:
    """What this client's credential means at the gate.

    Attributes:
        subject: the user, as who issued the token writes it.
        issuer: who issued the token.
        anonymous: there is no token, and the gate lets such callers in.
        groups, scopes: what policies go by.
        expires: when the gate takes it no more, in seconds since 1970; None where it has no end.
    """

    __slots__ = ("anonymous", "expires", "groups", "issuer", "scopes", "subject")

    def __init__(self, said: dict[str, Any]) -> None:
        self.subject = _text(said.get("subject"))
        self.issuer = _text(said.get("issuer"))
        self.anonymous = said.get("anonymous") is True
        self.groups = _texts(said.get("groups"))
        self.scopes = _texts(said.get("scopes"))
        expires = said.get("expires")
        self.expires = float(expires) if isinstance(expires, (int, float)) else None

    def __repr__(self) -> str:
        if self.anonymous:
            return "<nobody that this gate knows: anonymous>"
        parts = [f"{printable(self.subject, 120)} by {printable(self.issuer, 120)}"]
        for name, values in (("groups", self.groups), ("scopes", self.scopes)):
            if values:
                more = f" and {len(values) - _MOST_SHOWN} more" if len(values) > _MOST_SHOWN else ""
                parts.append(f"{name} {', '.join(printable(one, 80) for one in values[:_MOST_SHOWN])}{more}")
        if self.expires is not None:
            parts.append(f"until {time.strftime('%Y-%m-%d %H:%M', time.localtime(min(self.expires, 2**35)))}")
        return f"<{'; '.join(parts)}>"


def whoami(client: Client) -> Whoami:
    """Whom the gate takes you for, asked now.

    Raises:
        Error: it does not know you, or does not say it.
    """
    with request(client, "GET", "/-/whoami") as answer:
        said = answer.json()
    return Whoami(said if isinstance(said, dict) else {})


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
