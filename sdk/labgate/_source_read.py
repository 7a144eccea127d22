"""How do the partitions of a source come: several at once, in their order, whole or not at all?"""

from __future__ import annotations

from labgate._delivery import Request
from labgate._fetching import Fetching
from labgate._outcome import result_of
from labgate._volume_read import ArrayReading
from labgate._wire import Response, whole_body
from labgate.errors import BadReply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import numpy as np

    from labgate._fetching import Came
    from labgate._method import Method
    from labgate._progress import Shown
    from labgate._session import Terms
    from labgate._volume_boxes import Box
    from labgate._wire import Feed, Head


class BlockReading(ArrayReading):
    """Reads blocks of an array, each into its place."""

    thing = "the array"

    def __init__(
        self,
        session: Terms,
        method: str,
        params: Mapping[str, Any],
        blocks: Mapping[Box, Any],
    ) -> None:
        """
        Args:
            session: whose it is.
            method: the wire name of the method that reads.
            params: its arguments, but the partition.
            blocks: the partition that lies in a box, None being the whole of the source.
        """
        super().__init__(session, method, timeout=session.options.timeout)
        # A query has texts, in which the gate finds the JSON; a name is one, whatever it looks like.
        self._params = {
            name: one if isinstance(one, str) else session.encode_json(one) for name, one in params.items()
        }
        self._blocks = blocks

    async def array(
        self, dtype: np.dtype[Any], *, workers: int, progress: Shown = False
    ) -> np.ndarray[Any, Any]:
        """The array of all these blocks, the first of which has its lowest corner, and the last its highest.

        Raises:
            Error: one of them did not come.
        """
        import numpy as np

        boxes = [*self._blocks]
        start, stop = boxes[0][0], boxes[-1][1]
        array = np.empty([high - low for low, high in zip(start, stop, strict=True)], dtype)
        await self.run((start, stop), boxes, array, workers=workers, progress=progress)
        return array

    def _query(self, part: Box) -> Mapping[str, Any]:
        partition = self._blocks[part]
        if partition is None:
            return self._params
        return {**self._params, "partition": self._session.encode_json(partition)}

    def _named(self, part: Box) -> str:
        partition = self._blocks[part]
        return "the whole array" if partition is None else f"partition {partition}"


class PartitionReading(Fetching):
    """Calls a method once for each partition, and keeps the results in their order."""

    thing = "the source"

    def __init__(self, session: Terms, method: Method, params: Mapping[str, Any]) -> None:
        """
        Args:
            session: whose it is.
            method: the method that reads.
            params: its arguments, but the partition.
        """
        super().__init__(session, method.name, timeout=session.options.timeout)
        self._reads = method
        self._params = dict(params)
        self._results: dict[int, Any] = {}
        self._partitions: Sequence[Any] = ()

    async def run(self, partitions: Sequence[Any], *, workers: int, progress: Shown = False) -> list[Any]:
        """What each of the partitions is.

        Raises:
            Error: one of them did not come.
        """
        self._partitions = partitions
        await self._fetch(range(len(partitions)), workers, None, progress=progress)
        return [self._results.pop(at) for at in range(len(partitions))]

    def _request(self, part: int, left: float | None) -> Request:
        partition = self._partitions[part]
        given = self._params if partition is None else {**self._params, "partition": partition}
        request = self._session.asked(self._reads, given)
        request.timeout, request.retries = left, 0
        return request

    async def _take(self, feed: Feed, head: Head, part: int, came: Came) -> None:
        body = await whole_body(feed, head)
        came(len(body))
        response = Response(head.status, head.fields, body, reusable=False)
        result = result_of(response, self._method, self._gate, repeatable=self._reads.repeatable)
        self._results[part] = self._session.shaped(result, self._reads)

    def _named(self, part: int) -> str:
        return f"partition {self._partitions[part]}"


def joined(parts: list[Any], method: str) -> Any:
    """One thing of the partitions of a source: a data frame, a table, an array, or a list.

    Raises:
        BadReply: there is no such thing.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    if all(isinstance(one, list) for one in parts):
        return [item for one in parts for item in one]
    kinds = {type(one).__module__.partition(".")[0] for one in parts}
    if kinds == {"pandas"}:
        import pandas

        return pandas.concat(parts)  # rows keep their names, as Intake itself has it
    if kinds == {"pyarrow"}:
        import pyarrow

        try:
            return pyarrow.concat_tables(parts, promote_options="permissive")
        except pyarrow.ArrowException as error:
            raise BadReply(f"the partitions are no one table: {error}", method=method, hint="") from error
    raise BadReply(
        "the partitions are nothing that can be joined", method=method, hint="Name one: partition=0."
    )
