"""Whom of a service has a call been answered by?"""

from __future__ import annotations

from gateway.core.upstream import Answer, Request, Upstream


class Heard:
    """An upstream for one call, which remembers the replica that answered last; None = none has."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self.replica: str | None = None

    async def exchange(self, request: Request) -> Answer:
        """See `Upstream`."""
        answer = await self._upstream.exchange(request)
        self.replica = answer.replica
        return answer
