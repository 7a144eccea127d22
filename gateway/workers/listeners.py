"""Which sockets do all workers listen on? They are opened once, and handed to every process by their numbers."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

BACKLOG: Final = 1024

Sockets: TypeAlias = Mapping[str, Sequence[socket.socket]]
"""The listening sockets by the listener's name: the gate's own two, and the services that have one."""

_Address: TypeAlias = tuple[Any, ...]


class ListenError(OSError):
    """An address cannot be had; the text says which and why."""


async def open_all(addresses: Mapping[str, tuple[str, int]]) -> dict[str, list[socket.socket]]:
    """Listen at every address (port 0 takes a free one). Raises ListenError, with nothing left open."""
    opened: dict[str, list[socket.socket]] = {}
    try:
        for name, (host, port) in addresses.items():
            opened[name] = []
            for family, address in await _places(host, port):
                opened[name].append(_listening(family, address))
    except BaseException:
        close_all(opened)
        raise
    return opened


def close_all(sockets: Sockets) -> None:
    """Close this process's copies: the last process to do so ends the listener."""
    for each in sockets.values():
        for one in each:
            one.close()


def numbers(sockets: Sockets) -> dict[str, list[int]]:
    """The sockets' descriptors, under which a process that inherits them finds them."""
    return {name: [one.fileno() for one in each] for name, each in sockets.items()}


def inherited(descriptors: Mapping[str, Sequence[int]]) -> dict[str, list[socket.socket]]:
    """The sockets of a process that was started with these descriptors; it hands them to nobody."""
    found = {name: [socket.socket(fileno=one) for one in each] for name, each in descriptors.items()}
    for each in found.values():
        for one in each:
            os.set_inheritable(one.fileno(), False)
    return found


def _listening(family: int, address: _Address) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
        one.listen(BACKLOG)
        one.setblocking(False)
    except OSError as error:
        one.close()
        reason = (error.strerror or str(error)).lower()
        raise ListenError(f"cannot listen at {address[0]}:{address[1]}: {reason}") from error
    return one


async def _places(host: str, port: int) -> list[tuple[int, _Address]]:
    """Every address that the host's name stands for, each once."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))
