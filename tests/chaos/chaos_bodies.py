"""Where does the body of a message end?"""

import asyncio
import re

_length = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_chunked = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)


async def body_of(reader: asyncio.StreamReader, head: bytes, *, until_the_end: bool = False) -> bytes:
    """The body behind this head; without any framing there is none, or it lasts until the connection ends."""
    found = _length.search(head)
    if found is not None:
        return await reader.readexactly(int(found[1]))
    if _chunked.search(head) is None:
        return await reader.read() if until_the_end else b""
    pieces = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        pieces.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(pieces)
