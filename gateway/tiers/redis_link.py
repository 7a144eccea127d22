"""How are a few connections to one Redis kept, each of which surely leads to the same server?

A connection that is made anew may lead to a server that was restarted or restored meanwhile, or to another one: so every
one is asked first which run of a server it leads to, and a link knows one run only.
"""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from redis.asyncio import Connection, SSLConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.core.outbound import allowed, is_address
from gateway.tiers.redis_finding import Address, Kind, Question, Seeds, found

Command = Sequence[bytes | str | int]
LookUp = Callable[[str], Awaitable[list[str]]]
"""Finds the addresses of a host, as numbers. OSError if there are none."""

FAILURES: Final = (RedisError, OSError, TimeoutError, EOFError)
"""What asking may raise."""
CONNECTIONS: Final = 8
"""Connections of one link for questions; who finds none free waits."""


class Place(Struct, frozen=True):
    """Where a Redis is and how it is asked; `ca` is a file of certificates to trust instead of the system's.

    Where sentinels or nodes of a cluster are asked for it, `kind` says so, `host` and `port` are the first of them, `others` the rest;
    `master` is its name, `sentinel_password` theirs. `key` is any key of ours.
    """

    host: str
    port: int
    database: int = 0
    tls: bool = False
    user: str | None = None
    password: str | None = None
    ca: Path | None = None
    kind: Kind = "server"
    others: tuple[Address, ...] = ()
    master: str = ""
    sentinel_password: str | None = None
    key: str = ""

    def __str__(self) -> str:
        if self.kind == "server":
            return f"{self.host}:{self.port}/{self.database}"
        asked = ", ".join(f"{host}:{port}" for host, port in self.seeds.addresses)
        return f"{asked} ({self.kind}{f' of {self.master}' if self.master else ''})"

    @property
    def seeds(self) -> Seeds:
        """Those who are asked where it is."""
        return Seeds(self.kind, ((self.host, self.port), *self.others), self.master, self.key)


class AnotherRunError(RedisError):
    """The server is not the one that was asked before."""


class Link:
    """Connections to one run of a server. After `close` nothing can be asked any more."""

    def __init__(self, place: Place, look_up: LookUp | None = None) -> None:
        """`look_up` finds the addresses of the place's host, by default the system's way."""
        self._place = place
        self._look_up = look_up or _look_up
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._closed = False
        self.run = b""

    async def ask(self, *commands: Command) -> list[Any]:
        """Send the commands at once; their replies, errors among them raised. Raises `FAILURES`.

        They may be sent twice, where a connection that was idle had been closed by the other side.
        """
        async with self._turns:
            while True:
                idle = bool(self._idle)
                connection = self._idle.pop() if idle else await self.connect()
                try:
                    replies = await self._exchange_on(connection, commands)
                except RedisConnectionError:
                    if not idle or self._closed:
                        raise
                else:
                    break
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        return replies

    async def _exchange_on(self, connection: Connection, commands: Sequence[Command]) -> list[Any]:
        self._busy.add(connection)
        try:
            replies = await _exchange(connection, commands)
        except BaseException:
            await drop(connection)
            raise
        finally:
            self._busy.discard(connection)
        if self._closed:
            await drop(connection)
        else:
            self._idle.append(connection)
        return replies

    async def connect(self) -> Connection:
        """A connection of one's own, to be ended by `drop`. Raises `FAILURES`; `AnotherRunError` is one of them."""
        if self._closed:
            raise ConnectionError("the link was closed")
        connection = await self._reach()
        try:
            self._check(*await _exchange(connection, [("INFO", "server")]))
            if self._place.kind == "sentinels":
                _check_role(*await _exchange(connection, [("ROLE",)]))
        except BaseException:
            await drop(connection)
            raise
        return connection

    async def _reach(self) -> Connection:
        """A connection to the server, wherever it is now."""
        place = self._place
        if place.kind == "server":
            return await self._reach_at(place)
        host, port = await found(place.seeds, self._put)
        return await self._reach_at(replace(place, host=host, port=port))

    async def _put(self, address: Address, question: Question) -> Any:
        """The reply of a sentinel, or of a node of a cluster."""
        place = replace(self._place, host=address[0], port=address[1], database=0)
        if place.kind == "sentinels":
            place = replace(place, user=None, password=place.sentinel_password)
        connection = await self._reach_at(place)
        try:
            return (await _exchange(connection, [question]))[0]
        finally:
            await drop(connection)

    async def _reach_at(self, place: Place) -> Connection:
        """A connection to the first of the host's addresses where somebody is, as far as a name may lead there."""
        host = place.host
        addresses = [host] if is_address(host) else allowed(await self._look_up(host))
        failure: Exception = ConnectionError("its host name leads nowhere")
        for address in addresses:
            connection = _connection(place, address)
            try:
                await connection.connect()  # type: ignore[no-untyped-call]
            except (RedisConnectionError, OSError) as error:
                failure = error
                await drop(connection)
            except BaseException:
                await drop(connection)
                raise
            else:
                return connection
        raise failure

    def _check(self, told: bytes | ResponseError) -> None:
        """What INFO told must be what it told the connections before."""
        if isinstance(told, ResponseError):
            raise told
        run = next((line[7:] for line in told.split() if line.startswith(b"run_id:")), b"?")
        if self.run not in (b"", run):
            raise AnotherRunError("the server was restarted or replaced")
        self.run = run

    async def close(self) -> None:
        """End every connection; whoever waits for a reply gets an error at once."""
        self._closed = True
        for connection in (*self._idle, *self._busy):
            await drop(connection)
        self._idle.clear()


