"""Does `labgated demo` start the image files beside the job manager?"""

import http.client
import signal
import subprocess
import sys
from contextlib import closing
from urllib.parse import urlsplit


def test_the_lab_alone_says_where_its_services_listen() -> None:
    command = [sys.executable, "-m", "gateway.cli", "demo", "--lab-only", "--listen-files", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = dict(process.stdout.readline().split() for _ in range(3))
        assert list(said) == ["dvid", "files", "ready"]
        for name, path, word in (
            ("files", "/", b"Demo image files"),
            ("ready", "/", b"Demo job manager"),
            ("dvid", "/api/server/info", b"DVID Version"),
        ):
            with closing(http.client.HTTPConnection(urlsplit(said[name]).netloc, timeout=60)) as connection:
                connection.request("GET", path)
                assert word in connection.getresponse().read()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_an_address_for_the_files_needs_the_lab_alone() -> None:
    command = [sys.executable, "-m", "gateway.cli", "demo", "--listen-files", "127.0.0.1:0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "--listen-files needs --lab-only" in done.stderr) == (2, True)
