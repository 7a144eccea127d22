"""How is the catalog server started and ended?"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.demo import serving
from gateway.demo.catalog.contents import contents
from gateway.demo.catalog.http import CatalogServer
from gateway.demo.catalog.protocol import Service

NAME = "Demo catalog; who opens something shows LABGATE_DEMO_CATALOG_SECRET as intake-secret, if it is set"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; see `serving.run`."""
    return serving.run("gateway.demo.catalog", NAME, _service, arguments)


@contextmanager
def _service(address: tuple[str, int]) -> Iterator[CatalogServer]:
    service = Service(contents(), os.environ.get("LABGATE_DEMO_CATALOG_SECRET", ""))
    with CatalogServer(address, service) as server:
        yield server


if __name__ == "__main__":
    sys.exit(main())
