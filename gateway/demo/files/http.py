"""How do requests arrive and answers leave? HTTP/1.1 with HEAD, `If-None-Match` and, for tiles, `Range`."""

import hashlib
import json
import logging
import re
from dataclasses import replace
from http import HTTPStatus

from gateway.demo.files.about import NAME, VERSION
from gateway.demo.files.document import DOCUMENT, PATHS
from gateway.demo.files.errors import FilesError, WrongVerbError
from gateway.demo.files.operations import TEXT, Answer, Operations, as_json
from gateway.demo.files.router import Request, Router
from gateway.demo.serving import LabHandler, LabServer

log = logging.getLogger(__name__)

DOCUMENT_PATH = "/openapi.json"
MAX_BODY = 16 * 1024 * 1024

_RANGE = re.compile("bytes=([0-9]{0,18})-([0-9]{0,18})")
_GREETING = f"{NAME} {VERSION}: REST; what there is stands at GET {DOCUMENT_PATH}\n"
_CONTENTS = {
    "/": Answer(_GREETING.encode(), TEXT),
    DOCUMENT_PATH: Answer(json.dumps(DOCUMENT, indent=1).encode(), fields={"Cache-Control": "max-age=60"}),
}


class FilesHttpServer(LabServer):
    """An HTTP server for the operations of one store."""

    def __init__(self, address: tuple[str, int], operations: Operations) -> None:
        super().__init__(address, _Handler)
        self._operations = operations
        self._router = Router(PATHS)

    def answer(self, request: Request) -> Answer:
        """The answer to a request; every refusal is one too."""
        if request.verb in ("GET", "HEAD") and request.path in _CONTENTS:
            return _CONTENTS[request.path]
        try:
            match = self._router.match(request.verb, request.path)
            return self._operations.named(match.operation["operationId"])(**match.arguments(request))
        except WrongVerbError as error:
            return as_json({"detail": str(error)}, error.status, {"Allow": ", ".join(error.allowed)})
        except FilesError as error:
            return as_json({"detail": str(error)}, error.status)
        except Exception:
            log.exception("an operation failed")
            detail = "the service made a mistake; its log has more"
            return as_json({"detail": detail}, HTTPStatus.INTERNAL_SERVER_ERROR)


def conditional(answer: Answer, if_none_match: str | None) -> Answer:
    """A 200 with its ETag, or the 304 that the caller's copy deserves (RFC 9110, 13.1.2)."""
    if answer.status != HTTPStatus.OK or answer.body is None:
        return answer
    tag = f'"{hashlib.sha256(answer.body).hexdigest()[:24]}"'
    answer = replace(answer, fields={"Cache-Control": "no-cache"} | answer.fields | {"ETag": tag})
    held = [text.strip().removeprefix("W/") for text in (if_none_match or "").split(",")]
    if tag in held or held == ["*"]:
        return replace(answer, status=HTTPStatus.NOT_MODIFIED, body=None)
    return answer


def partial(answer: Answer, wanted: str | None, if_range: str | None) -> Answer:
    """The 206 or 416 for one range of bytes (RFC 9110, 14); whatever else is asked for gets the whole."""
    found = _RANGE.fullmatch(wanted or "")
    if answer.status != HTTPStatus.OK or answer.body is None or "Accept-Ranges" not in answer.fields:
        return answer
    if not found or found[1] == found[2] == "" or if_range not in (None, answer.fields["ETag"]):
        return answer
    size = len(answer.body)
    first = int(found[1]) if found[1] else max(0, size - int(found[2]))
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if found[1] and found[2] and int(found[2]) < first:  # no valid range, hence none was asked for
        return answer
    if first > last:
        refusal = as_json({"detail": "the range lies outside"}, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        return replace(refusal, fields={"Content-Range": f"bytes */{size}"})
    fields = answer.fields | {"Content-Range": f"bytes {first}-{last}/{size}"}
    body = answer.body[first : last + 1]
    return replace(answer, status=HTTPStatus.PARTIAL_CONTENT, fields=fields, body=body)


class _Handler(LabHandler):
    server: FilesHttpServer

    def _serve(self) -> None:
        length = self.body_length("0")
        if length is None:
            self._refuse(HTTPStatus.LENGTH_REQUIRED)
        elif length > MAX_BODY:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        elif (body := self.body(length)) is not None:
            self._take(body)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = do_PUT = do_OPTIONS = _serve  # noqa: N815 - http.server's names

    def _take(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        media_type = self.headers.get_content_type() if "Content-Type" in self.headers else ""
        self._send(self._answered(Request(self.command, path, query, media_type, body)))

    def _answered(self, request: Request) -> Answer:
        answer = self.server.answer(request)
        if request.verb not in ("GET", "HEAD"):
            return answer
        answer = conditional(answer, self.headers.get("If-None-Match"))
        if request.verb == "HEAD":  # a range is GET's alone (RFC 9110, 14.2)
            return answer
        return partial(answer, self.headers.get("Range"), self.headers.get("If-Range"))

    def _refuse(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._send(as_json({"detail": status.phrase}, status))
        self.linger()

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.fields.items():
            self.send_header(name, value)
        if answer.body is not None:
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if answer.body is not None and self.command != "HEAD":
            self.wfile.write(answer.body)
