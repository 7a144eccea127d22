"""What does dvidtools ask of a DVID, and where, when its address has a path?"""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

# The first test may have to build the environment.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]


class _Listener(BaseHTTPRequestHandler):
    """Remembers what it is asked, and has nothing."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, body, "Authorization" in self.headers))
        self.send_error(404)

    do_GET = do_HEAD = do_POST = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Listener)
        self.asked: list[tuple[str, str, bytes, bool]] = []


@pytest.fixture(scope="module")
def asked(calls_of: Callable[..., Any]) -> list[tuple[str, str, bytes, bool]]:
    """What all of its calls ask of a server whose address ends in /lab/dvid: verb, target, body, any credential."""
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}/lab/dvid"
        calls_of("dvidtools", "dvidtools_client.py", address, "abcd", "--body", "7", "--write")
        server.shutdown()
        thread.join()
    return server.asked


def test_half_of_the_calls_lose_the_last_part_of_the_path(asked: list[Any]) -> None:
    paths = {urlsplit(target).path.replace("/abcd/", "/NODE/") for _, target, _, _ in asked}
    kept = {path for path in paths if path.startswith("/lab/dvid/api/")}
    lost = {path for path in paths if path.startswith("/lab/api/")}
    assert paths == kept | lost
    assert {"/lab/dvid/api/repos/info", "/lab/dvid/api/node/NODE/segmentation/sizes"} <= kept
    assert {
        "/lab/api/node/NODE/segmentation/info",
        "/lab/api/node/NODE/segmentation_annotations/key/7",
    } <= lost


def test_every_request_tells_user_and_program_and_none_shows_a_credential(asked: list[Any]) -> None:
    for _, target, _, credential in asked:
        query = parse_qs(urlsplit(target).query)
        assert (query["u"], query["app"], credential) == (["interop"], ["dvidtools"], False)


def test_some_reads_are_gets_with_a_body_and_some_are_heads(asked: list[Any]) -> None:
    with_body = {(verb, urlsplit(target).path.rpartition("/")[2]) for verb, target, body, _ in asked if body}
    assert {("GET", "sizes"), ("GET", "labels"), ("POST", "7")} == with_body
    assert "HEAD" in {verb for verb, *_ in asked}
