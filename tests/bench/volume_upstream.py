"""A gate with one volume of zeros, 256 MiB of uint8: `volume_upstream.py PORT [SECONDS]`, these being what a MiB of a box costs it.

`GET /raw` answers all of it without more; a box of it comes as a numpy file, by the plain URL of `dvid.read`.
"""

from __future__ import annotations

import json
import math
import re
import socketserver
import sys
import time
from urllib.parse import unquote

SHAPE = (256, 1024, 1024)
_ZEROS = memoryview(bytes(math.prod(SHAPE)))
_AXES = {"axes": ["z", "y", "x"], "shape": [*SHAPE], "dtype": "uint8", "block_shape": [16, 64, 64]}
_VOLUME = {"node": "0" * 32, "instance": "zeros", **_AXES}
_MARKS = {"safe": True, "result": "volume", "volume": {"read": "read"}}
_PACE = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
_METHODS = [
    {"name": "dvid.volume", "params": [{"name": "node"}, {"name": "instance"}], "x-labgate": _MARKS},
    {"name": "dvid.read", "params": [], "x-labgate": {"safe": True, "result": "array"}},
]


class Connection(socketserver.StreamRequestHandler):
    """One request after the other."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            length = 0
            while (field := self.rfile.readline()) != b"\r\n":
                if field.lower().startswith(b"content-length:"):
                    length = int(field[15:])
            self.rfile.read(length)
            self._answer(unquote(line.split()[1].decode()))

    def _answer(self, target: str) -> None:
        if target == "/raw":
            self._send("application/octet-stream", b"", _ZEROS)
        elif box := re.search(r"start=\[(.*?)\]&stop=\[(.*?)\]", target):
            low, high = ([int(one) for one in corner.split(",")] for corner in box.groups())
            shape = tuple(last - first for first, last in zip(low, high, strict=True))
            text = repr({"descr": "|u1", "fortran_order": False, "shape": shape}).encode() + b"\n"
            head = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
            time.sleep(_PACE * math.prod(shape) / 2**20)
            self._send("application/x-npy", head, _ZEROS[: math.prod(shape)])
        elif target == "/rpc":
            answer = json.dumps({"jsonrpc": "2.0", "id": 1, "result": _VOLUME}).encode()
            self._send("application/json", answer)
        else:
            self._send("application/json", json.dumps({"openrpc": "1.3.2", "methods": _METHODS}).encode())

    def _send(self, kind: str, head: bytes, data: memoryview = _ZEROS[:0]) -> None:
        fields = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(head) + len(data)}\r\n\r\n"
        self.connection.sendall(fields.encode() + head)
        self.connection.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    """The listening half."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Connection) as server:
        print(f"ready {server.server_address[1]}", flush=True)
        server.serve_forever()
