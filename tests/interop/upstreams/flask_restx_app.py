"""How does a flask-restx server describe itself and behave? Swagger 2.0 at /swagger.json."""

import hashlib
from typing import Any

from flask import Flask, Response, request
from flask_restx import Api, Resource, fields, reqparse
from running import run
from werkzeug.datastructures import FileStorage
from werkzeug.serving import make_server

app = Flask(__name__)
api = Api(app, title="Functions on flask-restx", version="1.0.0")

# operationIds repeat and hold spaces, as authors who take them for titles write them.
WRITE = "write something"

item = api.model("Item", {"name": fields.String(required=True), "price": fields.Float(min=0)})
addends = reqparse.RequestParser()
addends.add_argument("a", type=int, required=True, location="args")
addends.add_argument("b", type=int, required=True, location="args")
files = reqparse.RequestParser()
files.add_argument("file", type=FileStorage, required=True, location="files")
statuses = reqparse.RequestParser()
statuses.add_argument("status", type=int, default=418, location="args")


@api.route("/add")
class Add(Resource):
    @api.doc(id="add two numbers")
    @api.expect(addends)
    def get(self) -> int:
        """Add two whole numbers."""
        given = addends.parse_args()
        return int(given["a"] + given["b"])


@api.route("/items/<path:item_id>")
class OneItem(Resource):
    @api.doc(id="get_item")
    def get(self, item_id: str) -> dict[str, str]:
        """Get an item; its id is repeated."""
        return {"item_id": item_id}


@api.route("/items")
class Items(Resource):
    @api.doc(id=WRITE)
    @api.expect(item, validate=True)
    @api.marshal_with(item, code=201)
    def post(self) -> tuple[Any, int]:
        """Create an item."""
        return request.get_json(), 201


@api.route("/echo")
class Echo(Resource):
    @api.doc(id=WRITE, params={"payload": {"in": "body", "schema": {}}})
    def post(self) -> Any:
        """Return what was sent."""
        return request.get_json()


@api.route("/upload")
class Upload(Resource):
    @api.doc(id=WRITE)
    @api.expect(files)
    def post(self) -> dict[str, Any]:
        """Get size and digest of a file."""
        data = files.parse_args()["file"].read()
        return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@api.route("/raw")
class Raw(Resource):
    @api.doc(params={"body": {"in": "body", "schema": {"type": "string", "format": "binary"}}})
    @api.produces(["application/octet-stream"])
    def post(self) -> Response:
        """Return the bytes that were sent."""
        return Response(request.get_data(), mimetype="application/octet-stream")


@api.route("/fail")
class Fail(Resource):
    @api.doc(id="fail")
    @api.expect(statuses)
    def get(self) -> None:
        """Fail with a status; 0 raises an error that nobody handles."""
        status = statuses.parse_args()["status"]
        if status == 0:
            raise RuntimeError("it broke on purpose")
        api.abort(status, "it broke on purpose")


@api.route("/text")
class Text(Resource):
    @api.doc(id="text")
    @api.produces(["text/plain"])
    def get(self) -> Response:
        """Get a line of text."""
        return Response("plain words, Zürich", mimetype="text/plain")


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    run(server, server.server_port)
