"""How do requests arrive and answers leave? As from the original's web server: one after the other, errors as HTML."""

import hashlib
import html
import logging
import re
import threading
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl

from gateway.demo.catalog.protocol import Refusal, Service
from gateway.demo.serving import LabHandler, LabServer

log = logging.getLogger(__name__)

_VERBS = {"/v1/info": ("GET",), "/v1/source": ("GET", "POST")}
_SAID_FORMS = re.compile(r'(?:W/)?"[^"]*"|\*')
_REASON = re.compile(r"[\t\x20-;=-\x7e\x80-\xff]+")


class HangUp(Exception):  # noqa: N818 - a fault that tests ask for
    """The connection is to end without an answer."""


class CatalogServer(LabServer):
    """An HTTP server for one service. A slow read holds up all other requests, as in the original."""

    def __init__(self, address: tuple[str, int], service: Service) -> None:
        super().__init__(address, _Handler)
        self.service = service
        self.turn = threading.Lock()


class _Handler(LabHandler):
    server: CatalogServer

    def version_string(self) -> str:
        """The field `Server`."""
        return "TornadoServer/6.6.1"

    def _serve(self) -> None:
        length = self.body_length("0")
        if length is None:
            self.close_connection = True
            self._refuse(HTTPStatus.BAD_REQUEST, "Bad Request")
            self.linger()
        elif (body := self.body(length)) is not None:
            self._take(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve  # noqa: N815 - http.server's names

    def _take(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        try:
            with self.server.turn:
                answer, streamed = self._answer(path, _arguments(query), body)
        except Refusal as refusal:
            self._refuse(refusal.status, refusal.reason)
        except HangUp:
            self.close_connection = True
        except Exception:
            log.debug("a request failed", exc_info=True)
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal Server Error")
        else:
            self._send(answer, streamed)

    def _answer(self, path: str, query: Mapping[str, str], body: bytes) -> tuple[bytes, bool]:
        if path not in _VERBS:
            raise Refusal(HTTPStatus.NOT_FOUND, "Not Found")
        if self.command not in _VERBS[path]:
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Method Not Allowed")
        fields = {name.lower(): value for name, value in self.headers.items()}
        service = self.server.service
        if self.command == "POST":
            return service.act(fields, body)
        return (service.info if path == "/v1/info" else service.describe)(fields, query), False

    def _send(self, answer: bytes, streamed: bool) -> None:
        tag = f'"{hashlib.sha1(answer, usedforsecurity=False).hexdigest()}"'
        if self.command == "GET" and _holds(self.headers.get("If-None-Match", ""), tag):
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.send_header("Etag", tag)
            self._end_fields()
            return
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=UTF-8")
        if self.command == "GET":
            self.send_header("Etag", tag)
        if streamed and self.request_version == "HTTP/1.1":
            self.send_header("Transfer-Encoding", "chunked")
            answer = b"%x\r\n%b\r\n0\r\n\r\n" % (len(answer), answer)
        else:
            self.send_header("Content-Length", str(len(answer)))
        self._end_fields()
        self.wfile.write(answer)

    def _refuse(self, status: int, reason: str) -> None:
        # The original says what a status line can hold, as UTF-8, and is careful about HTML.
        reason = reason if _REASON.fullmatch(reason) else "Unknown"
        said = html.escape(f"{status}: {reason}")
        body = f"<html><title>{said}</title><body>{said}</body></html>".encode()
        self.send_response(status, reason.encode().decode("latin-1"))
        self.send_header("Content-Type", "text/html; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self._end_fields()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _end_fields(self) -> None:
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()


def _arguments(query: str) -> dict[str, str]:
    return {name: value.strip() for name, value in parse_qsl(query, keep_blank_values=True)}


def _holds(field: str, tag: str) -> bool:
    held = [text.removeprefix("W/") for text in _SAID_FORMS.findall(field)]
    return tag in held or held[:1] == ["*"]
