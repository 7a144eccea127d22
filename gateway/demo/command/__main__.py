"""How are the command servers started and ended?"""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from gateway.demo import serving
from gateway.demo.command.core import Core
from gateway.demo.command.http import CommandServer
from gateway.demo.command.lab import Lab
from gateway.demo.command.vis import Rtp, Vis

NAME = "A small CryoSPARC 4: command_core at the port, command_vis one above, command_rtp three above, unless it is any free one"
LICENSE = "00000000-0000-0000-0000-000000000000"


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; see `serving.run`. The address is command_core's."""
    return serving.run("gateway.demo.command", NAME, _service, arguments)


@contextmanager
def servers(address: tuple[str, int], lab: Lab) -> Iterator[list[CommandServer]]:
    """The three servers, of which the first is yet to be run."""
    host, port = address
    ports = (port, port + 1, port + 3) if port else (0, 0, 0)
    made = zip(
        ports,
        ("command_core", "command_vis", "command_rtp"),
        (Core(lab).methods, Vis(lab).methods, Rtp().methods),
        strict=True,
    )
    with ExitStack() as ends:
        found = [
            ends.enter_context(CommandServer((host, own), name, lab, methods)) for own, name, methods in made
        ]
        for server in found[1:]:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name=server.name)
            thread.start()
            ends.callback(thread.join)
            ends.callback(server.shutdown)
        yield found


@contextmanager
def _service(address: tuple[str, int]) -> Iterator[CommandServer]:
    with servers(address, Lab(os.environ.get("LABGATE_DEMO_LICENSE", LICENSE))) as found:
        yield found[0]


if __name__ == "__main__":
    sys.exit(main())
