"""Is only that believed of a gate's ways to log in which it may say?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from labgate._address import parse_address
from labgate._advertised import advertised
from labgate.errors import Error, LoginError
from tests.sdk.conftest import http, read_request, scripted

WAY = {"issuer": "https://login.lab.org/", "client_id": "cli", "scopes": ["openid"], "resource": True}


def said_by(*answers: tuple[str, Any], path: str = "") -> Any:
    """What is made of these answers, one after the other; `ORIGIN` in them is the gate's."""
    asked: list[bytes] = []

    def script(status: str, body: Any) -> Any:
        def answer(connection: Any) -> None:
            asked.append(read_request(connection))
            host = asked[-1].split(b"Host: ")[1].split(b"\r\n")[0].decode()
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            text = text.replace(b"ORIGIN", f"http://{host}".encode())
            connection.sendall(http(text, status, "Connection: close"))

        return answer

    with scripted(*(script(*one) for one in answers)) as url:
        found = advertised(parse_address(url + path), timeout=60)
    for request in asked:
        assert b"uthorization" not in request
    return found, [request.split(b" ")[1].decode() for request in asked]


def metadata(**members: Any) -> dict[str, Any]:
    return {
        "resource": "ORIGIN",
        "authorization_servers": ["https://login.lab.org/"],
        "x-labgate": {"login": [WAY]},
        **members,
    }


def test_a_way_is_what_the_gate_says_of_it() -> None:
    found, asked = said_by(("200 OK", metadata()))
    (way,) = found.ways
    assert (way.issuer, way.client_id, way.scope, way.audience) == (
        "https://login.lab.org/",
        "cli",
        "openid",
        "",
    )
    assert way.resource.startswith("http://127.0.0.1:")
    assert asked == ["/.well-known/oauth-protected-resource"]


def test_a_server_that_wants_no_resource_is_sent_none() -> None:
    more = {"login": [{**WAY, "resource": False, "audience": "a"}]}
    found, _ = said_by(("200 OK", metadata(**{"x-labgate": more})))
    assert (found.ways[0].resource, found.ways[0].audience) == ("", "a")


def test_below_a_path_the_metadata_may_stand_before_it_or_behind_it() -> None:
    for answers in (
        [("200 OK", metadata(resource="ORIGIN/gate"))],
        [("404 Not Found", {}), ("200 OK", metadata())],
    ):
        found, asked = said_by(*answers, path="/gate")
        assert len(found.ways) == 1
        where = ["/.well-known/oauth-protected-resource/gate", "/gate/.well-known/oauth-protected-resource"]
        assert asked == where[: len(answers)]


@pytest.mark.parametrize("status", ["404 Not Found", "401 Unauthorized", "405 Method Not Allowed"])
def test_a_gate_without_metadata_has_no_way_to_log_in(status: str) -> None:
    found, _ = said_by((status, {}))
    assert (found.ways, found.servers) == ((), ())


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        ("200 OK", b"no json", "no JSON object"),
        ("200 OK", b"[" * 50_000, "no JSON object"),
        ("200 OK", [], "no JSON object"),
        ("200 OK", b" " * 70_000, "more than"),
        ("302 Found", {}, "answered 302"),
        ("500 Oh", {}, "answered 500"),
        ("200 OK", metadata(resource="https://other.org"), "calls itself https://other.org"),
        ("200 OK", metadata(resource="ORIGIN/other"), "calls itself"),
        ("200 OK", metadata(resource=None), "calls itself something else"),
        ("200 OK", metadata(resource="\x1b"), "calls itself something else"),
        (
            "200 OK",
            metadata(authorization_servers=["https://other.org/"]),
            "none of its authorization servers",
        ),
        ("200 OK", metadata(authorization_servers=None), "none of its authorization servers"),
        *(
            ("200 OK", metadata(**{"x-labgate": {"login": [one]}}), "cannot be read")
            for one in (
                7,
                {},
                {**WAY, "issuer": 7},
                {**WAY, "client_id": ""},
                {**WAY, "client_id": "a\nb"},
                {**WAY, "scopes": [7]},
                {**WAY, "audience": None},
                {**WAY, "client_id": "x" * 5000},
            )
        ),
    ],
)
def test_what_cannot_be_believed_is_refused(status: str, body: Any, words: str) -> None:
    with pytest.raises(LoginError, match=words) as caught:
        said_by((status, body))
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("extension", [None, 7, [], {}, {"login": None}, {"login": {}}, {"login": []}])
def test_an_extension_that_says_nothing_is_no_way(extension: Any) -> None:
    found, _ = said_by(("200 OK", metadata(**{"x-labgate": extension})))
    assert found.ways == ()
    assert found.servers == ("https://login.lab.org/",)


def test_a_gate_that_is_not_there_is_an_error() -> None:
    with pytest.raises(Error):
        advertised(parse_address("http://127.0.0.1:9"), timeout=5)
