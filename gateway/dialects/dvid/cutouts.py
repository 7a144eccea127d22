"""How is a cutout of a version that never changes made of stored blocks?

It is made slab by slab while it is sent: blocks that memory or a tier has are taken from there, missing ones are fetched in
large aligned reads, stored, and pasted into place. While a slab is sent, the next one is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Hashable, Iterator
from typing import Any, Final

import numpy as np
from msgspec import Struct

from gateway.core.call import Call
from gateway.core.faults import Fault, UpstreamBroken
from gateway.core.reply import Composed
from gateway.core.verdict import Entry, Hit, Miss, Verdict, pass_for
from gateway.dialects.dvid.asking import Errand, RefusedError
from gateway.dialects.dvid.geometry import (
    READ_BYTES,
    Box,
    Corner,
    Voxels,
    around,
    block_shape,
    blocks,
    box_of_block,
    regions,
    slabs,
)
from gateway.dialects.dvid.repos import Instance, Node, Repo

AT_ONCE: Final = 4
"""Reads that one cutout has under way."""
_PIECE: Final = 1 << 20
_SMALL: Final = 1 << 18
_LARGE_SLAB: Final = 32 << 20
"""Bytes of a slab from which on no other one is made while it is sent."""


class Source(Struct, frozen=True):
    """Whose voxels they are: the data of a locked version, at a scale."""

    repo: Repo
    node: Node
    instance: Instance
    voxels: Voxels
    scale: int = 0
    kept: bool = True
    """Whether their blocks are stored."""

    def params(self, box: Box) -> dict[str, Any]:
        """What a read of a box is asked with: sizes and corners as DVID has them, fastest axis first."""
        return {
            "node": self.node.uuid,
            "instance": self.instance.name,
            "size": "_".join(map(str, reversed(box.shape))),
            "offset": "_".join(map(str, reversed(box.start))),
            "scale": self.scale,
        }


class Coming:
    """Blocks that are on their way, for all who need the same."""

    def __init__(self) -> None:
        self._blocks: dict[Hashable, asyncio.Future[bytes | None]] = {}

    def find(self, missing: Miss) -> asyncio.Future[bytes | None] | None:
        """When a block comes that somebody has asked for, in the same generations."""
        return self._blocks.get((missing.key, missing.epoch, missing.generations))

    def expect(self, missing: Miss) -> asyncio.Future[bytes | None]:
        """One is asked for now: its future must be given a result, None if it does not come."""
        key = (missing.key, missing.epoch, missing.generations)
        future = self._blocks[key] = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda _: self._blocks.pop(key, None))
        return future


class Cutout:
    """One cutout on its way."""

    def __init__(self, errand: Errand, source: Source, box: Box, coming: Coming) -> None:
        self._errand = errand
        self._source = source
        self._box = box
        self._coming = coming
        self._block = block_shape(source.voxels)
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def composed(self) -> tuple[Composed, Verdict]:
        """The voxels, slowest axis first, and the worst of what memory says of their blocks.

        The first slab is made before: what goes wrong there is still an answer. Raises `RefusedError`, and faults.
        """
        voxels, verdict = self._source.voxels, self.verdict()
        waiting = slabs(self._box, self._block)
        first = await self._slab(next(waiting))
        shape: tuple[int, ...] = self._box.shape
        if voxels.channels > 1:
            shape = (*shape, voxels.channels)
        size = self._box.voxels * voxels.size
        return Composed(size, self._pieces(first, waiting), voxels.told, shape), verdict

    def verdict(self) -> Verdict:
        """The worst of what memory says of the blocks: the first that is missing, or the oldest hit."""
        if not self._source.kept:
            return pass_for("the version is open")
        oldest: Entry | None = None
        for index in blocks(self._box, self._block):
            verdict = self._errand.parts.judge(self._call(index))
            if not isinstance(verdict, Hit):
                return verdict
            if oldest is None or verdict.entry.stored < oldest.stored:
                oldest = verdict.entry
        return pass_for("assembled") if oldest is None else Hit(oldest)

    def _call(self, index: Corner) -> Call:
        source = self._source
        return self._errand.call(
            self._errand.hidden.block,
            {
                "dataset": source.repo.alias or source.repo.root,
                "data": source.instance.data,
                "node": source.node.uuid,
                "scale": source.scale,
                "at": index,
            },
        )

    # --- slab by slab

    async def _pieces(self, made: memoryview, waiting: Iterator[Box]) -> AsyncGenerator[bytes | memoryview]:
        loop = asyncio.get_running_loop()
        ahead: asyncio.Task[memoryview] | None = None
        try:
            while True:
                slab = next(waiting, None)
                if slab is not None and len(made) <= _LARGE_SLAB:
                    ahead = loop.create_task(self._slab(slab))
                for at in range(0, len(made), _PIECE):
                    yield made[at : at + _PIECE]
                if slab is None:
                    break
                made = await (ahead or self._slab(slab))
                ahead = None
        except RefusedError as error:
            said = error.reply.body.data.decode("utf-8", "replace")[:500]
            raise UpstreamBroken(f"The service stopped in the middle of a cutout: {said}") from error
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.wait((ahead,))

    async def _slab(self, slab: Box) -> memoryview:
        """The bytes of one slab."""
        missing: dict[Corner, Miss] = {}
        at_hand: list[tuple[Corner, bytes]] = []
        for index in blocks(slab, self._block):
            verdict = self._errand.parts.judge(self._call(index)) if self._source.kept else None
            if isinstance(verdict, Hit):
                if slab == box_of_block(index, self._block):
                    return memoryview(verdict.entry.body)
                at_hand.append((index, verdict.entry.body))
            elif isinstance(verdict, Miss):
                missing[index] = verdict
            else:  # nothing of it is kept
                missing[index] = Miss(b"", (), 0, self._errand.hidden.immutable, "not stored")
        if not at_hand and (whole := await self._in_one_read(slab, missing)) is not None:
            return memoryview(whole)
        out = np.empty(slab.shape, self._source.voxels.unit)
        await self._paste_all(out, slab, at_hand)
        if missing:
            await self._fetch(out, slab, missing)
        return memoryview(out.reshape(-1).view(np.uint8)).cast("B")  # type: ignore[arg-type]

    async def _in_one_read(self, slab: Box, missing: dict[Corner, Miss]) -> bytes | None:
        """The bytes of a slab of which nothing is stored anywhere and that one read brings as it is; None for any other."""
        groups = regions(missing, self._block, self._source.voxels.size)
        if len(groups) != 1 or around(groups[0], self._block) != slab:
            return None
        for index, miss in missing.items():
            if miss.key and (self._coming.find(miss) or await self._recall(index, miss)):
                return None
        keyed = {index: miss for index, miss in missing.items() if miss.key}
        if any(self._coming.find(miss) or self._came(index) for index, miss in keyed.items()):
            return None
        expected = {index: self._coming.expect(miss) for index, miss in keyed.items()}
        return await self._read_boxful(groups[0], missing, expected)

    async def _fetch(self, out: np.ndarray[Any, Any], slab: Box, missing: dict[Corner, Miss]) -> None:
        """Paste what is not in memory: from the tiers, from others' reads, or from reads of our own."""
        coming = {index: self._coming.find(miss) for index, miss in missing.items() if miss.key}
        stored = await asyncio.gather(
            *(self._recall(index, miss) for index, miss in missing.items() if not coming.get(index))
        )
        found = [pair for pair in stored if pair is not None]
        await self._paste_all(out, slab, found)
        for index, _ in found:
            del missing[index]
        # What others asked for before, or ask for now; what came while we looked is in memory, and waits for its paste.
        others = {
            index: coming.get(index) or self._coming.find(miss) or self._came(index)
            for index, miss in missing.items()
            if miss.key
        }
        joined = {index: future for index, future in others.items() if future is not None}
        own = [index for index in missing if index not in joined]
        # Said before anything else runs: nobody else asks for the same now.
        expected = {index: self._coming.expect(missing[index]) for index in own if missing[index].key}
        try:
            async with asyncio.TaskGroup() as group:
                most = READ_BYTES if out.nbytes <= _LARGE_SLAB else READ_BYTES // 4
                for boxful in regions(own, self._block, self._source.voxels.size, most):
                    group.create_task(self._read(out, slab, boxful, missing, expected))
                for index, future in joined.items():
                    group.create_task(self._joined(out, slab, index, future, missing))
        except BaseExceptionGroup as failures:
            raise _first_of(failures) from None
        finally:
            for future in expected.values():
                if not future.done():
                    future.set_result(None)

    def _came(self, index: Corner) -> asyncio.Future[bytes | None] | None:
        """A block that came while its tiers were asked: somebody else has read it and is done."""
        verdict = self._errand.parts.judge(self._call(index))
        if not isinstance(verdict, Hit):
            return None
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        future.set_result(verdict.entry.body)
        return future

    async def _recall(self, index: Corner, missing: Miss) -> tuple[Corner, bytes] | None:
        async with self._turns:
            hit = await self._errand.parts.recall(missing) if missing.key else None
        return None if hit is None else (index, hit.entry.body)

    async def _joined(
        self,
        out: np.ndarray[Any, Any],
        slab: Box,
        index: Corner,
        future: asyncio.Future[bytes | None],
        missing: dict[Corner, Miss],
    ) -> None:
        body = await asyncio.shield(future)
        if body is None:  # a failure is nobody else's
            await self._read(out, slab, [index], missing, {})
        else:
            await self._paste_all(out, slab, [(index, body)])

    async def _read(
        self,
        out: np.ndarray[Any, Any],
        slab: Box,
        group: list[Corner],
        missing: dict[Corner, Miss],
        expected: dict[Corner, asyncio.Future[bytes | None]],
    ) -> None:
        """Read a boxful of blocks, store them, and paste them; who expects one gets it, or None."""
        data = await self._read_boxful(group, missing, expected)
        whole = around(group, self._block)
        read = np.frombuffer(data, self._source.voxels.unit).reshape(whole.shape)
        part = whole.meets(slab)
        target, source = out[part.within(slab)], read[part.within(whole)]
        if target.nbytes < _SMALL:
            target[...] = source
        else:
            await asyncio.to_thread(np.copyto, target, source)

    async def _read_boxful(
        self,
        group: list[Corner],
        missing: dict[Corner, Miss],
        expected: dict[Corner, asyncio.Future[bytes | None]],
    ) -> bytes:
        """The bytes of a boxful of blocks, which are stored beside."""
        try:
            async with self._turns:
                box = around(group, self._block)
                data = await self.region(box)
            cut = await asyncio.to_thread(self._cut, data, box, group)
            for index, body in cut:
                if missing[index].key:
                    self._errand.parts.keep(missing[index], body)
                if index in expected:
                    expected[index].set_result(body)
        finally:
            for index in group:
                if index in expected and not expected[index].done():
                    expected[index].set_result(None)
        return data

    async def region(self, box: Box) -> bytes:
        """The voxels of a box in one read. Raises `RefusedError`, and faults."""
        source = self._source
        reply = await self._errand.obtain(self._errand.hidden.region, source.params(box))
        data = reply.body.data
        wanted = box.voxels * source.voxels.size
        if len(data) != wanted:
            # A service that fails late appends its error to what came before.
            tail = data[wanted:][:200].decode("utf-8", "replace") if len(data) > wanted else ""
            raise UpstreamBroken(
                f"The service {self._errand.service.qualified!r} gave {len(data)} bytes of {source.instance.name!r} where "
                f"{wanted} were asked for{': ' + tail.strip() if tail else ''}. Nothing of it was stored."
            )
        return data

    def _cut(self, data: bytes, box: Box, group: list[Corner]) -> list[tuple[Corner, bytes]]:
        """The blocks of what was read."""
        if len(group) == 1:
            return [(group[0], data)]
        read = np.frombuffer(data, self._source.voxels.unit).reshape(box.shape)
        return [(index, read[box_of_block(index, self._block).within(box)].tobytes()) for index in group]

    async def _paste_all(
        self, out: np.ndarray[Any, Any], slab: Box, found: list[tuple[Corner, bytes]]
    ) -> None:
        if sum(len(body) for _, body in found) < _SMALL:
            self._paste(out, slab, found)
        else:
            await asyncio.to_thread(self._paste, out, slab, found)

    def _paste(self, out: np.ndarray[Any, Any], slab: Box, found: list[tuple[Corner, bytes]]) -> None:
        for index, body in found:
            whole = box_of_block(index, self._block)
            part = whole.meets(slab)
            block = np.frombuffer(body, self._source.voxels.unit).reshape(self._block)
            out[part.within(slab)] = block[part.within(whole)]


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
