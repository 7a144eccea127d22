"""How does a server on the `openrpc` package behave? `POST /rpc`, described by rpc.discover."""

import asyncio
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from functions import OFFERED
from openrpc import RPCApp
from running import run

app = RPCApp()
for name, function in OFFERED.items():
    app.method(name)(function)


class Handler(BaseHTTPRequestHandler):
    """The package brings no server of its own; this is the least that carries it."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/rpc":
            self.send_error(404)
            return
        try:
            answer = asyncio.run(app.process(body.decode()))
        except Exception:
            # The package lets some errors out; every web framework makes this of them.
            self.send_error(500)
            return
        if answer is None:
            self.send_response(204)
            self.end_headers()
            return
        data = answer.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Nothing."""


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    run(server, server.server_port)
