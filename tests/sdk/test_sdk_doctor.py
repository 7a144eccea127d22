"""Does the doctor find what is wrong, say what to do about it, and show no token?"""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import labgate
from tests.sdk.logins import SETTINGS, served

COMMAND = [sys.executable, "-m", "labgate.cli", "doctor"]


@pytest.fixture
def gate(gate_of: Any, issuer: Any) -> Any:
    with served(gate_of, SETTINGS.format(issuer=issuer.url, up=issuer.url)) as url:
        yield url


class Healthy(BaseHTTPRequestHandler):
    """A gate as far as its health goes."""

    protocol_version = "HTTP/1.1"
    date: datetime | None = None
    statuses: tuple[int, int] = (200, 200)

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The time that this gate has."""
        return format_datetime(self.date or datetime.now(UTC), usegmt=True)

    def do_GET(self) -> None:
        self.send_response(self.statuses[self.path == "/-/ready"])
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def healthy(tls: ssl.SSLContext | None = None, **members: Any) -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Healthy,), members))
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] - a client that trusts nobody goes away
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def context(issued: Any) -> ssl.SSLContext:
    """A server's side of a certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(issued.certificate, issued.key)
    return made


def profile(**members: Any) -> None:
    from labgate._profiles import write_profile

    write_profile("lab", members)


def states(found: labgate.Diagnosis) -> dict[str, str]:
    return {one.name: one.state for one in found}


def test_where_all_is_well_it_says_so_and_shows_no_token(gate: str, issuer: Any) -> None:
    labgate.login(gate)
    found = labgate.doctor(gate)
    assert found.ok, found
    assert found
    assert states(found) == {
        "address": "ok",
        "name": "ok",
        "connection": "ok",
        "certificate": "skipped",
        "gate": "ok",
        "clock": "ok",
        "token": "ok",
        "catalog": "ok",
        "services": "ok",
        "versions": "ok",
        "extras": found["extras"].state,
    }
    assert found["token"].text == "labgate login: the gate takes you for ada; it renews itself"
    assert found["catalog"].text.startswith("2 methods, version ")
    assert found["services"].text == "up: jobs"
    assert f"labgate {labgate.__version__}" in found["versions"].text
    assert "gate " in found["versions"].text
    text = repr(found) + found._repr_html_() + json.dumps(found.members())
    token = labgate.connect(gate)._session.link.token()
    assert token not in text
    assert labgate.doctor(labgate.connect(gate)).ok


def test_the_command_prints_json_into_a_pipe_and_its_code_tells(gate: str, token_for: Any) -> None:
    def run(*words: str, **environ: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [*COMMAND, *words], capture_output=True, text=True, check=False, env={**os.environ, **environ}
        )
        return done.returncode, json.loads(done.stdout)

    code, said = run(gate, LABGATE_TOKEN=token_for("ada", "lab", ttl="30d"))
    assert (code, said["ok"]) == (0, True), said
    code, said = run("--url", gate, LABGATE_TOKEN="labgate-of-nobody")
    wrong = [one for one in said["findings"] if one["state"] == "wrong"]
    assert code == 1
    assert [one["name"] for one in wrong] == ["token"]
    assert "labgate login" in wrong[0]["advice"]
    assert "labgate-of-nobody" not in json.dumps(said)
    code, said = run()
    assert code == 1
    assert said["findings"][0]["name"] == "address"
    assert said["findings"][0]["state"] == "wrong"


def test_a_token_that_ends_soon_is_noted(gate: str, token_for: Any) -> None:
    found = labgate.doctor(gate, token=token_for("ada", "lab", ttl="1h"))
    assert found["token"].state == "note"
    assert "1.0 h more" in found["token"].text
    assert found.ok


