"""How do requests arrive and answers leave? As with Go's HTTP server: what is longer than 2 KiB is chunked."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.demo.dvid.access import Access
from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.store import Store
from gateway.demo.serving import LabHandler, LabServer

log = logging.getLogger(__name__)

JSON = "application/json"
OCTETS = "application/octet-stream"
TEXT = "text/plain; charset=utf-8"
_UNCHUNKED = 2048
_READS = frozenset({"GET", "HEAD"})

Piece = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: `path` is decoded, and `parts` are its segments below /api."""

    verb: str
    path: str
    query: Mapping[str, str]
    fields: Message
    body: bytes = b""

    @property
    def parts(self) -> list[str]:
        """The segments of the path below /api, no empty one at the end."""
        return self.path.strip("/").split("/")[1:]

    @property
    def reads(self) -> bool:
        """Whether the verb only looks."""
        return self.verb in _READS

    @property
    def kind(self) -> str:
        """What for: `raw`, `key`, `commit` for nodes and their data; `repos/info`, `repo/log` else."""
        parts = self.parts
        if parts[:1] == ["node"]:
            return parts[3] if len(parts) > 3 else parts[-1]
        return "/".join([*parts[:1], *parts[2:3]] if parts[:1] == ["repo"] else parts[:2])

    def flag(self, name: str) -> bool:
        """Whether the query says yes."""
        return self.query.get(name, "").lower() in ("true", "on", "1")

    def said(self) -> Any:
        """The body as JSON. Raises DvidError."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise DvidError("the body of the request must be JSON") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered: each piece of the body is written on its own."""

    pieces: Sequence[Piece] = ()
    media_type: str = ""
    status: int = 200
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """How long the body is."""
        return sum(len(piece) for piece in self.pieces)


def as_json(value: Any, media_type: str = JSON) -> Answer:
    """A value as JSON."""
    return Answer([json.dumps(value, separators=(",", ":")).encode()], media_type)


def as_text(text: str, media_type: str = "text/plain") -> Answer:
    """A text."""
    return Answer([text.encode()], media_type)


class DvidServer(LabServer):
    """A server for what a store holds. `respond` finds the answer to a request, or raises DvidError."""

    def __init__(
        self,
        address: tuple[str, int],
        store: Store,
        access: Access,
        respond: Callable[[DvidServer, Request], Answer],
        handler: type[DvidHandler] | None = None,
    ) -> None:
        super().__init__(address, handler or DvidHandler)
        self.store = store
        self.access = access
        self.throttle = threading.Semaphore(1)
        self.big = threading.Lock()
        self._respond = respond

    def answer(self, request: Request) -> Answer:
        """The answer to a request; every refusal is one too."""
        try:
            return self._respond(self, request)
        except DvidError as error:
            return refusal(error.status, error.body(request.path))
        except Exception:
            log.exception("a request failed")
            return refusal(500, b"the server made a mistake; its log has more\n")


def refusal(status: int, body: bytes) -> Answer:
    """A refusal as Go's http.Error writes it."""
    return Answer([body], TEXT, status, {"X-Content-Type-Options": "nosniff"})


class DvidHandler(LabHandler):
    """The requests of one connection."""

    server: DvidServer

    def _serve(self) -> None:
        body = self._body()
        if body is None:
            return
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        request = Request(self.command, unquote(split.path), query, self.headers, body)
        self.send(self.server.answer(request))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815 - http.server's names

    def _body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.body_length("0")
        if length is None:
            self.close_connection = True
            self.send(refusal(400, b"400 Bad Request: invalid Content-Length\n"))
            return None
        return self.body(length)

    def _chunks(self) -> bytes | None:
        parts = []
        try:
            while size := int(self.rfile.readline(64).split(b";")[0], 16):
                if size < 0:
                    self.close_connection = True
                    return None
                parts.append(self.rfile.read(size))
                self.rfile.readline(8)
        except ValueError:
            self.close_connection = True
            return None
        while self.rfile.readline(8192).strip():
            pass
        return b"".join(parts)

    def send(self, answer: Answer) -> None:
        """Write an answer."""
        chunked = answer.length > _UNCHUNKED and self.request_version != "HTTP/1.0"
        self.head(answer, chunked)
        if self.command != "HEAD":
            for piece in answer.pieces:
                self.write(piece, chunked)
            if chunked:
                self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def head(self, answer: Answer, chunked: bool) -> None:
        """Write status and fields."""
        self.send_response_only(answer.status)
        self.send_header("Date", self.date_time_string())
        if "Origin" in self.headers:
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Vary", "Origin")
        if answer.media_type:
            self.send_header("Content-Type", answer.media_type)
        for name, value in answer.fields.items():
            self.send_header(name, value)
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(answer.length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def write(self, piece: Piece, chunked: bool) -> None:
        """Write a piece of the body."""
        if not chunked:
            self.wfile.write(piece)
        elif len(piece):
            self.wfile.write(b"%x\r\n" % len(piece))
            self.wfile.write(piece)
            self.wfile.write(b"\r\n")
