"""Where is the console? A page of plain files, for whoever opens the operator's address in a browser.

The files hold nothing of the lab: what the page shows it asks of the gate, with the token that somebody gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from msgspec import Struct

from gateway.core.faults import NoSuchAddress
from gateway.core.pages import PAGE
from gateway.doors.asked import Asked
from gateway.doors.fields import has
from gateway.doors.operators_json import json_answer
from gateway.relay import Relay
from gateway.wire.answer import Answer

FOLDER: Final = Path(__file__).parent / "console"
BELOW: Final = "/console/"
"""Where the files are; the page itself is at `/`."""

_PAGE: Final = "index.html"
_KINDS: Final = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".LICENSE": b"text/plain; charset=utf-8",
}


class _File(Struct, frozen=True):
    """One file, and the fields that it goes out with."""

    body: bytes
    tag: str
    kind: bytes


class ConsoleDoor:
    """The files of the console: to anybody, since a browser has no token to show before it has the page."""

    def __init__(self, folder: Path = FOLDER) -> None:
        """They are read once."""
        self._files = dict(_files(folder))

    async def answer(self, asked: Asked) -> Answer:
        """The file, or 304 when `If-None-Match` names its tag (RFC 9110 section 13.1.2)."""
        path = asked.request.rel_url.raw_path
        file = self._files.get(path.removeprefix(BELOW) if path != "/" else _PAGE)
        if file is None:
            raise NoSuchAddress("The console has no such file; it is at `/`.")
        fields = ((b"ETag", file.tag.encode()), (b"Cache-Control", b"no-cache"), *PAGE)
        if has(asked.request, file.tag):
            return Answer(304, None, fields)
        return Answer(200, None, ((b"Content-Type", file.kind), *fields), file.body)


def _files(folder: Path) -> Iterator[tuple[str, _File]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _KINDS:
            body = path.read_bytes()
            tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'
            yield path.relative_to(folder).as_posix(), _File(body, tag, _KINDS[path.suffix])


class ConsoleAboutDoor:
    """`GET /-/console`: what the page has to know of the gate and of whoever looks at it."""

    def __init__(self, relay: Relay, origin: Callable[[], str]) -> None:
        """`origin` is that of callers: what the page writes into the snippets that it shows."""
        self._relay = relay
        self._origin = origin

    async def answer(self, asked: Asked) -> Answer:
        """Whether they operate, and where callers go."""
        access = self._relay.policies.access(asked.principal)
        return json_answer({"address": self._origin(), "operates": access.operate})
