"""How do calls arrive? `POST /api` with JSON, answered with HTTP 200 whatever the JSON-RPC outcome."""

from http import HTTPStatus
from urllib.parse import urlsplit

from gateway.demo.jobs.rpc import RpcService
from gateway.demo.serving import LabHandler, LabServer

RPC_PATH = "/api"
MAX_BODY = 64 * 1024 * 1024

_JSON_TYPES = frozenset({"application/json", "application/json-rpc", "application/jsonrequest"})


class RpcHttpServer(LabServer):
    """An HTTP server for one RpcService."""

    def __init__(self, address: tuple[str, int], service: RpcService, greeting: str) -> None:
        super().__init__(address, _Handler)
        self.service = service
        self.greeting = greeting.encode()


class _Handler(LabHandler):
    server: RpcHttpServer

    def _get(self) -> None:
        if urlsplit(self.path).path == "/":
            self._answer(HTTPStatus.OK, "text/plain; charset=utf-8", self.server.greeting)
        else:
            self._refuse(HTTPStatus.NOT_FOUND)

    def _post(self) -> None:
        length = self.body_length("")
        if urlsplit(self.path).path != RPC_PATH:
            self._refuse(HTTPStatus.NOT_FOUND)
        elif length is None:
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif length > MAX_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif self.headers.get_content_type() not in _JSON_TYPES:
            # A browser sends a form or text/plain anywhere without asking; JSON it does not.
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        elif (body := self.body(length)) is not None:
            self._call(body)

    do_GET, do_POST = _get, _post  # noqa: N815 - http.server's names

    def _call(self, body: bytes) -> None:
        answer = self.server.service.answer(body)
        if answer is None:
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()
        else:
            self._answer(HTTPStatus.OK, "application/json", answer)

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._answer(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())
        self.linger()

    def _answer(self, status: HTTPStatus, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
