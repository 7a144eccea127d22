"""What does a request ask a scripted upstream to answer, and what did the upstream see of it?

The field `X-Script` holds base64 of JSON: `status`, `reason`, `fields` (name and value), `body` and how often it is
repeated (`times`), and `framing`: `length`, `chunked`, `close` or `none`. All texts are latin-1, one character a byte.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field

SEEN = "/__seen"
"""Where the upstream tells what it saw since it was last asked."""


@dataclass
class Script:
    """An answer as it is asked for."""

    status: int = 200
    reason: str = "OK"
    fields: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b"ok"
    framing: str = "length"
    pieces: int = 1

    def parts(self) -> list[bytes]:
        """The body in so many pieces."""
        size = max(1, -(-len(self.body) // self.pieces))
        return [self.body[at : at + size] for at in range(0, len(self.body), size)]

    def head(self) -> list[tuple[str, str]]:
        """The fields, with the length where it is announced."""
        length = [("Content-Length", str(len(self.body)))] if self.framing == "length" else []
        return [*self.fields, *length]


def script(written: str | None) -> Script:
    """The answer that a request's `X-Script` asks for; without one, a plain 200."""
    if written is None:
        return Script()
    told = json.loads(base64.b64decode(written))
    return Script(
        told["status"],
        told["reason"],
        [(name, value) for name, value in told["fields"]],
        told["body"].encode("latin-1") * told["times"],
        told["framing"],
        told["pieces"],
    )


class Record:
    """What was seen since it was last told."""

    def __init__(self) -> None:
        self._seen: list[object] = []

    def add(self, verb: str, target: str, fields: list[tuple[str, str]], body: bytes) -> None:
        """Note a request."""
        told = {"verb": verb, "target": target, "fields": fields}
        self._seen.append(told | {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()})

    def told(self) -> bytes:
        """Everything seen, once."""
        seen, self._seen = self._seen, []
        return json.dumps(seen).encode()
