"""How does a program with an event loop get a client?"""

from __future__ import annotations

from labgate._connect import way_to
from labgate._memory import remember as write_down
from labgate._prepared import prepared
from labgate._whereabouts import make_sure

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType
    from typing import Any

    from labgate._async_client import AsyncClient
    from labgate._async_link import AsyncLink
    from labgate._options import Options
    from labgate._prepared import Prepared


class Connecting:
    """What `labgate.aconnect` gives: a client when it is awaited, and one that is closed behind an `async with` block."""

    __slots__ = ("_client", "_live", "_prepare")

    def __init__(self, prepare: Callable[[], Prepared], *, live: bool = False) -> None:
        """`prepare` says what is connected with what; it reads small files."""
        self._prepare = prepare
        self._live = live
        self._client: AsyncClient | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say how a client is had of it to whom took it for one."""
            how = (
                ""
                if name.startswith("_")
                else ": write `async with labgate.aconnect(...) as lab:`, or await it"
            )
            raise AttributeError(f"this is no client yet, and has no {name!r}{how}", name=name, obj=self)

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._connected().__await__()

    async def __aenter__(self) -> AsyncClient:
        self._client = await self._connected()
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await aclose(self._client)

    async def _connected(self) -> AsyncClient:
        import asyncio

        from labgate._async_link import AsyncLink
        from labgate._async_session import AsyncSession
        from labgate._live import watch

        way, stack, options = self._prepare()
        if way.hearsay and stack is not None:
            await asyncio.to_thread(make_sure, way.address, stack, options.timeout)
        link = AsyncLink(**way.given(stack))
        try:
            await link.start_async(options.timeout, options.retries)
        except BaseException:
            await link.aclose()
            raise
        if stack is not None and options.remember:
            await asyncio.to_thread(write_down, stack, way.address)
        made: AsyncClient = link.root.own_class()(AsyncSession(link, options), link.root)  # type: ignore[assignment]
        if self._live:
            watch(made)
        return made


def aconnect(
    address: str | None = None,
    *,
    datastack: str | None = None,
    token: str | None = None,
    profile: str | None = None,
    timeout: float | None = ...,  # type: ignore[assignment]
    retries: int = 2,
    headers: Mapping[str, str] | None = None,
    default: Callable[[Any], Any] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    ca_file: str | os.PathLike[str] | None = None,
    version: Any = None,
    timestamp: Any = None,
    defaults: Mapping[str, Any] | None = None,
    remember: bool = True,
    auth_token_key: str | None = None,
    server_address: str | None = None,
    datastack_name: str | None = None,
    write_server_address: bool = True,
    write_server_cache: bool = True,
    lock: str | os.PathLike[str] | None = None,
    live: bool = False,
) -> Connecting:
    """An async client of the gate at `address`: what `labgate.connect` gives, with everything awaited.

        async with labgate.aconnect("https://gate.lab.org") as lab:
            await lab.info.get_datastacks()

    It belongs to the event loop that it is made in. Where an `async with` block does not fit, `await` it, and end it by
    `await labgate.aclose(lab)`.

    Args: those of `labgate.connect`.

    Raises:
        SetupError: the address, the token or an option cannot be used.
        Error: the gate is asked, and does not give its list.
    """
    given: Any = dict(locals())
    del given["live"]
    return Connecting(lambda: prepared(**given), live=live)


def beside(link: AsyncLink, datastack: str | None, options: Options) -> Connecting:
    """A client of the same gate and token in another datastack, None for none."""
    way, stack = way_to(link, datastack)
    return Connecting(lambda: (way, stack, options))


async def aclose(client: AsyncClient) -> None:
    """Close the connections of an async client and of all its views: what they are waiting for ends.

    A client that is closed stays so. It does no harm to close one twice.
    """
    await client._session.link.aclose()  # type: ignore[attr-defined]  # noqa: SLF001
