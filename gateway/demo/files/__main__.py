"""How is the service of image files started and ended?"""

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import closing

from gateway.demo.files.about import NAME
from gateway.demo.files.http import FilesHttpServer
from gateway.demo.files.operations import Operations
from gateway.demo.files.store import Store


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or, where asked for, the end of standard input; the exit code is 0."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.files", description=NAME)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when standard input ends, as a child process"
    )
    options = parser.parse_args(arguments)

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if options.until_stdin_closes:
        threading.Thread(target=_await_end_of_input, args=(ended,), daemon=True).start()
    with closing(Store()) as store:
        return _serve(options.host, options.port, store, ended)


def _serve(host: str, port: int, store: Store, ended: threading.Event) -> int:
    try:
        server = FilesHttpServer((host, port), Operations(store))
    except OSError as error:
        print(f"cannot listen on {host}:{port}: {error.strerror}", file=sys.stderr)
        return 1
    with server:
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


if __name__ == "__main__":
    sys.exit(main())
