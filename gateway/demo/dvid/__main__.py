"""How is the server started and ended?"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gateway.demo import serving
from gateway.demo.dvid.access import Access
from gateway.demo.dvid.h5file import H5Error, read
from gateway.demo.dvid.http import DvidServer
from gateway.demo.dvid.lab import demo_store, people
from gateway.demo.dvid.routes import respond
from gateway.demo.dvid.store import Store

NAME = (
    "A small DVID. Credentials of its people come from LABGATE_DEMO_DVID_TOKENS, a JSON object by name (ada, eve, "
    "gate, root), and the admin token from LABGATE_DEMO_DVID_ADMIN"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; see `serving.run`. Without a file the server holds made-up tissue."""
    parser = serving.parser("gateway.demo.dvid", NAME)
    parser.add_argument(
        "file", nargs="?", help="HDF5 file to serve, in the layout of dvidclient's mock server"
    )
    parser.add_argument(
        "--auth", choices=("none", "token", "dsg"), default="none", help="who may call (default: %(default)s)"
    )
    parser.add_argument("--read-only", action="store_true", help="refuse every change")
    options = parser.parse_args(arguments)
    try:
        store = demo_store() if options.file is None else read(options.file)
    except (H5Error, OSError) as error:
        print(f"cannot serve {options.file}: {error}", file=sys.stderr)
        return 1
    if options.read_only:
        store.mode = "read only"
    return serving.serve(lambda address: _service(address, store, options), options)


@contextmanager
def _service(address: tuple[str, int], store: Store, options: argparse.Namespace) -> Iterator[DvidServer]:
    tokens = json.loads(os.environ.get("LABGATE_DEMO_DVID_TOKENS", "{}"))
    admin = os.environ.get("LABGATE_DEMO_DVID_ADMIN")
    access = Access(options.auth, people(tokens), admin)
    with DvidServer(address, store, access, respond) as server:
        yield server


if __name__ == "__main__":
    sys.exit(main())
