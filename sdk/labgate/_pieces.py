"""How is the body of a reply taken piece by piece, up to its end and no further?"""

from __future__ import annotations

from labgate._wire import CHUNKED, UNTIL_THE_END, ReplyCut, chunk_size, end_chunk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._wire import Feed, Head


class Pieces:
    """The body behind a head.

    Attributes:
        ended: all of it was taken.
    """

    __slots__ = ("_chunked", "_feed", "_left", "ended")

    def __init__(self, feed: Feed, head: Head, *, verb: str) -> None:
        length = 0 if verb == "HEAD" else head.length
        self._feed = feed
        self._chunked = length == CHUNKED
        self._left = None if length == UNTIL_THE_END else max(length, 0)  # of the body, or of its chunk
        self.ended = self._left == 0 and not self._chunked

    async def into(self, view: memoryview) -> int:
        """Some bytes of the body, straight into their place; 0 behind its end.

        Raises:
            MalformedReply, ReplyCut: see there.
            TimeoutError: nothing came in time.
            OSError: the connection broke.
        """
        if self.ended or not view:
            return 0
        if self._left == 0:
            self._left = await chunk_size(self._feed)
            self.ended = self._left == 0
            if self.ended:
                return 0
        got = await self._feed.into(view if self._left is None else view[: self._left])
        if self._left is None:
            self.ended = got == 0
            return got
        if got == 0:
            raise ReplyCut(started=True)
        self._left -= got
        if self._left == 0 and self._chunked:
            await end_chunk(self._feed)
        elif self._left == 0:
            self.ended = True
        return got
