"""How is the job manager started and ended?"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from gateway.demo import serving
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
    """Serve until told to end; see `serving.run`."""
    return serving.run("gateway.demo.jobs", NAME, _service, arguments)


@contextmanager
def _service(address: tuple[str, int]) -> Iterator[RpcHttpServer]:
    store = Store()
    library = Library(store)
    projects = Projects(store)
    projects.create_project("Demonstration", "What the demo lab starts with")
    greeting = f"{NAME} {VERSION}: JSON-RPC 2.0 at POST {RPC_PATH}; ask it for system.describe\n"
    with closing(Manager(store, Lanes())) as manager:
        service = RpcService(NAME, VERSION, _SUMMARY, [About(), projects, library, manager])
        with RpcHttpServer(address, service, greeting) as server:
            yield server


if __name__ == "__main__":
    sys.exit(main())
