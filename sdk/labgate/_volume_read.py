"""How does a box of a volume come into an array: in several parts at once, whole or not at all?"""

from __future__ import annotations

import json
from urllib.parse import quote

from labgate._blocks import BLOCKS, receive_blocks
from labgate._delivery import Request
from labgate._fetching import Fetching
from labgate._npy import receive
from labgate._pieces import Pieces
from labgate._target import with_query
from labgate._volume_boxes import slices

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import numpy as np

    from labgate._fetching import Came
    from labgate._progress import Shown
    from labgate._session import Terms
    from labgate._volume_boxes import Box
    from labgate._wire import Feed, Head

_NPY = "application/x-npy"


class ArrayReading(Fetching):
    """Reads boxes of an array by a method's plain URL, each as a numpy file into its place."""

    _accepted = _NPY.encode()
    _array: np.ndarray[Any, Any]
    _first: Sequence[int]

    async def run(
        self,
        box: Box,
        parts: Sequence[Box],
        array: np.ndarray[Any, Any],
        *,
        workers: int,
        progress: Shown = False,
    ) -> None:
        """Fill the array.

        Args:
            box: what the array is of.
            parts: the same in parts, each of which is asked for alone.
            array: of the box's shape.
            workers: how many parts are on their way at once.
            progress: show how far it is; or a function that is told: how much is done, and of how much.

        Raises:
            Error: the box did not come whole. What is in the array then, is not said.
        """
        self._array, self._first = array, box[0]
        await self._fetch(parts, workers, array.nbytes, progress=progress)

    def _query(self, part: Box) -> Mapping[str, Any]:
        """The arguments that mean the part."""
        raise NotImplementedError

    async def _take(self, feed: Feed, head: Head, part: Box, came: Came) -> None:
        pieces = Pieces(feed, head, verb="GET")
        kind = head.fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
        view, length = self._array[slices(part, self._first)], head.length if head.length >= 0 else None
        if head.status == 200 and kind == _NPY.encode():
            await receive(pieces, view, length, came)
        elif head.status == 200 and kind == BLOCKS.encode() and kind in self._accepted:
            await receive_blocks(pieces, view, part[0], length, came)
        else:
            raise await self._refused(head, pieces)

    def _request(self, part: Box, left: float | None) -> Request:
        link, options = self._session.link, self._session.options
        query = {**self._query(part), "datastack": link.datastack, "format": "npy"}
        head = b"%b%bUser-Agent: labgate-python\r\nAccept: %b, application/json;q=0.9\r\n%b" % (
            link.opening("GET", with_query(f"/rpc/{quote(self._method, safe='')}", query)),
            link.credential(),
            self._accepted,
            options.fields(),
        )
        return Request(
            head, b"", method=self._method, repeatable=True, timeout=left, retries=0, renew=link.retold
        )

    def _named(self, part: Box) -> str:
        return f"the part from {list(part[0])} to {list(part[1])}"


class Reading(ArrayReading):
    """One reading of a box of a volume."""

    thing = "the box"
    _accepted = f"{BLOCKS}, {_NPY}".encode()

    def __init__(
        self,
        session: Terms,
        method: str,
        params: Mapping[str, Any],
        *,
        placed: int,
        timeout: float | None,
    ) -> None:
        """
        Args:
            session: whose it is.
            method: the wire name of the method that reads.
            params: its arguments, but the box.
            placed: how many coordinates of a corner are sent; the axes behind them come whole.
            timeout: seconds for all of it; None waits for ever.
        """
        super().__init__(session, method, timeout=timeout)
        self._params = {
            name: json.dumps(one) if isinstance(one, list) else one for name, one in params.items()
        }
        self._placed = placed

    def _query(self, part: Box) -> Mapping[str, Any]:
        start, stop = (_listed(corner[: self._placed]) for corner in part)
        return {**self._params, "start": start, "stop": stop}


def _listed(corner: Sequence[int]) -> str:
    return f"[{','.join(map(str, corner))}]"
