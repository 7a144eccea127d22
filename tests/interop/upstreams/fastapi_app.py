"""How does a FastAPI server describe itself and behave? OpenAPI 3.1 at /openapi.json."""

import hashlib
import os
import socket
import sys
import threading
from enum import StrEnum
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Header, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

app = FastAPI(title="Functions on FastAPI", version="1.0.0")


class Colour(StrEnum):
    """What an item may be painted with."""

    red = "red"
    green = "green"


class Part(BaseModel):
    """A part and its own parts."""

    name: str
    parts: list["Part"] = []


class Item(BaseModel):
    """Something with a name."""

    name: str
    colour: Colour = Colour.red
    price: float | None = None
    parts: list[Part] = []


@app.get("/add", operation_id="add")
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@app.get("/items/{item_id:path}", operation_id="get_item")
def get_item(
    item_id: str,
    colour: Colour = Colour.red,
    tag: Annotated[list[str] | None, Query()] = None,
    x_trace: Annotated[str | None, Header()] = None,
) -> dict[str, Any]:
    """Get an item; what was asked for is repeated."""
    return {"item_id": item_id, "colour": colour.value, "tags": tag or [], "trace": x_trace}


@app.post("/items", operation_id="create_item", status_code=201)
def create_item(item: Item) -> Item:
    """Create an item."""
    return item


@app.post("/echo", operation_id="echo")
def echo(value: Annotated[Any, Body()]) -> Any:
    """Return what was sent."""
    return value


@app.post("/upload", operation_id="upload")
async def upload(file: UploadFile) -> dict[str, Any]:
    """Get size and digest of a file."""
    data = await file.read()
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


_OCTETS = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@app.post(
    "/raw",
    operation_id="raw",
    response_class=Response,
    responses={200: _OCTETS},
    openapi_extra={"requestBody": _OCTETS | {"required": True}},
)
async def raw(request: Request) -> Response:
    """Return the bytes that were sent."""
    return Response(await request.body(), media_type="application/octet-stream")


@app.get("/fail", operation_id="fail")
def fail(status: int = 418) -> None:
    """Fail with a status; 0 raises an error that nobody handles."""
    if status == 0:
        raise RuntimeError("it broke on purpose")
    raise HTTPException(status, "it broke on purpose")


@app.get("/text", operation_id="text", response_class=PlainTextResponse)
def text() -> str:
    """Get a line of text."""
    return "plain words, Zürich"


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    # The socket listens before the line is printed, so no caller comes too early.
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"ready http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])
