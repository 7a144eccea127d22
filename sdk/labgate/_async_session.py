"""How is one call of an async client carried out?"""

from __future__ import annotations

import time

from labgate._async_pool import deliver_async
from labgate._origins import traced
from labgate._session import Terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from labgate._async_connect import Connecting
    from labgate._async_link import AsyncLink
    from labgate._delivery import Request
    from labgate._method import Method
    from labgate._wire import Response


class AsyncSession(Terms):
    """How an async client's calls are carried out, in the event loop that it was made in."""

    __slots__ = ()

    awaited = True
    link: AsyncLink

    async def call(self, method: Method, params: list[Any] | dict[str, Any] | None) -> Any:
        """The result of the method for these parameters; a task that is cancelled ends the call.

        Raises:
            Error: there is none.
            TypeError, ValueError: the parameters cannot be sent.
        """
        await self.link.credential_ready()
        request = self.asked(method, params)
        response = await self.send(request)
        return traced(self.settled(response, method), self.link, method.name, request.body, response)

    async def send(self, request: Request) -> Response:
        """The reply to a request.

        Raises:
            Error: there is none.
        """
        started = time.perf_counter()
        response = await deliver_async(self.link.lines, request, self._gate)
        self.link.note(response, started)
        return response

    def shaped(self, result: Any, method: Method) -> Any:
        """As a session's, with volumes and sources whose parts are awaited."""
        if method.volume:
            from labgate._async_volume import volume_of

            return volume_of(result, self, method)
        if method.source:
            from labgate._async_source import source_of

            return source_of(result, self, method)
        if method.sources:
            from labgate._async_source import found_of

            return found_of(result, self, method)
        return self.tabled(result, method)

    def elsewhere(self, datastack: str | None) -> Connecting:
        """A client of the same gate, token and options in another datastack, to be awaited as `aconnect` is."""
        from labgate._async_connect import beside

        return beside(self.link, datastack, self.options)

    def derive(self, changes: dict[str, Any]) -> AsyncSession:
        """A session over the same link with other options."""
        return AsyncSession(self.link, self.options.replaced(changes))

    def recipe(self) -> tuple[Any, ...]:
        """Refused: what is in a loop stays there."""
        raise TypeError(
            "an async client cannot be pickled: its connections belong to its event loop; "
            "make one there, with labgate.aconnect"
        )
