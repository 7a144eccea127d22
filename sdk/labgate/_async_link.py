"""What do all views of one async client share, and how do they learn that the catalog has changed?"""

from __future__ import annotations

import asyncio
import time
import weakref
from contextvars import ContextVar

from labgate._async_client import AsyncClient, AsyncNamespace
from labgate._async_pool import AsyncPool, deliver_async
from labgate._changes import Changes
from labgate._link import Link
from labgate._listed import Ungated
from labgate._shapes import function_of
from labgate._tree import grow
from labgate.errors import Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._address import Address
    from labgate._async_live import AsyncLive
    from labgate._client import Node
    from labgate._transport import Pool
    from labgate._wire import Response

    Said = tuple[Response, float]

_LOOK_TIMEOUT = 5.0
# What the last reply of each client said, as a task sees it; never changed in place, for tasks share what they begin with.
_said: ContextVar[dict[weakref.ref[Replies], Said]] = ContextVar("labgate_replies", default={})  # noqa: B039


class Replies:
    """What the last reply said, per task: `last`, as the threads of other clients have it."""

    __slots__ = ("__weakref__",)

    @property
    def last(self) -> Said:
        try:
            return _said.get()[weakref.ref(self)]
        except KeyError:
            raise AttributeError("last") from None

    @last.setter
    def last(self, said: Said) -> None:
        others = {one: known for one, known in _said.get().items() if one() not in (None, self)}
        _said.set({**others, weakref.ref(self): said})


class AsyncLink(Link):
    """One gate as one caller sees it, in one event loop.

    Nothing that is not awaited asks the gate: news that a reply announces are fetched by a task of the link's own.

    Attributes:
        lines: the connections.
        live: a line on which the gate tells of changes, where somebody wants one.
    """

    live: AsyncLive | None
    awaited = True

    def __init__(self, address: Address, datastack: str | None, *, ca_file: str | None, **given: Any) -> None:
        """As a link's; inside the event loop that it is for."""
        self.lines = AsyncPool(address, ca_file, given.get("tape"))
        self._news: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._scribe: Scribe | None = None
        super().__init__(address, datastack, ca_file=ca_file, **given)
        self.replies = Replies()

    def _new_pool(self) -> Pool:
        return self.lines  # type: ignore[return-value]  # nothing here waits for it as threads do

    def base(self, prefix: str) -> type[Node]:
        """The class below which those of its clients, and of its namespaces, are made."""
        return AsyncNamespace if prefix else AsyncClient

    async def start_async(self, seconds: float | None, retries: int) -> None:
        """As `start`, with so many seconds for it."""
        kept = await asyncio.to_thread(self._file.load) if self.tape is None else None
        if kept is None:
            await self.refresh_async(seconds, retries)
            return
        self.begin(kept)
        if self.pins is not None:
            try:
                await self.refresh_async(_LOOK_TIMEOUT, 0)  # what it pins is compared with today's list
            except Error:
                self._compare()

    async def refresh_async(self, seconds: float | None, retries: int) -> Changes:
        """As `refresh`, with so many seconds for it."""
        async with self._one_at_a_time:
            self.looked(time.monotonic())
            await self.credential_ready()
            request = self.question(seconds, retries)
            answer = await deliver_async(self.lines, request, str(self.address))
            try:
                new = self.told(answer)
            except Ungated as found:
                new = await asyncio.to_thread(self.asked_directly, found, seconds)
            self.outdated = False
            if new is None:
                return Changes((), (), ())
            changes = self.replace(new)
            if self.tape is None:
                await asyncio.to_thread(self._file.store, new)
            return changes

    async def credential_ready(self) -> None:
        """Let a login renew its token where that is due, beside the event loop.

        Raises:
            LoginError: the login has ended.
        """
        if self.renews:
            await asyncio.to_thread(self.token)

    def note(self, response: Response, started: float) -> None:
        """Remember what a reply said beside its answer; fetch news that it announces."""
        super().note(response, started)
        if self.outdated:
            self.catch_up()

    def look_again(self) -> bool:
        """Begin to look for news, where it is time for that; what they are is not known yet: False."""
        now = time.monotonic()
        if self._has_news(now) or now >= self._next_look:
            self._begin_to_look()
        return False

    async def look_again_async(self) -> bool:
        """As a link's `look_again`: refresh, at most every 30 s or when news was announced; True if it was done."""
        self.look_again()
        if self._news is None:
            return False
        await asyncio.shield(self._news)
        return True

    def catch_up(self) -> None:
        """Begin to refresh because a reply named another version of the catalog."""
        if self._has_news(time.monotonic()):
            self._begin_to_look()

    async def aclose(self) -> None:
        """Close the connections, and end the looking for news, and the hearing of them."""
        if self.live is not None:
            await self.live.close()
        if self._news is not None:
            self._news.cancel()
            await asyncio.wait([self._news])
        await self.lines.aclose()

    def new_live(self, timeout: float | None) -> AsyncLive:  # type: ignore[override]
        """A line on which the gate tells of changes."""
        from labgate._async_live import AsyncLive

        self.lines.check()
        return AsyncLive(self, timeout)

    def scribe(self) -> Scribe:
        """What stands for this link in the client of a batch."""
        if self._scribe is None or self._scribe.catalog is not self.catalog:
            self._scribe = Scribe(self)
        return self._scribe

    def _begin_to_look(self) -> None:
        if self._news is None:
            try:
                self._news = asyncio.get_running_loop().create_task(self._look())
            except RuntimeError:  # somebody looks at a name where no loop runs
                return

    async def _look(self) -> None:
        try:
            await self.refresh_async(_LOOK_TIMEOUT, 0)
        except Error:
            return  # a gate that is away leaves everything as it is
        finally:
            self._news = None


class Scribe:
    """An async client's link as a batch has it: its methods write calls down at once, and nothing is awaited.

    It is the link of one catalog, and of its own classes.
    """

    outdated = False

    def __init__(self, link: AsyncLink) -> None:
        self._link = link
        self._functions: dict[str, Any] = {}
        self.catalog = link.catalog
        self.root = grow(self, link.catalog)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    def base(self, prefix: str) -> type[Node]:
        """The class below which those of a batch's clients, and of their namespaces, are made."""
        return Link.base(self._link, prefix)

    def function(self, name: str) -> Any:
        """The function of the method called `name`; see `Link.function`."""
        if name not in self._functions:
            method = self._link.method(self.catalog.true_name(name))
            self._functions[name] = function_of(method, self._link._known_components)  # noqa: SLF001
        return self._functions[name]
