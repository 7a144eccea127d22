"""Several workers that speak TLS on one port: each with the same certificates, and the new ones when they come."""

import json
import signal
import ssl
import subprocess
import time
from http.client import HTTPSConnection
from urllib.parse import urlsplit

import pytest
from working_gates import ENVIRON, PYTHON


@pytest.fixture
def secure(tmp_path, authority):
    """A gate of two workers: the process, its address, and the files of its certificate."""
    issued = authority.issue()
    file = tmp_path / "labgate.yaml"
    file.write_text(
        f"""
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0, tls: {{certificate: {issued.certificate}, key: {issued.key}}}}}
state_dir: {tmp_path}/state
shutdown_seconds: 5
workers: 2
telemetry: {{access_log: "off"}}
tls: {{certificate: {issued.certificate}, key: {issued.key}, client_ca: {authority.file}}}
identity: {{certificates: {{}}}}
policies: [{{to: [authenticated], allow: ["*"]}}]
services: {{none: {{dialect: listed, url: "http://127.0.0.1:9", mount: /none}}}}
"""
    )
    command = [*PYTHON, "serve", "--config", str(file)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRON
    ) as child:
        try:
            yield child, child.stdout.readline().removeprefix("ready ").strip(), issued
        finally:
            child.kill()


def asked(address: str, context: ssl.SSLContext) -> tuple[str, int]:
    """Whom a new connection's certificate names, and the serial number of the gate's."""
    parts = urlsplit(address)
    line = HTTPSConnection("localhost", parts.port, context=context, timeout=20)
    line.connect()
    number = int(line.sock.getpeercert()["serialNumber"], 16)
    line.request("GET", "/-/whoami")
    said = json.loads(line.getresponse().read())
    line.close()
    return said["subject"], number


def test_all_workers_know_callers_by_their_certificates_and_take_new_files_without_an_end(secure, authority):
    child, address, issued = secure
    assert address.startswith("https://")
    context = authority.issue("CN=mill", "none").context(authority)
    first = {asked(address, context) for _ in range(12)}
    assert {subject for subject, _ in first} == {"mill"}
    assert len(first) == 1
    fresh = authority.issue()
    issued.certificate.write_bytes(fresh.certificate.read_bytes())
    issued.key.write_bytes(fresh.key.read_bytes())
    until = time.monotonic() + 60
    while (recent := {asked(address, context) for _ in range(8)}) & first or len(recent) > 1:
        assert time.monotonic() < until, "the new files were not taken"
        time.sleep(0.5)
    child.send_signal(signal.SIGTERM)
    assert child.wait(20) == 0
    log = child.stderr.read()
    assert "operators: https://" in log
    assert log.count("the files have changed") == 4, log  # two workers, two listeners
