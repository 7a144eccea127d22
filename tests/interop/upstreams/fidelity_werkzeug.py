"""How does werkzeug's own server answer, and what does it see? Scripted by the request; see fidelity_script.py."""

from collections.abc import Callable, Iterable
from typing import Any

from fidelity_script import SEEN, Record, script
from running import run
from werkzeug.serving import WSGIRequestHandler, make_server

record = Record()


class Handler(WSGIRequestHandler):
    """Hands on the request line and the fields as they came, which WSGI has no place for."""

    def make_environ(self) -> dict[str, Any]:
        as_came = {"fidelity.line": self.requestline, "fidelity.fields": self.headers.items()}
        return super().make_environ() | as_came

    def log(self, *args: object) -> None:
        """Nothing."""


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer as the request says."""
    verb, target, _ = environ["fidelity.line"].split(" ")
    if target == SEEN:
        told = record.told()
        start_response("200 OK", [("Content-Length", str(len(told)))])
        return [told]
    record.add(verb, target, environ["fidelity.fields"], _body(environ))
    asked = script(environ.get("HTTP_X_SCRIPT"))
    start_response(f"{asked.status} {asked.reason}", asked.head())
    return [] if verb == "HEAD" or asked.framing == "none" else asked.parts()


def _body(environ: dict[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):
        return b"".join(iter(lambda: stream.read(65536), b""))
    return stream.read(int(environ.get("CONTENT_LENGTH") or 0))


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)
    run(server, server.server_port)
