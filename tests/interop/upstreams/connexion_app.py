"""How does a connexion server describe itself and behave? OpenAPI 3.0 at /api/openapi.json, from its author's hand."""

import hashlib
import os
import socket
import sys
import threading
from typing import Any

import uvicorn
import yaml
from connexion import AsyncApp, problem
from connexion.options import SwaggerUIOptions
from starlette.responses import PlainTextResponse, Response

# No schema here refers to itself: connexion 3 cannot serve such a document, it answers 500.
DOCUMENT = """
openapi: 3.0.3
info: {title: Functions on connexion, version: 1.0.0}
servers: [{url: /api}]
paths:
  /add:
    get:
      operationId: connexion_app.add
      summary: Add two whole numbers
      parameters:
        - {name: a, in: query, required: true, schema: {type: integer}}
        - {name: b, in: query, required: true, schema: {type: integer}}
      responses: {"200": {description: The sum, content: {application/json: {schema: {type: integer}}}}}
  /items/{item_id}:
    parameters:
      - {name: item_id, in: path, required: true, schema: {type: string, format: path}}
    get:
      operationId: connexion_app.get_item
      summary: Get an item; its id is repeated
      responses: {"200": {description: The item, content: {application/json: {schema: {type: object}}}}}
  /items:
    post:
      operationId: connexion_app.create_item
      summary: Create an item
      requestBody:
        required: true
        content: {application/json: {schema: {$ref: "#/components/schemas/Item"}}}
      responses:
        "201": {description: It, content: {application/json: {schema: {$ref: "#/components/schemas/Item"}}}}
  /echo:
    post:
      operationId: connexion_app.echo
      summary: Return what was sent
      requestBody: {required: true, content: {application/json: {schema: {nullable: true}}}}
      responses: {"200": {description: The same, content: {application/json: {schema: {}}}}}
  /upload:
    post:
      operationId: connexion_app.upload
      summary: Get size and digest of a file
      requestBody:
        required: true
        content:
          multipart/form-data:
            schema:
              type: object
              required: [file]
              properties: {file: {type: string, format: binary}}
      responses: {"200": {description: Both, content: {application/json: {schema: {type: object}}}}}
  /raw:
    post:
      operationId: connexion_app.raw
      summary: Return the bytes that were sent
      requestBody:
        required: true
        content: {application/octet-stream: {schema: {type: string, format: binary}}}
      responses:
        "200":
          description: The same
          content: {application/octet-stream: {schema: {type: string, format: binary}}}
  /fail:
    get:
      operationId: connexion_app.fail
      summary: Fail with a status; 0 raises an error that nobody handles
      parameters:
        - {name: status, in: query, schema: {type: integer, default: 418}}
      responses: {default: {description: Never well, content: {application/problem+json: {schema: {type: object}}}}}
  /text:
    get:
      operationId: connexion_app.text
      summary: Get a line of text
      responses: {"200": {description: The line, content: {text/plain: {schema: {type: string}}}}}
components:
  schemas:
    Item:
      type: object
      required: [name]
      properties:
        name: {type: string}
        price: {type: number, nullable: true}
"""


async def add(a: int, b: int) -> int:
    return a + b


async def get_item(item_id: str) -> dict[str, str]:
    return {"item_id": item_id}


async def create_item(body: dict[str, Any]) -> tuple[dict[str, Any], int]:
    return body, 201


async def echo(body: Any) -> Any:
    return body


async def upload(file: Any) -> dict[str, Any]:
    data = await file.read()
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


async def raw(body: bytes) -> Response:
    return Response(body, media_type="application/octet-stream")


async def fail(status: int) -> Any:
    if status == 0:
        raise RuntimeError("it broke on purpose")
    return problem(status, "Broken", "it broke on purpose")


async def text() -> Response:
    return PlainTextResponse("plain words, Zürich")


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def _application() -> AsyncApp:
    # The operationIds name this module, which runs as the main program.
    sys.modules["connexion_app"] = sys.modules[__name__]
    app = AsyncApp(__name__, swagger_ui_options=SwaggerUIOptions(swagger_ui=False))
    app.add_api(yaml.safe_load(DOCUMENT))
    return app


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"ready http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(_application(), log_level="critical")).run(sockets=[listening])
