"""Where do the blocks of a cutout come from: memory, a tier, somebody else's read, or a read of its own?

Missing ones are fetched in large aligned reads, cut, and stored.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Hashable, Iterator, Mapping
from contextlib import aclosing
from typing import Any, Final

from msgspec import Struct

from gateway.core.faults import Fault, UpstreamBroken
from gateway.core.reply import Composed, in_memory
from gateway.core.verdict import Hit, Miss, Verdict
from gateway.dialects.dvid.asking import Errand, RefusedError
from gateway.dialects.dvid.geometry import (
    Box,
    Corner,
    Voxels,
    around,
    block_shape,
    blocks,
    regions,
)
from gateway.dialects.dvid.repos import Instance, Node, Repo
from gateway.dialects.dvid.rows import Body, Slab

AT_ONCE: Final = 4
"""Reads that one cutout has under way."""


class Source(Struct, frozen=True):
    """Whose voxels they are: the data of a locked version, at a scale."""

    repo: Repo
    node: Node
    instance: Instance
    voxels: Voxels
    scale: int = 0
    kept: bool = True
    """Whether their blocks are stored."""

    def params(self, box: Box, *, cut: bool) -> dict[str, Any]:
        """What a read of a box is asked with: sizes and corners as DVID has them, fastest axis first.

        `cut` = the blocks of the box are wanted, one after the other; the box is of whole ones, and one deep.
        """
        return {
            "node": self.node.uuid,
            "instance": self.instance.name,
            "size": "_".join(map(str, reversed(box.shape))),
            "offset": "_".join(map(str, reversed(box.start))),
            "scale": self.scale,
            "bytes": box.voxels * self.voxels.size,
            "cut": block_shape(self.voxels) if cut else None,
        }


class Coming:
    """Blocks that are on their way, for all who need the same."""

    def __init__(self) -> None:
        self._blocks: dict[Hashable, asyncio.Future[Body | None]] = {}

    def find(self, missing: Miss) -> asyncio.Future[Body | None] | None:
        """When a block comes that somebody has asked for, in the same generations."""
        return self._blocks.get((missing.key, missing.epoch, missing.generations))

    def expect(self, missing: Miss) -> asyncio.Future[Body | None]:
        """One is asked for now: its future must be given a result, None if it does not come."""
        key = (missing.key, missing.epoch, missing.generations)
        future = self._blocks[key] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda _: self._blocks.pop(key, None))
        return future


class Stored:
    """The blocks of one cutout."""

    def __init__(self, errand: Errand, source: Source, coming: Coming) -> None:
        self._errand = errand
        self._source = source
        self._coming = coming
        self._block = block_shape(source.voxels)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._hidden = errand.hidden.block
        named = {
            "dataset": source.repo.alias or source.repo.root,
            "data": source.instance.data,
            "node": source.node.uuid,
            "scale": source.scale,
            "block": self._block,
        }
        self._named = json.dumps(named, separators=(",", ":")).encode()[:-1] + b',"at":'

    def judge(self, index: Corner) -> Verdict:
        """What memory has of a block, now."""
        return self._errand.parts.judge(
            self._errand.named(self._hidden, b"%b[%d,%d,%d]}" % (self._named, *index))
        )

    def judged(self, box: Box) -> dict[Corner, Verdict]:
        """What memory has of the blocks of a box, now; nothing, where none are kept."""
        return {index: self.judge(index) for index in blocks(box, self._block)} if self._source.kept else {}

    async def slab(self, box: Box, judged: Mapping[Corner, Verdict] | None = None) -> Slab:
        """All blocks of a slab, of which `judged` was said just now. Raises `RefusedError`, and faults."""
        missing: dict[Corner, Miss] = {}
        found: dict[Corner, Body] = {}
        judged = self.judged(box) if judged is None else judged
        for index in blocks(box, self._block):
            verdict = judged.get(index)
            if isinstance(verdict, Hit):
                found[index] = verdict.entry.body
            elif isinstance(verdict, Miss):
                missing[index] = verdict
            else:  # nothing of it is kept
                missing[index] = Miss(b"", (), 0, self._errand.hidden.immutable, "not stored")
        if missing:
            await self._fetch(missing, found)
        return Slab(box, found)

    async def _fetch(self, missing: dict[Corner, Miss], found: dict[Corner, Body]) -> None:
        """Find what is not in memory."""
        coming = {index: self._coming.find(miss) for index, miss in missing.items() if miss.key}
        may = self._errand.parts.may_recall
        far = [index for index, miss in missing.items() if miss.key and not coming[index] and may(miss)]
        for index, body in filter(None, await asyncio.gather(*(self._recall(at, missing[at]) for at in far))):
            found[index] = body
            del missing[index]
        # What others asked for before, or ask for now; what came while we looked is in memory.
        others = {
            index: coming.get(index) or self._coming.find(miss) or (self._came(index) if far else None)
            for index, miss in missing.items()
            if miss.key
        }
        joined = {index: future for index, future in others.items() if future is not None}
        own = [index for index in missing if index not in joined]
        # Said before anything else runs: nobody else asks for the same now.
        expected = {index: self._coming.expect(missing[index]) for index in own if missing[index].key}
        try:
            async with asyncio.TaskGroup() as group:
                for boxful in regions(own, self._block, self._source.voxels.size):
                    group.create_task(self._read(boxful, missing, expected, found))
                for index, future in joined.items():
                    group.create_task(self._joined(index, future, missing, found))
        except BaseExceptionGroup as failures:
            raise _first_of(failures) from None
        finally:
            for future in expected.values():
                if not future.done():
                    future.set_result(None)

    def _came(self, index: Corner) -> asyncio.Future[Body | None] | None:
        """A block that came while its tiers were asked: somebody else has read it and is done."""
        verdict = self.judge(index)
        if not isinstance(verdict, Hit):
            return None
        future: asyncio.Future[Body | None] = asyncio.get_running_loop().create_future()
        future.set_result(verdict.entry.body)
        return future

    async def _recall(self, index: Corner, missing: Miss) -> tuple[Corner, Body] | None:
        async with self._turns:
            hit = await self._errand.parts.recall(missing)
        return None if hit is None else (index, hit.entry.body)

    async def _joined(
        self,
        index: Corner,
        future: asyncio.Future[Body | None],
        missing: dict[Corner, Miss],
        found: dict[Corner, Body],
    ) -> None:
        body = await asyncio.shield(future)
        if body is None:  # a failure is nobody else's
            await self._read([index], missing, {}, found)
        else:
            found[index] = body

    async def _read(
        self,
        group: list[Corner],
        missing: dict[Corner, Miss],
        expected: dict[Corner, asyncio.Future[Body | None]],
        found: dict[Corner, Body],
    ) -> None:
        """Read a boxful of blocks and store them; who expects one gets it, or None."""
        try:
            async with self._turns:
                box = around(group, self._block)
                made = await self.region(box, cut=True)
            async with aclosing(made.pieces) as pieces:
                cut = [piece async for piece in pieces]
            for index, body in zip(group, cut, strict=True):
                found[index] = body
                if missing[index].key:
                    self._errand.parts.keep(missing[index], body)
                if index in expected:
                    expected[index].set_result(body)
        finally:
            for index in group:
                if index in expected and not expected[index].done():
                    expected[index].set_result(None)

    async def region(self, box: Box, *, cut: bool) -> Composed:
        """The voxels of a box in one read, in memory; see `Source.params`. Raises `RefusedError`, and faults.

        Equal reads at once are one trip, and each of them has the pieces for itself.
        """
        source = self._source
        reply = await self._errand.obtain(self._errand.hidden.region, source.params(box, cut=cut))
        wanted = box.voxels * source.voxels.size
        made = reply.composed
        held = () if made is None or made.held is None else made.held
        length = 0 if made is None else made.length
        if length == wanted:
            return in_memory(held)
        # A service that fails late appends its error to what came before.
        data = b"".join(held)
        tail = data[wanted:][:200].decode("utf-8", "replace").strip()
        raise UpstreamBroken(
            f"The service {self._errand.service.qualified!r} gave {length} bytes of {source.instance.name!r} where "
            f"{wanted} were asked for{': ' + tail if tail else ''}. Nothing of it was stored."
        )


def _first_of(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """The one of several failures that says most: one of ours, else the first."""
    leaves = list(_leaves(failures))
    return next((one for one in leaves if isinstance(one, Fault | RefusedError)), leaves[0])


def _leaves(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for one in failure.exceptions:
            yield from _leaves(one)
    else:
        yield failure
