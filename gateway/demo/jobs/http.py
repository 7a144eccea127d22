"""How do calls arrive? `POST /api` with JSON, answered with HTTP 200 whatever the JSON-RPC outcome."""

import contextlib
import re
import socket
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from gateway.demo.jobs.rpc import RpcService

RPC_PATH = "/api"
MAX_BODY = 64 * 1024 * 1024

_LINGER_SECONDS = 2.0
_LENGTH = re.compile("[0-9]{1,18}")
_JSON_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})


class RpcHttpServer(ThreadingHTTPServer):
    """An HTTP server for one RpcService; one thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], service: RpcService, greeting: str) -> None:
        super().__init__(address, _Handler)
        self.service = service
        self.greeting = greeting.encode()

    @property
    def url(self) -> str:
        """Where the server listens."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong with a connection; callers who hang up are no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: RpcHttpServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece
    timeout = 300  # an idle connection is closed after so many seconds

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/":
            self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", self.server.greeting)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        media_type = self.headers.get_content_type()
        if urlsplit(self.path).path != RPC_PATH:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(length):
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif int(length) > MAX_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif media_type not in _JSON_TYPES:
            # A browser sends a form or text/plain anywhere without asking; JSON it does not.
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        else:
            self._call(self.rfile.read(int(length)), int(length))

    def _call(self, body: bytes, length: int) -> None:
        if len(body) < length:  # the caller hung up half way
            self.close_connection = True
            return
        answer = self.server.service.answer(body)
        if answer is None:
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
        else:
            self._answer(HTTPStatus.OK, "application/json", answer)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._answer(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())
        self._linger()

    def _linger(self) -> None:
        """Read some of what still comes: a close with unread data resets the connection, and the answer is lost."""
        self.wfile.flush()
        end = time.monotonic() + _LINGER_SECONDS
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv(65536):
                    return

    def _answer(self, status: HTTPStatus, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing: thousands of calls a second are no news."""
