"""A network's proxy: it leads to one port of this machine, whatever name was asked for, and remembers what it saw."""

from __future__ import annotations

import http.client
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class LabProxy(ThreadingHTTPServer):
    """The listening half.

    `seen` are (verb, target, header fields) of every request that came; `account` lets only those through who give it;
    `refuses` is a status for everybody.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, account: str | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = ("127.0.0.1", port)
        self.account = account
        self.refuses: int | None = None
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.url = f"http://{account + '@' if account else ''}127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""

    def verbs(self) -> list[str]:
        """What was asked for, without repetitions next to each other."""
        found = [verb for verb, *_ in self.seen]
        return [verb for at, verb in enumerate(found) if at == 0 or found[at - 1] != verb]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: LabProxy

    def log_message(self, *_: Any) -> None:
        """Nothing: tests ask the record."""

    def _lets_through(self) -> bool:
        fields = {name.lower(): value for name, value in self.headers.items()}
        self.server.seen.append((self.command, self.path, fields))
        status = self.server.refuses
        if status is None and self.server.account is not None:
            wanted = "Basic " + b64encode(self.server.account.encode()).decode()
            status = None if fields.get("proxy-authorization") == wanted else 407
        if status is None:
            return True
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_CONNECT(self) -> None:
        self.close_connection = True
        if not self._lets_through():
            return
        with socket.create_connection(self.server.upstream) as behind:
            self.wfile.write(
                b"HTTP/1.1 200 Connected\r\nContent-Length: 9\r\n\r\n"
            )  # RFC 9110: to be ignored
            back = threading.Thread(target=_pump, args=(behind, self.connection))
            back.start()
            _pump(self.connection, behind)
            back.join()

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not self._lets_through():
            return
        name, slash, path = self.path.removeprefix("http://").partition("/")
        assert self.path.startswith("http://"), "no absolute form"
        assert name == self.headers["Host"]
        fields = {name: value for name, value in self.headers.items() if name != "Proxy-Authorization"}
        behind = http.client.HTTPConnection(*self.server.upstream)
        try:
            behind.request(self.command, slash + path, body or None, fields)
            answer = behind.getresponse()
            content = answer.read()
        finally:
            behind.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET  # noqa: N815 - http.server's own name


@contextmanager
def proxy_to(port: int, account: str | None = None) -> Iterator[LabProxy]:
    """A proxy in front of a port of this machine."""
    server = LabProxy(port, account)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Bytes from one to the other, until there are none."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return
