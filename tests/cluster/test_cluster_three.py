"""Of more than two gates, one that goes leaves its addresses to all the others: by HAProxy's settings, before servers that name themselves."""

import re
import subprocess
from collections import Counter
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace

import pytest
from cluster_lab import CONFIG, PATIENCE, Balancer, serving, until


@contextmanager
def server(name):
    """A server that is ready, and answers everything with its name; it can be told that it is not ready."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        ready = True

        def do_GET(self):
            body = name.encode()
            self.send_response(200 if self.ready or self.path != "/-/ready" else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with serving(Handler) as url:
        yield SimpleNamespace(name=name, address=url.removeprefix("http://"), handler=Handler)


@pytest.fixture
def three(tmp_path):
    """HAProxy before three gates: a line more in each backend, as docs/how-to/replicas.md says."""
    text = (CONFIG / "haproxy.cfg").read_text()
    text, lines = re.subn(
        r'( *server )two ("\$\{LABGATE_)TWO(-[^"]*")(?: track gates/two)?',
        lambda line: line[0] + "\n" + line[0].replace("two", "three").replace("TWO", "THREE"),
        text,
    )
    assert lines == 2
    (tmp_path / "three.cfg").write_text(text)
    with server("one") as one, server("two") as two, server("three") as more:
        every = (one, two, more)
        balancer = Balancer(tmp_path, every, tmp_path / "three.cfg", LABGATE_READS="gates_by_address")
        try:
            balancer.start()
            until(lambda: balancer.up() == {each.name for each in every})
            yield balancer, two
        finally:
            balancer.stop()


def test_a_gate_that_is_down_moves_only_its_own_share_and_has_it_again_afterwards(three):
    balancer, lost = three
    host, _, port = balancer.address.rpartition(":")
    connection = HTTPConnection(host, int(port), timeout=PATIENCE)

    def places():
        found = {}
        for n in range(300):
            connection.request("GET", f"/dvid/api/node/a1/seg/raw/0_1_2/64_64_64/{n}_0_0?n={n}")
            found[n] = connection.getresponse().read()
        return found

    before = places()
    assert set(before.values()) == {b"one", b"two", b"three"}
    assert max(Counter(before.values()).values()) < 200
    lost.handler.ready = False
    until(lambda: balancer.up() == {"one", "three"})
    during = places()
    assert set(during.values()) == {b"one", b"three"}
    assert {n for n in before if before[n] != during[n]} == {n for n in before if before[n] == b"two"}
    assert len({during[n] for n in before if before[n] == b"two"}) == 2, "its share is shared by all others"
    lost.handler.ready = True
    until(lambda: balancer.up() == {"one", "two", "three"})
    until(lambda: places() == before)
    connection.close()


def test_the_same_address_is_of_the_same_gate_in_http_1_and_in_http_2(three):
    balancer, _ = three
    addresses = [f"http://{balancer.address}/em/{n}?level={n}" for n in range(30)]

    def place(option, address):
        """Whose it is, and by which version: what HTTP/2 asks for has the host in it, and HTTP/1.1 has not."""
        command = ["curl", "--silent", "--show-error", "--write-out", "/%{http_version}", option, address]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
        return done.stdout.split("/")

    names = set()
    for address in addresses:
        name, version = place("--http1.1", address)
        assert version == "1.1"
        assert place("--http2-prior-knowledge", address) == [name, "2"]
        names.add(name)
    assert names == {"one", "two", "three"}
