"""How does a Flask-JSONRPC 2 server behave? `POST /api`, described by system.describe."""

from flask import Flask
from flask_jsonrpc import JSONRPC
from functions import OFFERED
from running import run
from werkzeug.serving import make_server

app = Flask(__name__)
jsonrpc = JSONRPC(app, "/api")
for name, function in OFFERED.items():
    jsonrpc.method(name)(function)

if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    run(server, server.server_port)
