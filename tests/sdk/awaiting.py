"""An async client that looks like one that waits: so that the laws of the one are run for the other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

import labgate
from labgate._async_batch import AsyncBatch
from labgate._async_client import AsyncClient, AsyncNamespace
from labgate._async_response import AsyncRawResponse
from labgate._async_source import AsyncFound, AsyncSource
from labgate._async_tables import AsyncTable, AsyncTables
from labgate._async_volume import AsyncVolume
from labgate._volume_client import AsyncVolumeClient

HANDLES = (
    AsyncClient,
    AsyncNamespace,
    AsyncVolume,
    AsyncVolumeClient,
    AsyncSource,
    AsyncFound,
    AsyncTables,
    AsyncTable,
    AsyncRawResponse,
    AsyncBatch,
)
AWAITED = (
    *("batch", "download", "explain", "last", "link", "links", "map", "methods", "pages", "refresh"),
    *("request", "status", "unlink", "upload", "wait", "whoami"),
)


class Awaiting:
    """An event loop that runs while something is awaited, and the async clients in it."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.clients: list[Any] = []

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        """What takes the place of `labgate.connect`."""
        client = self.run(lambda: labgate.aconnect(*args, **kwargs))
        self.clients.append(client.target)
        return client

    def run(self, thunk: Callable[[], Any]) -> Any:
        """What the thunk brings, awaited where it is to be; handles are made to look as if they waited."""

        async def go() -> Any:
            try:
                found = thunk()
                return await found if inspect.isawaitable(found) else found
            finally:
                await asyncio.sleep(0)  # connections that were closed are closed in the loop's next round
                await asyncio.sleep(0)

        return self.seen(self.runner.run(go()))

    def seen(self, found: Any) -> Any:
        """A handle as it is seen by a test; everything else is itself."""
        if isinstance(found, HANDLES):
            return Driven(found, self)
        return self.stepped(found) if hasattr(found, "__anext__") else found

    def stepped(self, items: Any) -> Iterator[Any]:
        """The items of an async iterator, one after the other."""
        while True:
            try:
                yield self.run(lambda: anext(items))
            except StopAsyncIteration:
                return

    def function(self, own: Callable[..., Any]) -> Callable[..., Any]:
        """One of the package's functions for clients that look as if they waited."""

        def called(*args: Any, **kwargs: Any) -> Any:
            return self.run(
                lambda: own(*map(bare, args), **{name: bare(one) for name, one in kwargs.items()})
            )

        return called

    def end(self) -> None:
        """Close what was connected."""
        for client in self.clients:
            self.runner.run(labgate.aclose(client))
        self.runner.close()


class Driven:
    """A handle, whose methods run the loop until they are done."""

    def __init__(self, target: Any, awaiting: Awaiting) -> None:
        object.__setattr__(self, "target", target)
        object.__setattr__(self, "awaiting", awaiting)

    def __getattr__(self, name: str) -> Any:
        found = self.awaiting.run(lambda: Held(getattr(self.target, name))).value
        if name.startswith("_"):
            return found
        if inspect.ismethod(found):
            return Called(found, self.awaiting)
        return self.awaiting.seen(found)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.target, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.awaiting.run(lambda: self.target(*args, **kwargs))

    def __getitem__(self, key: Any) -> Any:
        found = self.awaiting.run(lambda: self.target[key])
        return Called(found, self.awaiting) if inspect.ismethod(found) else found

    def __setitem__(self, key: Any, value: Any) -> None:
        self.target[key] = value

    def __iter__(self) -> Iterator[Any]:
        if not hasattr(self.target, "__aiter__"):
            return iter(self.target)
        return self.awaiting.stepped(aiter(self.target))

    def __enter__(self) -> Any:
        return self.awaiting.run(self.target.__aenter__)

    def __exit__(self, *error: Any) -> None:
        self.awaiting.run(lambda: self.target.__aexit__(*error))

    def __dir__(self) -> list[str]:
        return dir(self.target)

    def __repr__(self) -> str:
        return repr(self.target)

    def __len__(self) -> int:
        return len(self.target)

    def __eq__(self, other: object) -> bool:
        return bool(self.target == bare(other))

    def __hash__(self) -> int:
        return hash(self.target)


class Held:
    """A value that is not to be awaited."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Called:
    """A method that is a coroutine function."""

    def __init__(self, function: Any, awaiting: Awaiting) -> None:
        self.target = function
        self.awaiting = awaiting
        self.__signature__ = inspect.signature(function)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.awaiting.run(lambda: self.target(*args, **kwargs))

    def __repr__(self) -> str:
        return repr(self.target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.target, name)

    def __eq__(self, other: object) -> bool:
        return bool(self.target == bare(other))

    def __hash__(self) -> int:
        return hash(self.target)

    @property
    def __doc__(self) -> Any:  # type: ignore[override]
        return self.target.__doc__


def bare(one: Any) -> Any:
    """What is behind something that looks as if it waited."""
    return one.target if isinstance(one, (Driven, Called)) else one


@pytest.fixture(autouse=True)
def awaited(monkeypatch: pytest.MonkeyPatch) -> Iterator[Awaiting]:
    """`labgate` as its async clients have it, for tests that were written for those that wait."""
    awaiting = Awaiting()
    monkeypatch.setattr(labgate, "connect", awaiting.connect)
    for name in AWAITED:
        monkeypatch.setattr(labgate, name, awaiting.function(getattr(labgate, name)))
    yield awaiting
    awaiting.end()


def laws_of(module: str, *but: str) -> dict[str, Any]:
    """The tests and fixtures of a module, but for tests that do not hold here.

    Raises:
        KeyError: one of these is not there any more.
    """
    found = {
        name: value
        for name, value in vars(import_module(f"tests.sdk.{module}")).items()
        if name.startswith("test_") or isinstance(value, FixtureFunctionDefinition)
    }
    for name in but:
        del found[name]
    return found
