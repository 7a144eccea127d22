"""How is a gate loaded by many callers at once, and what came of each of their requests?

Every caller has a connection of its own and sends the next request when it has the answer to the last: a closed loop, which asks
no more of a gate than it answers.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from math import ceil
from typing import Final

from msgspec import Struct, field

_HEAD: Final = 1 << 16
_LONGEST: Final = 200
_PIECE: Final = 1 << 20
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_CLOSES: Final = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_VERDICT: Final = re.compile(rb"\r\ncache-status:[^\r]*?;[ \t]*hit(?=[;\r])", re.IGNORECASE)
_ERROR: Final = re.compile(rb'\{(?:"jsonrpc":"2.0",)?"error":\{')
_CODE: Final = re.compile(rb'"code":\s*(-?\d+)')


class Target(Struct, frozen=True):
    """Where requests go; `tls` says whom is trusted there."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Seen(Struct):
    """What came of all requests: how many seconds each took, how they failed, hits and bytes of those that did not.

    `said` is by failure what the first error of that kind said.
    """

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    said: dict[str, str] = field(default_factory=dict)
    hits: int = 0
    size: int = 0
    lasted: float = 0.0

    def quantile(self, part: float) -> float:
        """The seconds within which this part of them was answered; 0 of none."""
        known = sorted(self.seconds)
        return known[max(0, ceil(part * len(known)) - 1)] if known else 0.0


class BrokenError(Exception):
    """The connection is of no use any more; the text says why."""


async def loaded(
    target: Target, requests: Sequence[bytes], callers: int, seconds: float, most: int | None
) -> Seen:
    """Send these requests again and again, by so many callers, for so many seconds or until `most` were sent.

    Raises `BrokenError` where not even a first connection can be made.
    """
    seen = Seen()
    left = [most if most is not None else -1]
    await _connected(target)  # nobody waits for seconds to hear that there is no gate
    tasks = []
    for at in range(callers):
        first = at % len(requests)  # not all of them begin with the same one
        own = [*requests[first:], *requests[:first]]
        tasks.append(asyncio.create_task(_call(target, own, seen, left)))
    began = time.perf_counter()
    try:
        await asyncio.wait(tasks, timeout=seconds)
        seen.lasted = time.perf_counter() - began
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return seen


async def _connected(target: Target) -> None:
    try:
        _, writer = await asyncio.open_connection(target.host, target.port, ssl=target.tls)
    except OSError as error:
        raise BrokenError(f"no gate answers there ({error.strerror or error})") from error
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _call(target: Target, requests: Sequence[bytes], seen: Seen, left: list[int]) -> None:
    """One caller."""
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    try:
        while True:
            for request in requests:
                if not left[0]:
                    return
                left[0] -= 1
                try:
                    if streams is None:
                        streams = await asyncio.open_connection(
                            target.host, target.port, ssl=target.tls, limit=_HEAD
                        )
                    if await _exchanged(*streams, request, seen):
                        continue
                except BrokenError as error:
                    seen.failures[str(error)] += 1
                except (OSError, EOFError, asyncio.LimitOverrunError) as error:
                    seen.failures[type(error).__name__] += 1
                    await asyncio.sleep(0.01)  # a gate that is gone is not asked a million times
                if streams is not None:
                    streams[1].close()
                    streams = None
    finally:
        if streams is not None:
            streams[1].transport.abort()


async def _exchanged(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes, seen: Seen
) -> bool:
    """Send one request and read its answer to the end; whether the connection serves on. Raises `BrokenError`."""
    began = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    while head[9:10] == b"1":  # 100 Continue and its like
        head = await reader.readuntil(b"\r\n\r\n")
    found = _LENGTH.search(head)
    if found is not None:
        size, first = await _skipped(reader, int(found[1]))
    elif _CHUNKED.search(head):
        size, first = await _skipped_chunks(reader)
    elif head[9:12] in (b"204", b"304"):
        size, first = 0, b""
    else:
        raise BrokenError("an answer without a length")
    seen.seconds.append(time.perf_counter() - began)
    seen.size += size
    status = head[9:12].decode("ascii", "replace")
    error = _ERROR.match(first)
    if error is not None:
        code = _CODE.search(first, error.end())
        why = f"error {code[1].decode() if code else 'without a code'}"
        seen.failures[why] += 1
        if why not in seen.said:
            seen.said[why] = _message(first)
    elif not "200" <= status < "400":
        seen.failures[f"HTTP {status}"] += 1
    elif _VERDICT.search(head):
        seen.hits += 1
    return _CLOSES.search(head) is None


def _message(body: bytes) -> str:
    """What the error says, as far as it can be read."""
    try:
        return str(json.loads(body)["error"]["message"])[:_LONGEST]
    except (ValueError, LookupError, TypeError):
        return ""


async def _skipped(reader: asyncio.StreamReader, length: int) -> tuple[int, bytes]:
    """Read so many bytes, of which the first piece is given."""
    first = await reader.readexactly(min(length, _HEAD))
    left = length - len(first)
    while left:
        piece = await reader.read(min(left, _PIECE))
        if not piece:
            raise BrokenError("an answer that broke off")
        left -= len(piece)
    return length, first


async def _skipped_chunks(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    size, first = 0, b""
    while True:
        line = await reader.readuntil(b"\r\n")
        try:
            length = int(line.partition(b";")[0], 16)
        except ValueError:
            raise BrokenError("an answer in chunks that cannot be read") from None
        if not length:
            while await reader.readuntil(b"\r\n") != b"\r\n":
                continue
            return size, first
        size += length
        _, piece = await _skipped(reader, length)
        first = first or piece
        await reader.readexactly(2)
