"""How is the deployment started and ended?"""

import json
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from gateway.demo import serving
from gateway.demo.cave import bucket, global_server, local_server
from gateway.demo.cave.deployment import Deployment, new_tokens
from gateway.demo.cave.http import CaveServer

NAME = (
    "A small CAVE deployment; its tokens come from LABGATE_DEMO_CAVE_TOKENS, a JSON object by people's names"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; see `serving.run`. The address is that of the global server."""
    return serving.run("gateway.demo.cave", NAME, _service, arguments)


@contextmanager
def servers(address: tuple[str, int], deployment: Deployment) -> Iterator[CaveServer]:
    """The global server, which is yet to be run; the local ones and the bucket run already."""
    with ExitStack() as ends:
        first = ends.enter_context(CaveServer(address, "global", deployment, global_server.routes()))
        others = {"a": local_server.routes(), "b": local_server.routes(), "bucket": bucket.routes()}
        for name, routes in others.items():
            local = ends.enter_context(CaveServer((address[0], 0), name, deployment, routes))
            thread = threading.Thread(target=local.serve_forever, args=(0.1,), name=f"accept {name}")
            thread.start()
            ends.callback(thread.join)
            ends.callback(local.shutdown)
        yield first


@contextmanager
def _service(address: tuple[str, int]) -> Iterator[CaveServer]:
    tokens = json.loads(os.environ.get("LABGATE_DEMO_CAVE_TOKENS", "null")) or new_tokens()
    with servers(address, Deployment(tokens)) as server:
        yield server


if __name__ == "__main__":
    sys.exit(main())
