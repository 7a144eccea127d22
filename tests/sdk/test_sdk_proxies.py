"""Do calls to the gate go through the network's proxy where the usual variables say so, and nowhere else?"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import labgate
from labgate._proxy import proxy_for
from labgate.errors import Error, GateUnreachable, SetupError
from tests.sdk.conftest import TOKEN, Gate, Server, scripted
from tests.sdk.proxies import proxy_to

NAME = "gate.lab.invalid"  # no name server knows it: only the proxy can lead there
VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the variables of the test itself."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def secure(gate: Gate, authority: Any) -> Iterator[int]:
    """The gate, with a certificate for its name, at this port."""
    issued = authority.issue("CN=gate", f"dns:{NAME}")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    server = Server(gate)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.end()
    thread.join()


def port_of(gate: Gate) -> int:
    return int(gate.url.rpartition(":")[2])


def test_https_goes_through_a_tunnel_and_the_proxy_sees_neither_token_nor_call(
    gate: Gate, secure: int, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(secure, "ada:word") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        lab = labgate.connect(f"https://{NAME}", ca_file=str(authority.file))
        assert [lab.jobs.list_lanes() for _ in range(3)] == [["a", "b"]] * 3
        assert lab.jobs.get_job("P1", "J" * 100_000)["params"]["job_uid"] == "J" * 100_000
    assert proxy.verbs() == ["CONNECT"]
    assert {target for _, target, _ in proxy.seen} == {f"{NAME}:443"}
    assert TOKEN not in repr(proxy.seen)
    assert all("proxy-authorization" not in headers for _, _, headers, _ in gate.requests)
    assert all(headers["host"] == NAME for _, _, headers, _ in gate.requests)


def test_plain_http_is_asked_for_by_its_whole_address_and_only_the_proxy_has_its_account(
    files: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(port_of(files), "ada:word") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        lab = labgate.connect(f"http://{NAME}:8700", insecure=True)
        assert lab.jobs.list_lanes() == ["a", "b"]
        with labgate.request(lab.files, "GET", "/tiles/7", query={"a": "b c"}) as reply:
            assert reply.text() == "GET /files/tiles/7?a=b%20c 0"
    assert proxy.verbs() == ["GET", "POST", "GET"]
    assert {target for _, target, _ in proxy.seen} == {
        f"http://{NAME}:8700/openrpc.json",
        f"http://{NAME}:8700/rpc",
        f"http://{NAME}:8700/files/tiles/7?a=b%20c",
    }
    assert all("proxy-authorization" not in headers for _, _, headers, _ in files.requests)


def test_a_proxy_whose_account_is_wrong_is_said_to_be_without_showing_it(
    gate: Gate, secure: int, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url, port in ((f"https://{NAME}", secure), (f"http://{NAME}", port_of(gate))):
        with proxy_to(port, "ada:word") as proxy:
            monkeypatch.setenv("ALL_PROXY", proxy.url.replace("word", "w0rd"))
            with pytest.raises(GateUnreachable, match="wants to know who asks") as caught:
                labgate.connect(url, ca_file=str(authority.file), insecure=True)
        assert "w0rd" not in f"{caught.value!s}{caught.value!r}"
        assert "NAME:PASSWORD@" in str(caught.value)
        assert not caught.value.maybe_executed
    assert gate.requests == []


@pytest.mark.parametrize("status", [403, 502])
def test_a_proxy_that_makes_no_way_is_why_the_gate_cannot_be_reached(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(1) as proxy:
        proxy.refuses = status
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(GateUnreachable, match=rf"https_proxy\) makes no way to it: it answered {status}"):
            labgate.connect(f"https://{NAME}", retries=1)
    assert len(proxy.seen) == (2 if status == 502 else 1)


def test_a_proxy_that_pretends_to_be_the_gate_gets_no_token(
    secure: int, authority_of: Any, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(secure) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(GateUnreachable, match="certificate is not trusted"):
            labgate.connect(f"https://{NAME}", ca_file=str(authority_of("other").file))
    assert gate.requests == []


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"]
)
def test_what_is_no_proxy_is_said_to_be_none(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with scripted(script) as url:
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(GateUnreachable, match="does not answer as one"):
            labgate.connect(f"https://{NAME}", retries=0)


def test_a_proxy_that_is_not_there_is_named_and_not_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://ada:word@proxy.invalid:3128")
    with pytest.raises(GateUnreachable, match=r"the proxy proxy\.invalid:3128 .* cannot be found") as caught:
        labgate.connect(f"https://{NAME}", retries=0)
    assert "word" not in str(caught.value)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(
        GateUnreachable, match=r"the proxy 127\.0\.0\.1:1 \(https_proxy\): .*(refused|failed)"
    ):
        labgate.connect(f"https://{NAME}", retries=0)


def test_a_gate_on_this_machine_is_asked_past_every_proxy(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert labgate.connect(gate.url).jobs.list_lanes() == ["a", "b"]


def test_a_gate_that_no_proxy_excepts_is_asked_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "other.org, .lab.invalid")
    with pytest.raises(GateUnreachable, match=f"the host name {NAME} cannot be found"):
        labgate.connect(f"https://{NAME}", retries=0)


P, Q = "http://p:1", "http://q:2"


@pytest.mark.parametrize(
    ("environ", "where", "found"),
    [
        ({}, ("https", "gate.org", 443), None),
        ({"HTTPS_PROXY": P}, ("https", "gate.org", 443), P),
        ({"HTTPS_PROXY": P, "https_proxy": Q}, ("https", "gate.org", 443), Q),
        ({"HTTPS_PROXY": P, "https_proxy": ""}, ("https", "gate.org", 443), None),
        ({"HTTPS_PROXY": P}, ("http", "gate.org", 80), None),
        ({"ALL_PROXY": P}, ("http", "gate.org", 80), P),
        ({"ALL_PROXY": P, "http_proxy": Q}, ("http", "gate.org", 80), Q),
        ({"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, ("http", "gate.org", 80), None),
        ({"http_proxy": P, "REQUEST_METHOD": "GET"}, ("http", "gate.org", 80), P),
        ({"http_proxy": "proxy:3128"}, ("http", "gate.org", 80), "http://proxy:3128"),
        ({"http_proxy": "http://[fd00::1]"}, ("http", "gate.org", 80), "http://[fd00::1]:80"),
        ({"all_proxy": P}, ("http", "127.0.0.1", 80), None),
        ({"all_proxy": P}, ("https", "lab.localhost", 443), None),
        ({"all_proxy": P, "NO_PROXY": "*"}, ("https", "gate.org", 443), None),
        ({"all_proxy": P, "NO_PROXY": "*", "no_proxy": ""}, ("https", "gate.org", 443), P),
        ({"all_proxy": P, "no_proxy": "gate.org"}, ("https", "gate.org", 443), None),
        ({"all_proxy": P, "no_proxy": "Lab.org, Gate.Org "}, ("https", "a.gate.org", 443), None),
        ({"all_proxy": P, "no_proxy": "*.gate.org"}, ("https", "a.gate.org", 443), None),
        ({"all_proxy": P, "no_proxy": "gate.org"}, ("https", "mygate.org", 443), P),
        ({"all_proxy": P, "no_proxy": "gate.org:8700"}, ("https", "gate.org", 443), P),
        ({"all_proxy": P, "no_proxy": "gate.org:8700"}, ("https", "gate.org", 8700), None),
        ({"all_proxy": P, "no_proxy": "10.0.0.0/8"}, ("https", "10.1.2.3", 443), None),
        ({"all_proxy": P, "no_proxy": "10.0.0.0/8"}, ("https", "11.1.2.3", 443), P),
        ({"all_proxy": P, "no_proxy": "10.0.0.0/8,nonsense/x"}, ("https", "gate.org", 443), P),
        ({"all_proxy": P, "no_proxy": "[fd00::1]:443"}, ("https", "fd00::1", 443), None),
        ({"all_proxy": P, "no_proxy": "fd00::1"}, ("https", "fd00::1", 443), None),
        ({"all_proxy": P, "no_proxy": "gate.org:https"}, ("https", "gate.org", 443), P),
        ({"all_proxy": P, "no_proxy": ",, ."}, ("https", "gate.org", 443), P),
    ],
)
def test_the_variables_mean_what_they_mean_elsewhere(
    environ: dict[str, str], where: tuple[str, str, int], found: str | None
) -> None:
    proxy = proxy_for(*where, environ)
    assert (None if proxy is None else proxy.url) == found


@pytest.mark.parametrize(
    "text", ["socks5://me:secret@p:1080", "https://me:secret@p", "http://me:secret@p:99999", "me:secret@p q"]
)
def test_a_proxy_that_cannot_be_used_is_refused_by_its_variable_without_repeating_it(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)
    with pytest.raises(SetupError, match="HTTPS_PROXY") as caught:
        labgate.connect(f"https://{NAME}")
    assert "secret" not in str(caught.value)
    assert not labgate.doctor(f"https://{NAME}").ok


def test_an_account_may_hold_any_sign(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    with proxy_to(port_of(gate), "a@da:w:o rd/ü") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("a@da:w:o rd/ü", "a%40da:w%3Ao%20rd%2F%C3%BC"))
        assert labgate.connect(f"http://{NAME}", insecure=True).jobs.list_lanes() == ["a", "b"]


def test_a_recording_tells_nothing_of_the_proxy(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    from labgate import testing

    kept = tmp_path / "run.labgate"
    with proxy_to(port_of(gate), "ada:word") as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with testing.record(kept, address=f"http://{NAME}", insecure=True) as lab:
            assert lab.jobs.list_lanes() == ["a", "b"]
    assert proxy.verbs() == ["GET", "CONNECT"]  # a client of its own, which is not recorded, and what is
    assert b"roxy" not in kept.read_bytes()
    with testing.replay(kept) as lab:
        assert lab.jobs.list_lanes() == ["a", "b"]


def test_the_doctor_goes_the_way_that_calls_go(
    secure: int, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy_to(secure) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        found = labgate.doctor(f"https://{NAME}")
    assert (found["proxy"].state, found["connection"].state, found["certificate"].state) == (
        "note",
        "ok",
        "ok",
    )
    assert set(proxy.verbs()) == {"CONNECT"}


def test_an_error_is_an_error_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://p")
    with pytest.raises(Error, match=r"NO_PROXY=gate\.lab\.org"):
        labgate.connect(f"https://{NAME}")
