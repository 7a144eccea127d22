"""How is the service of image files started and ended?"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

from gateway.demo import serving
from gateway.demo.files.about import NAME
from gateway.demo.files.http import FilesHttpServer
from gateway.demo.files.operations import Operations
from gateway.demo.files.store import Store


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; see `serving.run`."""
    return serving.run("gateway.demo.files", NAME, _service, arguments)


@contextmanager
def _service(address: tuple[str, int]) -> Iterator[FilesHttpServer]:
    with closing(Store()) as store, FilesHttpServer(address, Operations(store)) as server:
        yield server


if __name__ == "__main__":
    sys.exit(main())
