"""Which sockets do all workers listen on? They are opened once, and handed to every process by their numbers."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

BACKLOG: Final = 1024

Sockets: TypeAlias = Mapping[str, Sequence[socket.socket]]
"""The listening sockets by the listener's name: the gate's own two, and the services that have one."""

_Address: TypeAlias = tuple[Any, ...]


class ListenError(OSError):
    """An address cannot be had; the text says which and why."""


UNIX: Final = "unix:"


async def open_all(addresses: Mapping[str, tuple[str, int]]) -> dict[str, list[socket.socket]]:
    """Listen at every address (port 0 takes a free one). Raises ListenError, with nothing left open.

    `unix:` with the path of a file is a Unix-domain socket; the number beside it is the file's mode.
    """
    opened: dict[str, list[socket.socket]] = {}
    try:
        for name, place in addresses.items():
            opened[name] = []
            if place[0].startswith(UNIX):
                opened[name].append(_at_file(place[0].removeprefix(UNIX), place[1]))
                continue
            for family, address in await _places(*place):
                opened[name].append(_listening(family, address))
    except BaseException:
        close_all(opened)
        raise
    return opened


async def try_all(addresses: Mapping[str, tuple[str, int]]) -> None:
    """See whether every address can be had, before it is needed. Raises ListenError; nobody is kept from them.

    A Unix-domain socket is not tried: its file would be there, with nobody behind it.
    """
    for host, port in addresses.values():
        if not host.startswith(UNIX):
            for family, address in await _places(host, port):
                _bound(family, address).close()


def name_of(listener: socket.socket) -> tuple[str, int]:
    """Where a socket listens: host and port, or `unix:` with the path of its file and 0."""
    named = listener.getsockname()
    return (UNIX + named, 0) if isinstance(named, str) else (named[0], named[1])


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
    one = _bound(family, address)
    try:
        one.listen(BACKLOG)
        one.setblocking(False)
    except OSError as error:
        one.close()
        raise _refused(address, error) from error
    return one


def _bound(family: int, address: _Address) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)
    except OSError as error:
        one.close()
        raise _refused(address, error) from error
    return one


def _refused(address: _Address, error: OSError) -> ListenError:
    reason = (error.strerror or str(error)).lower()
    return ListenError(f"cannot listen at {address[0]}:{address[1]}: {reason}")


def _at_file(path: str, mode: int) -> socket.socket:
    """A socket at this path; the file that a gate has left there, and at which nobody answers, is replaced."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Two that begin at once must not each take the other's file for one that was left.
        folder = os.open(Path(path).parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            _make_room(path)
            one.bind(path)
            # Nobody is let in before it listens, and so nobody under another mode.
            Path(path).chmod(mode)
            one.listen(BACKLOG)
        finally:
            os.close(folder)
        one.setblocking(False)
    except OSError as error:
        one.close()
        reason = (error.strerror or str(error)).lower()
        raise ListenError(f"cannot listen at {UNIX}{path}: {reason}") from error
    return one


def _make_room(path: str) -> None:
    """Remove the file of a socket that nobody listens on. Raises OSError where somebody does, or it is another file."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise OSError("there is a file that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)  # who does not answer, because its queue is full, is there
        try:
            asking.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
            return
        except BlockingIOError:
            pass
    raise OSError("somebody listens there already")


async def _places(host: str, port: int) -> list[tuple[int, _Address]]:
    """Every address that the host's name stands for, each once."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"cannot listen at {host}:{port}: {error.strerror or error}") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))
