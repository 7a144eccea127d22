"""How does an upstream of these tests say that it is ready, and when does it end?"""

import os
import sys
import threading
from socketserver import BaseServer


def run(server: BaseServer, port: int) -> None:
    """Serve until standard input ends; first print `ready http://127.0.0.1:PORT`."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    print(f"ready http://127.0.0.1:{port}", flush=True)
    server.serve_forever()


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)
