"""What does the official MCP client get from a server? A line of JSON for each call.

`python mcp_client.py MODE URL TOKEN [TOOL ARGUMENTS]…`: MODE is `legacy`, `auto` or a revision; ARGUMENTS are JSON objects.
"""

import asyncio
import json
import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


def tell(name: str, outcome: Any) -> None:
    """Print what came of a call."""
    print(json.dumps({"call": name, "outcome": outcome}), flush=True)


def plain(result: Any) -> Any:
    """A result of the library as JSON has it."""
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


async def attempt(name: str, made: Any) -> Any:
    """Await a call and tell its outcome."""
    try:
        result = await made
    except Exception as error:
        tell(name, ["error", f"{type(error).__name__}: {error}"[:500]])
        return None
    tell(name, ["value", plain(result)])
    return result


async def main(mode: str, url: str, token: str, *calls: str) -> None:
    """Connect, list everything, and call what is asked for."""
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            tell("version", client.protocol_version)
            tell("instructions", client.instructions)
            names: list[str] = []
            cursor = None
            while True:
                page = await client.list_tools(cursor=cursor)
                names += [tool.name for tool in page.tools]
                cursor = page.next_cursor
                if cursor is None:
                    break
            tell("tools", names)
            await attempt("resources", client.list_resources())
            await attempt("templates", client.list_resource_templates())
            for name, written in zip(calls[::2], calls[1::2], strict=True):
                if ":" in name:
                    await attempt(name, client.read_resource(name))
                else:
                    await attempt(name, client.call_tool(name, json.loads(written)))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
