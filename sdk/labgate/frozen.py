"""What stands behind the functions of a module that `labgate freeze` wrote?

    import lab_client as lab
    lab.jobs.get_job("P1", "J1")

Such a module has the methods as they were when it was made, whatever the gate's list says now. Its functions ask the
gate that LABGATE_URL or LABGATE_PROFILE names, else the one that it was made from, with this user's token; `use` gives them a client of
other options. The functions of a module that was made for event loops are awaited, while there is a client of the loop:

    async with labgate.frozen.aconnect(lab):
        await lab.jobs.get_job("P1", "J1")
"""

from __future__ import annotations

import json
import os
from contextlib import asynccontextmanager

from labgate._at_once import is_awaited
from labgate._method import OMITTED, Method, Omitted
from labgate._shapes import function_of
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from types import ModuleType
    from typing import Any

    from labgate._async_client import AsyncClient
    from labgate._client import Client

__all__ = ["AsyncFrozen", "Frozen", "aconnect", "use"]

_NAMED_BY = ("LABGATE_URL", "LABGATE_PROFILE")


class AnyFrozen:
    """The methods of one module, and the client that calls them, whether it is awaited or not.

    Attributes:
        gate: where they are from.
        catalog: the version of the gate's list of methods at that time.
        datastack: the one whose local services are among them, None for none.
        omitted: stands for an argument that is not given.
    """

    _awaited = False
    _kind = "plain functions"
    _takes = "labgate.connect"

    def __init__(
        self, gate: str, catalog: str | None, datastack: str | None, methods: dict[str, dict[str, Any]]
    ) -> None:
        self.gate = gate
        self.catalog = catalog
        self.datastack = datastack
        self.omitted: Any = OMITTED
        self._described = methods
        self._methods: dict[str, Method] = {}
        self._client: Any = None

    def __repr__(self) -> str:
        return f"<{len(self._described)} frozen methods of {self.gate}>"

    @property
    def address(self) -> str | None:
        """The gate that is asked; None where the environment names it."""
        return None if any(os.environ.get(name) for name in _NAMED_BY) else self.gate

    def use(self, client: Client | AsyncClient | None) -> None:
        """Let this client make the calls; None for one of its own.

        Raises:
            TypeError: it is awaited and the module's functions are not, or the other way round.
        """
        if client is not None and is_awaited(client) is not self._awaited:
            raise TypeError(f"the module has {self._kind}, whose calls a client of {self._takes} makes")
        self._client = client

    def _method(self, name: str) -> Method:
        found = self._methods.get(name)
        if found is None:
            found = Method(name, json.dumps(self._described[name]).encode("ascii"))
            self._methods[name] = found
        return found

    def _tables(self, method: Method, client: Any) -> Any:
        from labgate._tables import TablesMethod

        return TablesMethod(function_of(method, dict, awaited=self._awaited), method).__get__(client)