def test_a_service_that_is_down_is_named(gate_of: Any, issuer: Any, token_for: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    services = f"  gone: {{dialect: jsonrpc, url: 'http://127.0.0.1:{port}/rpc'}}\n"
    policies = "policies: [{to: [authenticated], allow: ['*']}]\nservices:\n"
    with served(gate_of, policies + services) as gate:
        found = labgate.doctor(gate, token=token_for("ada", "lab"))
    assert found["service gone"].state == "wrong"
    assert found["service gone"].advice
    assert not found.ok


def test_without_a_listener_the_rest_is_skipped_and_the_advice_is_to_start_the_gate() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = labgate.doctor(f"http://127.0.0.1:{port}")
    assert states(found) | {"extras": ""} == {
        "address": "ok",
        "name": "ok",
        "connection": "wrong",
        "certificate": "skipped",
        "gate": "skipped",
        "clock": "skipped",
        "token": "skipped",
        "catalog": "skipped",
        "services": "skipped",
        "versions": "ok",
        "extras": "",
    }
    assert "labgated serve" in found["connection"].advice


def test_a_name_that_is_no_name_is_said_to_be_unknown() -> None:
    found = labgate.doctor("https://no-such-host.invalid")
    assert found["name"].state == "wrong"
    assert found["connection"].state == "skipped"


def test_a_proxy_is_noted_by_its_variable_and_not_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.lab.org:3128")
    found = labgate.doctor("https://no-such-host.invalid")
    assert found["proxy"].state == "note"
    assert "HTTPS_PROXY" in found["proxy"].text
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("hours", "words"), [(1, "behind the gate's"), (-1, "ahead of the gate's"), (0, "agrees")]
)
def test_a_clock_that_is_wrong_is_said_to_be(hours: int, words: str) -> None:
    with healthy(date=datetime.now(UTC) + timedelta(hours=hours) if hours else None) as port:
        found = labgate.doctor(f"http://127.0.0.1:{port}")
    assert words in found["clock"].text
    assert found["clock"].state == ("wrong" if hours else "ok")


@pytest.mark.parametrize(
    ("statuses", "words"), [((200, 503), "takes no calls yet"), ((404, 404), "answered 404")]
)
def test_what_is_no_gate_or_not_ready_is_told_apart(statuses: tuple[int, int], words: str) -> None:
    with healthy(statuses=statuses) as port:
        found = labgate.doctor(f"http://127.0.0.1:{port}")
    assert found["gate"].state == "wrong"
    assert words in found["gate"].text


def test_a_certificate_is_trusted_only_by_the_authority_of_the_profile(
    authority: Any, tmp_path: Path
) -> None:
    issued = authority.issue("CN=gate", "dns:localhost", valid=timedelta(days=90, hours=1))
    with healthy(context(issued)) as port:
        url = f"https://localhost:{port}"
        found = labgate.doctor(url)
        assert found["certificate"].state == "wrong"
        assert "ca_file" in found["certificate"].advice
        assert found["gate"].state == "skipped"
        profile(url=url, ca_file=str(authority.file))
        found = labgate.doctor(profile="lab")
        assert found["certificate"].state == "ok"
        assert "for 90 more days" in found["certificate"].text
        assert found["gate"].state == "ok"
        profile(url=f"https://127.0.0.1:{port}", ca_file=str(authority.file))
        found = labgate.doctor(profile="lab")
        assert found["certificate"].state == "wrong"  # it is another host's
        profile(url=url, ca_file=str(tmp_path / "none.pem"))
        found = labgate.doctor(profile="lab")
        assert "cannot be read" in found["certificate"].text


def test_a_certificate_that_ends_soon_is_noted(authority: Any) -> None:
    with healthy(context(authority.issue(valid=timedelta(days=5, hours=1)))) as port:
        profile(url=f"https://localhost:{port}", ca_file=str(authority.file))
        found = labgate.doctor(profile="lab")
    assert found["certificate"].state == "note"
    assert "for 5 more days" in found["certificate"].text


def test_what_the_gate_says_steers_no_terminal_and_no_page() -> None:
    from labgate._doctor import Diagnosis
    from labgate._findings import Finding

    shown = Diagnosis([Finding("token", "wrong", "<b>\x1b[31m", "<i>")])
    assert "\x1b" not in repr(shown)
    assert "<b>" not in shown._repr_html_()
    assert "&lt;i&gt;" in shown._repr_html_()
    with pytest.raises(KeyError):
        shown["none"]
    assert len(shown) == 1
