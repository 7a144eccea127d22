"""How do many calls of an async client travel as one request?"""

from __future__ import annotations

from labgate._batch import Recorder, carry, not_begun
from labgate.errors import BatchNotSent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from labgate._async_client import AsyncClient
    from labgate._async_session import AsyncSession
    from labgate._client import Client


class AsyncBatch:
    """The asynchronous context manager of `labgate.batch`."""

    def __init__(self, client: AsyncClient) -> None:
        self._session: AsyncSession = client._session  # type: ignore[assignment]  # noqa: SLF001
        self._recorder: Recorder | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say how calls are made to whom made one without the block."""
            raise not_begun(name, self, "async with")

    async def __aenter__(self) -> Any:  # not a client, for whose methods types say what they would return
        """The client that writes calls down: its methods give handles, and are not awaited."""
        if self._recorder is not None:
            raise BatchNotSent("this batch was used before: begin a new one")
        self._recorder = Recorder(self._session)
        scribe: Any = self._session.link.scribe()
        self._recorder.link = scribe
        client: Client = scribe.root.own_class()(self._recorder, scribe.root)
        return client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what was written down, unless an error ended the block.

        Raises:
            Error: the batch as a whole has no answer; every handle tells the same.
        """
        recorder = self._recorder
        if recorder is None or not recorder.end(broken=kind is not None):
            return
        await carry(recorder)
