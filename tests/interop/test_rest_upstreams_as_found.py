"""How do real REST servers describe themselves and behave when they are asked directly?"""

import hashlib
import http.client
import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

BASES = {"fastapi": "", "flask-restx": "", "connexion": "/api"}
VERSIONS = {
    "fastapi": ("openapi", "3.1.0"),
    "flask-restx": ("swagger", "2.0"),
    "connexion": ("openapi", "3.0.3"),
}
PATHS = {"/add", "/items/{item_id}", "/items", "/echo", "/upload", "/raw", "/fail", "/text"}

FORM = "multipart/form-data; boundary=B"
FILE = b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nabc\r\n--B--\r\n'

Ask = Callable[..., tuple[int, bytes]]


@pytest.fixture(params=BASES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ask(name: str, upstream: Callable[[str], Any]) -> Ask:
    """`ask(verb, path, body, media_type)`: status and body."""
    port = upstream(name).port

    def asked(verb: str, path: str, body: bytes | None = None, media_type: str = "") -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            connection.request(verb, path, body, {"Content-Type": media_type} if media_type else {})
            response = connection.getresponse()
            return response.status, response.read()

    return asked


def test_the_document_is_found_in_its_version(name: str, ask: Ask, upstream: Callable[[str], Any]) -> None:
    status, body = ask("GET", upstream(name).document_path)
    document = json.loads(body)
    word, version = VERSIONS[name]
    assert (status, document[word], set(document["paths"])) == (200, version, PATHS)


def test_operation_ids_of_flask_restx_repeat_and_hold_spaces(upstream: Callable[[str], Any]) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", upstream("flask-restx").port)) as connection:
        connection.request("GET", "/swagger.json")
        paths = json.loads(connection.getresponse().read())["paths"]
    ids = [paths[path]["post"]["operationId"] for path in ("/items", "/echo", "/upload")]
    assert ids == ["write something"] * 3


def test_every_function_answers(name: str, ask: Ask) -> None:
    base = BASES[name]
    assert json.loads(ask("GET", f"{base}/add?a=1&b=2")[1]) == 3
    assert json.loads(ask("GET", f"{base}/items/a%2Fb")[1])["item_id"] == "a/b"
    status, body = ask("POST", f"{base}/items", b'{"name": "x", "price": 1.5}', "application/json")
    assert (status, json.loads(body)["name"], json.loads(body)["price"]) == (201, "x", 1.5)
    assert json.loads(ask("POST", f"{base}/echo", b'[1, {"a": "\\u00e4"}]', "application/json")[1]) == [
        1,
        {"a": "ä"},
    ]
    digest = hashlib.sha256(b"abc").hexdigest()
    assert json.loads(ask("POST", f"{base}/upload", FILE, FORM)[1]) == {"size": 3, "sha256": digest}
    assert ask("POST", f"{base}/raw", b"\0\xff", "application/octet-stream") == (200, b"\0\xff")
    assert ask("GET", f"{base}/text") == (200, "plain words, Zürich".encode())


def test_null_is_echoed_but_by_connexion_which_makes_it_no_content(name: str, ask: Ask) -> None:
    status, body = ask("POST", f"{BASES[name]}/echo", b"null", "application/json")
    assert (status, body.strip()) == ((204, b"") if name == "connexion" else (200, b"null"))


@pytest.mark.parametrize("status", [418, 422, 500])
def test_failures_keep_their_status_but_for_the_teapot_of_flask_restx(
    status: int, name: str, ask: Ask
) -> None:
    # flask-restx has a list of statuses of its own, and 418 is not on it.
    expected = 500 if (name, status) == ("flask-restx", 418) else status
    assert ask("GET", f"{BASES[name]}/fail?status={status}")[0] == expected