class Frozen(AnyFrozen):
    """The methods of one module of plain functions; see `labgate.freeze`."""

    def call(self, name: str, values: tuple[Any, ...], more: dict[str, Any] | None = None) -> Any:
        """The answer of a method.

        Args:
            name: the method.
            values: one for each of its parameters with a Python name, `omitted` where none was given.
            more: other parameters by their names on the wire.

        Raises:
            Error: there is no answer.
            TypeError: the arguments do not fit.
        """
        method, client = self._method(name), self._own_client()
        if method.tables:
            given, tables = _given(method, values), self._tables(method, client)
            return tables(**given) if given else tables
        session: Any = client._session  # noqa: SLF001
        return session.call(method, _params(method, values, more, session.defaults))

    def call_open(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The answer of a method that nobody described.

        Raises: as `call` does.
        """
        session: Any = self._own_client()._session  # noqa: SLF001
        method = self._method(name)
        return session.call(method, method.open_arguments(args, kwargs))

    def _own_client(self) -> Client:
        if self._client is None:
            from labgate._connect import connect

            # Two threads may make one each: they share connections and catalog anyway.
            self._client = connect(self.address, datastack=self.datastack)
        client: Client = self._client
        return client


class AsyncFrozen(AnyFrozen):
    """The methods of one module of coroutine functions; see `labgate.freeze`."""

    _awaited = True
    _kind = "coroutine functions"
    _takes = "labgate.aconnect"

    def __init__(
        self, gate: str, catalog: str | None, datastack: str | None, methods: dict[str, dict[str, Any]]
    ) -> None:
        super().__init__(gate, catalog, datastack, methods)
        # Blocks may overlap, and several threads have a loop each: the last of this loop's counts.
        self._open: list[tuple[AbstractEventLoop, AsyncClient]] = []

    @asynccontextmanager
    async def connected(self, options: dict[str, Any]) -> AsyncIterator[AsyncClient]:
        """A client of this event loop, which makes the calls in it until the block ends; see `aconnect`."""
        from asyncio import get_running_loop

        from labgate._async_connect import aconnect as connecting

        own = {"address": self.address, "datastack": self.datastack}
        async with connecting(**{**own, **options}) as client:
            mine = (get_running_loop(), client)
            self._open.append(mine)
            try:
                yield client
            finally:
                self._open.remove(mine)

    async def call(self, name: str, values: tuple[Any, ...], more: dict[str, Any] | None = None) -> Any:
        """The answer of a method; see `Frozen.call`.

        Raises:
            Error: there is no answer, or no client.
            TypeError: the arguments do not fit.
        """
        method, client = self._method(name), self._own_client()
        if method.tables:
            return await self._tables(method, client)(**_given(method, values))
        session: Any = client._session  # noqa: SLF001
        return await session.call(method, _params(method, values, more, session.defaults))

    async def call_open(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The answer of a method that nobody described.

        Raises: as `call` does.
        """
        session: Any = self._own_client()._session  # noqa: SLF001
        method = self._method(name)
        return await session.call(method, method.open_arguments(args, kwargs))

    def _own_client(self) -> AsyncClient:
        from asyncio import get_running_loop

        loop = get_running_loop()
        found: AsyncClient | None = next(
            (one for of, one in reversed(self._open) if of is loop), self._client
        )
        if found is None:
            # One that were made here would be closed by nobody.
            raise SetupError(
                "no client of this event loop makes the calls of the module",
                hint="Call them in: async with labgate.frozen.aconnect(MODULE).",
            )
        return found


def use(module: ModuleType, client: Client | AsyncClient | None) -> None:
    """Let a client make the calls of a frozen module: one with other options, another token, another gate.

    Args:
        module: one that `labgate freeze` wrote.
        client: the client; None for one of the module's own.

    Raises:
        TypeError: that is no such module, or no client for its kind of functions.
    """
    _frozen_of(module, "use").use(client)


def aconnect(module: ModuleType, **options: Any) -> AbstractAsyncContextManager[AsyncClient]:
    """A client of this event loop that makes the calls of a frozen module of coroutine functions, until the block ends.

    Args:
        module: one that `labgate freeze --async` wrote.
        options: those of `labgate.aconnect`; default: the gate that the environment names, else the module's.

    Raises:
        TypeError: that is no such module.
        Error: there is no client.
    """
    frozen = _frozen_of(module, "aconnect")
    if not isinstance(frozen, AsyncFrozen):
        raise TypeError(
            "aconnect() takes a module of coroutine functions: `labgate freeze --async` writes one"
        )
    return frozen.connected(options)


def _frozen_of(module: ModuleType, taker: str) -> AnyFrozen:
    frozen = getattr(module, "__labgate__", None)
    if not isinstance(frozen, AnyFrozen):
        raise TypeError(f"{taker}() takes a module that `labgate freeze` wrote")
    return frozen


def _given(method: Method, values: tuple[Any, ...]) -> dict[str, Any]:
    """The arguments that were given, by their Python names."""
    return {
        str(one.name): value
        for one, value in zip(method.named, values, strict=True)
        if value.__class__ is not Omitted
    }


def _params(
    method: Method, values: tuple[Any, ...], more: dict[str, Any] | None, defaults: Mapping[str, Any]
) -> list[Any] | dict[str, Any] | None:
    if more:
        values, more = _sorted_out(method, values, more)
    return method.arguments(values, more or {}, defaults)


def _sorted_out(
    method: Method, values: tuple[Any, ...], more: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments whose names a module cannot write down come among the others, though they are described."""
    rest = dict(more)
    given = [
        rest.pop(str(one.name), value) if value.__class__ is Omitted else value
        for one, value in zip(method.named, values, strict=True)
    ]
    missing = [
        one.name for one, value in zip(method.named, given, strict=True) if one.required and value is OMITTED
    ]
    if missing:
        raise TypeError(f"{method.name}() missing 1 required argument: {missing[0]!r}")
    return tuple(given), rest
