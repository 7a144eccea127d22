"""How is the job manager started and ended?"""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Sequence

from gateway.demo.jobs.about import NAME, VERSION, About
from gateway.demo.jobs.http import RPC_PATH, RpcHttpServer
from gateway.demo.jobs.lanes import Lanes
from gateway.demo.jobs.library import Library
from gateway.demo.jobs.manager import Manager
from gateway.demo.jobs.projects import Projects
from gateway.demo.jobs.records import Store
from gateway.demo.jobs.rpc import RpcService

_SUMMARY = "Runs little jobs over small micrographs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT or, where asked for, the end of standard input; the exit code is 0."""
    parser = argparse.ArgumentParser(prog="python -m gateway.demo.jobs", description=NAME)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end when standard input ends, as a child process"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")

    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if options.until_stdin_closes:
        threading.Thread(target=_await_end_of_input, args=(ended,), daemon=True).start()
    return _serve(options.host, options.port, ended)


def _serve(host: str, port: int, ended: threading.Event) -> int:
    store = Store()
    library = Library(store)
    projects = Projects(store)
    projects.create_project("Demonstration", "What the demo lab starts with")
    manager = Manager(store, Lanes())
    service = RpcService(NAME, VERSION, _SUMMARY, [About(), projects, library, manager])
    greeting = f"{NAME} {VERSION}: JSON-RPC 2.0 at POST {RPC_PATH}; ask it for system.describe\n"
    try:
        server = RpcHttpServer((host, port), service, greeting)
    except OSError as error:
        print(f"cannot listen on {host}:{port}: {error.strerror}", file=sys.stderr)
        manager.close()
        return 1
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="accept")
        thread.start()
        print(f"ready {server.url}", flush=True)
        ended.wait()
        server.shutdown()
        thread.join()
        manager.close()
    return 0


def _await_end_of_input(ended: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
