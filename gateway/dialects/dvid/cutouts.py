"""How is a cutout of a version that never changes made of stored blocks?

It is made slab by slab while it is sent: row by row, as an array has its voxels, or block by block, for whoever puts them in
place. While a slab is sent, the blocks of the next one come.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Final

import numpy as np

from gateway.core.faults import UpstreamBroken
from gateway.core.reply import Composed, InBlocks
from gateway.core.verdict import Entry, Hit, Verdict, pass_for
from gateway.dialects.dvid.asking import Errand, RefusedError
from gateway.dialects.dvid.geometry import Box, Corner, block_shape, blocks, filling, slabs
from gateway.dialects.dvid.rows import Slab, in_blocks, in_rows
from gateway.dialects.dvid.stored import Coming, Source, Stored

_LARGE_SLAB: Final = 32 << 20
"""Bytes of a slab from which on no other one comes while it is sent."""
_OFF_THE_LOOP: Final = 4 << 20
"""Bytes of a plane from which on it is put in rows beside the event loop."""
_IN_BLOCKS: Final = 1 << 20
"""Bytes from which on blocks are worth being put in place by whoever gets them, where they are wanted for the most part."""

Order = Callable[[Slab, Corner, np.dtype[Any]], Iterator[memoryview]]


class Cutout:
    """One cutout on its way."""

    def __init__(self, errand: Errand, source: Source, box: Box, coming: Coming) -> None:
        self._source = source
        self._box = box
        self._block = block_shape(source.voxels)
        self._stored = Stored(errand, source, coming)

    async def composed(self) -> tuple[Composed, Verdict]:
        """The voxels, slowest axis first, and the worst of what memory says of their blocks.

        The first slab is there before: what goes wrong with it is still an answer. Raises `RefusedError`, and faults.
        """
        voxels, waiting = self._source.voxels, slabs(self._box, self._block)
        box = next(waiting)
        judged = self._stored.judged(box)
        verdict = self._verdict(judged)
        begun = [await self._stored.slab(box, judged)]
        channels = (voxels.channels,) if voxels.channels > 1 else ()
        size = self._box.voxels * voxels.size
        made = None
        if size >= _IN_BLOCKS and filling(self._box, self._block) >= 0.5:
            start = (*self._box.start, 0) if channels else self._box.start
            made = InBlocks(start, (*self._block, *channels), self._pieces(in_blocks, begun, waiting))
        rows = self._pieces(in_rows, begun, waiting)
        return Composed(size, rows, voxels.told, (*self._box.shape, *channels), made), verdict

    def _verdict(self, judged: Mapping[Corner, Verdict]) -> Verdict:
        """The worst of what memory says of the blocks: the first that is missing, or the oldest hit.

        `judged` are those of the first slab.
        """
        if not self._source.kept:
            return pass_for("the version is open")
        oldest: Entry | None = None
        for index in blocks(self._box, self._block):
            verdict = judged.get(index) or self._stored.judge(index)
            if not isinstance(verdict, Hit):
                return verdict
            if oldest is None or verdict.entry.stored < oldest.stored:
                oldest = verdict.entry
        return pass_for("assembled") if oldest is None else Hit(oldest)

    async def _pieces(
        self, order: Order, begun: list[Slab], waiting: Iterator[Box]
    ) -> AsyncGenerator[bytes | memoryview]:
        voxels = self._source.voxels
        heavy = math.prod(self._box.shape[1:]) * voxels.size > _OFF_THE_LOOP
        async with aclosing(self._slabs(begun, waiting)) as all_slabs:
            async for slab in all_slabs:
                pieces = order(slab, self._block, voxels.unit)
                del slab  # nobody holds its blocks while those of the next one come
                while piece := await asyncio.to_thread(next, pieces, None) if heavy else next(pieces, None):
                    yield piece

    async def _slabs(self, begun: list[Slab], waiting: Iterator[Box]) -> AsyncGenerator[Slab]:
        """One slab after the other, from the one that is there on; the next one comes meanwhile."""
        slab = begun.pop()
        loop = asyncio.get_running_loop()
        ahead: asyncio.Task[Slab] | None = None
        size = self._source.voxels.size
        try:
            while True:
                box = next(waiting, None)
                if box is not None and slab.box.voxels * size <= _LARGE_SLAB:
                    ahead = loop.create_task(self._stored.slab(box))
                yield slab
                if box is None:
                    break
                del slab
                slab = await (ahead or self._stored.slab(box))
                ahead = None
        except RefusedError as error:
            said = error.reply.body.data.decode("utf-8", "replace")[:500]
            raise UpstreamBroken(f"The service stopped in the middle of a cutout: {said}") from error
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.wait((ahead,))
