"""How does a Flask-JSONRPC 4 server behave? `POST /api` has rpc.describe, `POST /openrpc` has rpc.discover too."""

from flask import Flask
from flask_jsonrpc import JSONRPC
from flask_jsonrpc.contrib.openrpc import OpenRPC
from functions import OFFERED
from running import run
from werkzeug.serving import make_server

app = Flask(__name__)
plain = JSONRPC(app, "/api")
discoverable = JSONRPC(app, "/openrpc")
OpenRPC(app, discoverable)
for site in (plain, discoverable):
    for name, function in OFFERED.items():
        site.method(name)(function)

if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    run(server, server.server_port)
