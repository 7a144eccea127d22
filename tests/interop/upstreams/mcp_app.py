"""How does a server on the official MCP SDK behave? At `/mcp`; version 2 of the SDK in both revisions, version 1 with sessions.

`python mcp_app.py [json] [stateless]`: answers as JSON instead of event streams, and without sessions.
"""

import os
import socket
import sys
import threading
from itertools import count as count_from
from typing import Any

import uvicorn

try:
    from mcp.server.mcpserver import Context, Image, MCPServer
    from mcp.server.mcpserver.exceptions import ToolError

    modern = True
except ImportError:
    from mcp.server.fastmcp import Context, Image
    from mcp.server.fastmcp import FastMCP as MCPServer
    from mcp.server.fastmcp.exceptions import ToolError

    modern = False

from mcp.types import ToolAnnotations

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c63600000000200014848afa40000000049454e44ae426082"
)

words = sys.argv[1:]
how = {"json_response": "json" in words, "stateless_http": "stateless" in words}
server = MCPServer("lab notes") if modern else MCPServer("lab notes", **how)
numbers = count_from(1)


@server.tool(annotations=ToolAnnotations(readOnlyHint=True, idempotentHint=True))
def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@server.tool()
def note(text: str) -> dict[str, Any]:
    """Write a note."""
    return {"text": text, "number": next(numbers)}


@server.tool(annotations=ToolAnnotations(readOnlyHint=True))
def count() -> int:
    """Count the notes, or whoever asks for them."""
    return next(numbers)


@server.tool(structured_output=False)
def echo(text: str) -> str:
    """Return what was sent."""
    return text


@server.tool(structured_output=False)
def picture() -> Image:
    """A picture of one pixel."""
    return Image(data=PIXEL, format="png")


@server.tool(structured_output=False)
def several() -> list[Any]:
    """A text and a picture."""
    return ["a text", Image(data=PIXEL, format="png")]


@server.tool()
def fail() -> str:
    """Fail."""
    raise ToolError("it broke on purpose")


@server.tool(structured_output=False)
async def slow(steps: int, ctx: Context) -> str:
    """Report progress, then end."""
    for step in range(steps):
        await ctx.report_progress(step, steps)
        await ctx.info("still at it")
    return "done"


@server.tool(structured_output=False)
def learn(name: str) -> str:
    """Have a tool of this name from now on."""
    server.add_tool(lambda: name, name=name, description="Learned.", structured_output=False)
    return name


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    # The socket listens before the line is printed, so no caller comes too early.
    listening = socket.create_server(("127.0.0.1", 0))
    app = server.streamable_http_app(**how) if modern else server.streamable_http_app()
    print(f"ready http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])
