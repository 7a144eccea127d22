"""How does a server like CryoSPARC's command services behave? Flask-JSONRPC at /api, and raw paths for files.

Its errors are sent as the originals send them: some under HTTP 200, some under 4xx and 5xx; and some answers are none
that JSON-RPC knows.
"""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, redirect, request
from flask_jsonrpc import JSONRPC
from flask_jsonrpc.exceptions import JSONRPCError
from running import run
from werkzeug.serving import make_server

app = Flask(__name__)
jsonrpc = JSONRPC(app, "/api")

DATASET = hashlib.shake_128(b"dataset").digest(3 * 1024 * 1024 + 17)
PAGE = "<!doctype html><h1>It broke, Zürich</h1>"


def offered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Offer a function under its name, its declared types unchecked as in CryoSPARC's own."""
    jsonrpc.method(function.__name__, validate=False)(function)
    return function


@offered
def get_echo(value: Any) -> Any:
    """Return what was sent."""
    return value


@offered
def get_project(project_uid: str, deep: bool = False) -> dict[str, Any]:
    """Get a made-up project."""
    return {
        "uid": project_uid,
        "deep": deep,
        "title": "Zürich \U0001f52c",
        "size": 2**70,
        "mean": float("nan"),
    }


@offered
def get_nothing() -> Any:
    """Get null."""
    return None


@offered
def get_total(values: Any) -> int:
    """Get the sum of numbers, nested one deep."""
    return sum(map(sum, values))


@offered
def get_numbers(n: int) -> Any:
    """Get many numbers beyond 64 bits."""
    return [2**64 + i for i in range(n)]


@offered
def get_seen_fields() -> Any:
    """Get the fields of this very request."""
    return list(request.headers.items())


@offered
def enqueue_job(project_uid: str, job_uid: str, lane: str = "default") -> str:
    """Queue a job."""
    return f"launched {project_uid} {job_uid} on {lane}"


@offered
def save_result(project_uid: str) -> Any:
    """Refuse with the slots that would be valid, under code 422 and HTTP 200."""
    data = {"slots": ["blob", "ctf"], "uid": 2**64 + 1}
    raise JSONRPCError("slots are not valid, Zürich", code=422, data=data, status_code=200)


@offered
def fail_with_traceback() -> Any:
    """Fail as CryoSPARC does, with a traceback under HTTP 200."""
    raise JSONRPCError("it broke", code=500, data={"traceback": 'File "x.py", line 1'}, status_code=200)


@offered
def fail_with_text() -> Any:
    """Fail with data that is no object, under HTTP 400."""
    raise JSONRPCError("it broke", code=-32001, data="a text")


@offered
def fail() -> Any:
    """Fail with an error that nobody handles."""
    raise RuntimeError("it broke on purpose")


ODD_ANSWERS: dict[str, tuple[int, str, bytes]] = {
    "odd_empty": (200, "application/json", b""),
    "odd_no_content": (204, "application/json", b""),
    "odd_page": (200, "text/html", PAGE.encode()),
    "odd_object": (200, "application/json", b"{}"),
    "odd_null": (200, "application/json", b"null"),
    "odd_array": (200, "application/json", b"[1]"),
    "odd_error_null": (200, "application/json", b'{"result": 1, "error": null, "id": 1}'),
    "odd_error_text": (200, "application/json", b'{"error": "text", "id": 1}'),
    "odd_bare": (200, "text/plain", b'{"result": [1E400, -0.0, 1.10, 18446744073709551617, "\\ud800"]}'),
    "odd_page_422": (422, "text/html", PAGE.encode()),
    "odd_label_400": (400, "application/json", b"no JSON"),
    "odd_401": (401, "application/json", b'{"message": "whose token?"}'),
}


def odd(name: str) -> Callable[..., Any]:
    """A method whose answer is replaced by one of ODD_ANSWERS."""

    def answer_oddly() -> Any:
        g.instead = ODD_ANSWERS[name]

    return answer_oddly


for name in ODD_ANSWERS:
    jsonrpc.method(name, validate=False)(odd(name))


@app.after_request
def replaced(response: Response) -> Response:
    """The odd answer, where one was asked for."""
    if "instead" not in g:
        return response
    status, media_type, body = g.instead
    return Response(body, status, content_type=media_type)


@app.get("/")
def greeting() -> str:
    """Greet, as the services do at their bare address."""
    return "Hello World from cryosparc-like command."


@app.post("/projects/<uid>/files")
def upload(uid: str) -> dict[str, Any]:
    """Read a body as it came, whatever it is labelled as."""
    digest, size = hashlib.sha256(), 0
    while piece := request.stream.read(65536):
        digest.update(piece)
        size += len(piece)
    named = ("Content-Type", "Content-Length", "Transfer-Encoding", "License-ID", "Originator")
    return {
        "project": uid,
        "query": request.query_string.decode(),
        "fields": {name: request.headers.get(name) for name in named},
        "size": size,
        "sha256": digest.hexdigest(),
    }


@app.post("/load_job_input")
def load_job_input() -> Response:
    """Send a data set under the exact label that the tools compare with."""
    response = Response(DATASET, content_type="application/x-cryosparc-dataset")
    response.headers["Content-Disposition"] = 'attachment; filename="J42_particles.cs"'
    return response


@app.post("/download_file")
def download_file() -> Response:
    """Send a file in pieces, without a length; the path is in the query or in a JSON body."""
    path = request.args.get("path") or request.get_json()["path"]
    pieces = (f"{path} {number}\n".encode() for number in range(1000))
    return Response(pieces, content_type="application/octet-stream")


@app.route("/fail/<int:status>", methods=["GET", "POST"])
def fail_raw(status: int) -> Response:
    """Fail with a status, in JSON or as a page."""
    if request.args.get("as") == "json":
        return Response(
            json.dumps({"message": "it broke", "big": 2**64 + 1}), status, content_type="application/json"
        )
    return Response(PAGE, status, content_type="text/html; charset=utf-8")


@app.route("/moved/<int:status>", methods=["GET", "POST"])
def moved(status: int) -> Any:
    """Send to the greeting."""
    return redirect("/", status)


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    run(server, server.server_port)