def _check_role(told: Any) -> None:
    """Sentinels may name a server for some seconds that is the master no more."""
    if isinstance(told, ResponseError):
        raise told
    if told[0] != b"master":
        raise AnotherRunError("the server that the sentinels name is not the master")


async def drop(connection: Connection) -> None:
    """End a connection, without waiting for the other side."""
    await connection.disconnect(nowait=True)


async def send(connection: Connection, *commands: Command) -> None:
    """Send commands whose replies somebody reads by `reply`."""
    await connection.send_packed_command(connection.pack_commands(commands), check_health=False)


async def reply(connection: Connection) -> Any:
    """The next reply, or an error that the server replied with; whoever wants it soon sets a limit."""
    try:
        return await connection.read_response(disable_decoding=True, timeout=math.inf)
    except ResponseError as refused:
        return refused


def why(failure: BaseException) -> str:
    """What is wrong, in words for an engineer; no secret is any part of them."""
    if isinstance(failure, TimeoutError):
        return "it does not answer in time"
    if isinstance(failure, AuthenticationError) or str(failure).startswith(("NOAUTH", "WRONGPASS")):
        return "it refuses the user name or password; look at cache.redis.user and cache.redis.password"
    if isinstance(failure, NoPermissionError) or str(failure).startswith("NOPERM"):
        return "its user may not do what is needed: INFO, EVAL, GET, SET, SADD, hashes, DEL, and the channel"
    return str(failure) or type(failure).__name__


async def _exchange(connection: Connection, commands: Sequence[Command]) -> list[Any]:
    await send(connection, *commands)
    return [await reply(connection) for _ in commands]


async def _look_up(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


class _Secure(SSLConnection):
    """A connection to an address, whose certificate has to be the host's."""

    name = ""

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "server_hostname": self.name}


def _connection(place: Place, address: str) -> Connection:
    options: dict[str, Any] = {
        "host": address,
        "port": place.port,
        "db": place.database,
        "username": place.user,
        "password": place.password,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "socket_keepalive": True,
        "socket_read_size": 1 << 18,
        "driver_info": None,
    }
    if not place.tls:
        return Connection(**options)
    secure = _Secure(ssl_ca_certs=None if place.ca is None else str(place.ca), **options)
    secure.name = place.host
    return secure
