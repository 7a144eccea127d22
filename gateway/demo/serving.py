"""How does a service of the lab start, answer over HTTP/1.1, and end? What is the same for all of them."""

import argparse
import contextlib
import logging
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LINGER_SECONDS = 2.0
_LENGTH = re.compile("[0-9]{1,18}")


class LabServer(ThreadingHTTPServer):
    """An HTTP server with one thread for each connection."""

    daemon_threads = True
    request_queue_size = 128

    @property
    def url(self) -> str:
        """Where the server listens."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print what went wrong with a connection; callers who hang up are no error."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class LabHandler(BaseHTTPRequestHandler):
    """The requests of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one piece
    timeout = 300  # an idle connection is closed after so many seconds

    def body_length(self, unsaid: str) -> int | None:
        """How long the request's body is, None where that cannot be known; `unsaid` stands for no Content-Length."""
        length = self.headers.get("Content-Length", unsaid)
        return None if "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(length) else int(length)

    def body(self, length: int) -> bytes | None:
        """The body, None if the caller hung up half way."""
        body = self.rfile.read(length)
        if len(body) == length:
            return body
        self.close_connection = True
        return None

    def linger(self) -> None:
        """Read some of what still comes: a close with unread data resets the connection, and the answer is lost."""
        self.wfile.flush()
        end = time.monotonic() + _LINGER_SECONDS
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            while (left := end - time.monotonic()) > 0:
                self.connection.settimeout(left)
                if not self.connection.recv(65536):
                    return

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Nothing: thousands of requests a second are no news."""


Made = Callable[[tuple[str, int]], AbstractContextManager[LabServer]]
"""Makes a service that listens at this address; leaving it ends what it works with."""


def run(module: str, description: str, made: Made, arguments: Sequence[str] | None) -> int:
    """Serve until SIGTERM, SIGINT or, where asked for, the end of standard input; the exit code.

    `module` is what `python -m` is given. Once it listens the line `ready ADDRESS` is printed.
    """
    return serve(made, parser(module, description).parse_args(arguments))


def parser(module: str, description: str) -> argparse.ArgumentParser:
    """Reads the arguments that every service has: where to listen, and whether to end with standard input."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when standard input ends, as a child process"
    )
    return parser


def serve(made: Made, options: argparse.Namespace) -> int:
    """Serve with these options, as `run` does; the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if options.until_stdin_closes:
        threading.Thread(target=_await_end_of_input, args=(ended,), daemon=True).start()
    with ExitStack() as ends:
        try:
            server = ends.enter_context(made((options.host, options.port)))
        except OSError as error:
            print(f"cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
            return 1
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="accept")
        thread.start()
        print(f"ready {server.url}", flush=True)
        ended.wait()
        server.shutdown()
        thread.join()
    return 0


def _await_end_of_input(ended: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    ended.set()
