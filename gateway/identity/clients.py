"""How does the gate show an authorization server which client it is?"""

from __future__ import annotations

from base64 import b64encode
from typing import Literal
from urllib.parse import quote_plus

from msgspec import Struct

How = Literal["basic", "post"]


class Client(Struct, frozen=True):
    """The gate as an authorization server knows it; its secret shows itself nowhere."""

    id: str
    secret: str
    how: How = "basic"

    def __repr__(self) -> str:
        return f"Client({self.id!r}, …, {self.how!r})"

    @property
    def fields(self) -> dict[str, str]:
        """The header fields that say it (RFC 6749 section 2.3.1)."""
        if self.how != "basic":
            return {}
        pair = f"{quote_plus(self.id)}:{quote_plus(self.secret)}"
        return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}

    @property
    def form(self) -> dict[str, str]:
        """The members of the form that say it."""
        return {"client_id": self.id, "client_secret": self.secret} if self.how == "post" else {}
