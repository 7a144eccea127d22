"""Cutouts are what numpy cuts out, whatever is stored, on its way, or cut out beside them; and each block is read once."""

import asyncio
import json
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import keys
from gateway.core.faults import UpstreamUnreachable
from gateway.core.principal import ANONYMOUS
from gateway.core.reply import Reply, Whole, in_memory
from gateway.core.service import Service
from gateway.core.verdict import Entry, Hit, Miss, pass_for
from gateway.dialects.dvid import cutouts, stored
from gateway.dialects.dvid.asking import Errand, Hidden
from gateway.dialects.dvid.cutouts import Cutout
from gateway.dialects.dvid.geometry import Box, Voxels, block_shape, blocks, box_of_block
from gateway.dialects.dvid.repos import Instance, Node, Repo
from gateway.dialects.dvid.stored import Coming, Source

SERVICE = Service("dvid", "dvid", ("http://127.0.0.1:1",))
HIDDEN = Hidden(SERVICE)
ROOT = Node("a" * 32, 1, True, "", "", (), (), (), "", "")
GRAY = Instance("gray", "uint64blk", "d" * 32, True, {}, {}, {})
VOXELS = Voxels("uint64", 1)
FIRST = (-100, -100, -300)
VOLUME = np.random.default_rng(1).integers(0, 1 << 60, (300, 300, 600), np.uint64)
WORLD = Box(FIRST, tuple(a + n for a, n in zip(FIRST, VOLUME.shape, strict=True)))


class Parts:
    """Where voxels come from, and where blocks are kept; a read gives way `turns` times, and fails where it is told to."""

    def __init__(self, turns=1, fails=(), far=True):
        self.memory = {}
        self.reads = 0
        self.kept = Counter()
        self.turns = turns
        self.fails = set(fails)
        self.far = far

    def judge(self, call):
        key = keys.key(call, call.method.cache)
        entry = self.memory.get(key)
        return Miss(key, (), 0, call.method.cache, "not stored") if entry is None else Hit(entry)

    def may_recall(self, missing):
        return self.far

    async def recall(self, missing):
        await asyncio.sleep(0)

    def keep(self, missing, body):
        self.kept[missing.key] += 1
        self.memory[missing.key] = Entry(missing.key, "result", body, 0.0, 1.0, 1.0, 0, ())
        return True

    async def obtain(self, call):
        asked = json.loads(call.ask.raw)
        number, self.reads = self.reads, self.reads + 1
        for _ in range(self.turns):
            await asyncio.sleep(0)
        if number in self.fails:
            raise UpstreamUnreachable("it is gone")
        size, start = ([int(one) for one in asked[name].split("_")][::-1] for name in ("size", "offset"))
        box = Box(tuple(start), tuple(a + n for a, n in zip(start, size, strict=True)))
        made = in_memory(cut_up(box, asked["cut"]))
        return Reply("result", Whole(b""), pass_for("trip"), composed=made)


def cut_up(box, block):
    """The blocks of a box, as DVID's dialect has them of a read."""
    for index in blocks(box, tuple(block)):
        yield memoryview(voxels(box_of_block(index, block)).tobytes())


def voxels(box):
    """What a box holds; outside of the volume there is nothing."""
    out = np.zeros(box.shape, np.uint64)
    low = tuple(max(a, b) for a, b in zip(box.start, WORLD.start, strict=True))
    high = tuple(min(a, b) for a, b in zip(box.stop, WORLD.stop, strict=True))
    if all(a < b for a, b in zip(low, high, strict=True)):
        common = Box(low, high)
        out[common.within(box)] = VOLUME[common.within(WORLD)]
    return out


async def cut(parts, box, coming, *, kept=True, in_blocks=False):
    """A cutout, as an array."""
    errand = Errand("1", ANONYMOUS, 1e9, SERVICE, parts, HIDDEN)
    repo = Repo(ROOT.uuid, {"DAG": {"Nodes": {}}})
    made, _ = await Cutout(errand, Source(repo, ROOT, GRAY, VOXELS, 0, kept), box, coming).composed()
    if in_blocks and made.blocks is not None:
        return await put_in_place(made)
    data = b"".join([bytes(piece) async for piece in made.pieces])
    return np.frombuffer(data, made.dtype).reshape(made.shape)


async def put_in_place(made):
    """The array of what comes block by block."""
    data = b"".join([bytes(piece) async for piece in made.blocks.pieces])
    assert len(data) == made.length
    out, at = np.empty(made.shape, made.dtype), 0
    edges = [
        [n for n in range(first, first + size + 1) if n in (first, first + size) or n % block == 0]
        for first, size, block in zip(made.blocks.start, made.shape, made.blocks.block, strict=True)
    ]
    for corner in product(*(pairwise(along) for along in edges)):
        place = tuple(
            slice(a - first, b - first) for (a, b), first in zip(corner, made.blocks.start, strict=True)
        )
        voxels = out[place]
        voxels[...] = np.frombuffer(data, made.dtype, voxels.size, at).reshape(voxels.shape)
        at += voxels.nbytes
    return out


corners = st.tuples(*[st.integers(-150, 150)] * 3)
sides = st.tuples(st.integers(1, 140), st.integers(1, 140), st.integers(1, 200))
boxes = st.builds(lambda at, n: Box(at, tuple(a + b for a, b in zip(at, n, strict=True))), corners, sides)


@settings(max_examples=30)
@given(st.lists(boxes, min_size=1, max_size=3), st.booleans(), st.booleans(), st.booleans(), st.booleans())
def test_cutouts_one_after_the_other_or_at_once_are_what_numpy_cuts_out_and_no_block_is_kept_twice(
    wanted, at_once, kept, in_blocks, far
):
    async def main():
        parts, coming = Parts(far=far), Coming()
        asked = [cut(parts, box, coming, kept=kept, in_blocks=in_blocks) for box in wanted]
        found = await asyncio.gather(*asked) if at_once else [await one for one in asked]
        for box, array in zip(wanted, found, strict=True):
            assert (array == voxels(box)).all()
        assert all(count == 1 for count in parts.kept.values())
        assert bool(parts.kept) is kept
        assert not coming._blocks

    asyncio.run(main())


@settings(max_examples=30)
@given(boxes, st.sets(st.integers(0, 5), max_size=3))
def test_a_read_that_fails_is_nobody_elses_failure(box, fails):
    async def main():
        parts, coming = Parts(turns=3, fails=fails), Coming()
        found = await asyncio.gather(*(cut(parts, box, coming) for _ in range(3)), return_exceptions=True)
        for one in found:
            assert isinstance(one, UpstreamUnreachable) or (one == voxels(box)).all()
        assert sum(isinstance(one, UpstreamUnreachable) for one in found) <= len(fails)
        assert (await cut(Parts(), box, coming) == voxels(box)).all()
        assert not coming._blocks

    asyncio.run(main())


async def test_blocks_are_given_as_they_are_where_most_of_them_is_wanted_and_rows_else():
    edge = block_shape(VOXELS)
    parts, coming = Parts(), Coming()
    errand = Errand("1", ANONYMOUS, 1e9, SERVICE, parts, HIDDEN)
    source = Source(Repo(ROOT.uuid, {"DAG": {"Nodes": {}}}), ROOT, GRAY, VOXELS)

    async def made(box):
        return (await Cutout(errand, source, box, coming).composed())[0].blocks

    whole = await made(Box((0, 0, 0), (edge[0], edge[1], 2 * edge[2])))
    stored = [entry.body.obj for entry in parts.memory.values()]
    given = [piece.obj async for piece in whole.pieces]
    assert len(given) == 2
    assert all(any(one is body for body in stored) for one in given)
    assert await made(Box((1, 1, 1), edge)) is not None
    assert (
        await made(Box((1, 1, 1), (edge[0] + 1, edge[1] + 1, edge[2] + 1))) is None
    )  # an eighth of eight blocks
    assert await made(Box((0, 0, 0), (4, 4, 4))) is None


async def test_blocks_come_in_their_order_whichever_of_them_were_there_before():
    z, y, x = block_shape(VOXELS)
    parts, coming = Parts(), Coming()
    await cut(parts, Box((0, 0, x), (z, y, 2 * x)), coming)
    box = Box((0, 0, 0), (2 * z, y, 2 * x))
    assert (await cut(parts, box, coming, in_blocks=True) == voxels(box)).all()
    assert all(count == 1 for count in parts.kept.values())


async def test_cutouts_that_find_a_block_missing_in_the_same_moment_read_it_once():
    parts, coming = Parts(turns=5), Coming()
    edge = block_shape(VOXELS)
    await asyncio.gather(*(cut(parts, Box((0, 0, 0), edge), coming) for _ in range(20)))
    assert parts.reads == 1


@pytest.mark.parametrize("first_on_its_way", [True, False])
async def test_a_block_that_comes_while_the_tiers_are_asked_for_its_neighbour_is_not_read_again(
    first_on_its_way,
):
    parts, coming = Parts(turns=5), Coming()
    edge = block_shape(VOXELS)
    looking, may_end = asyncio.Event(), asyncio.Event()

    class Slow(Parts):
        """The same blocks, by way of tiers that take as long as they are told to."""

        async def recall(self, missing):
            looking.set()
            await may_end.wait()

    slow = Slow()
    slow.memory, slow.kept, slow.obtain = parts.memory, parts.kept, parts.obtain
    both = Box((0, 0, 0), (edge[0], edge[1], 2 * edge[2]))
    one = asyncio.create_task(cut(parts, Box((0, 0, 0), edge), coming))
    while first_on_its_way and not coming._blocks:
        await asyncio.sleep(0)
    two = asyncio.create_task(cut(slow, both, coming))
    if not first_on_its_way:
        one.cancel()
        await looking.wait()
        one = asyncio.create_task(cut(parts, Box((0, 0, 0), edge), coming))
    await looking.wait()
    await one
    may_end.set()
    assert (await two == voxels(both)).all()
    assert parts.reads == 2
    assert all(count == 1 for count in parts.kept.values())


async def test_who_leaves_before_a_read_began_keeps_nobody_waiting():
    for turns in range(12):
        parts, coming = Parts(turns=5), Coming()
        box = Box((0, 0, 0), (64, 64, 64))
        first = asyncio.create_task(cut(parts, box, coming))
        for _ in range(turns):
            await asyncio.sleep(0)
        second = asyncio.create_task(cut(parts, box, coming))
        await asyncio.sleep(0)
        first.cancel()
        async with asyncio.timeout(5):
            assert (await second == voxels(box)).all()
        await asyncio.wait((first,))
        assert first.cancelled() or (first.result() == voxels(box)).all()
        assert not coming._blocks


async def test_blocks_of_another_shape_are_not_taken_for_those_of_this_one(monkeypatch):
    box = Box((0, 0, 0), (64, 64, 128))
    parts, coming = Parts(), Coming()
    for shape in ((64, 64, 128), (64, 64, 64)):
        for module in (cutouts, stored):
            monkeypatch.setattr(module, "block_shape", lambda _, shape=shape: shape)
        assert (await cut(parts, box, coming) == voxels(box)).all()
    assert len(parts.memory) == 3


async def test_tiers_are_asked_for_no_block_that_they_cannot_have():
    parts = Parts(far=False)

    async def recall(missing):
        pytest.fail("it was asked for")

    parts.recall = recall
    box = Box((0, 0, 0), (64, 64, 64))
    assert (await cut(parts, box, Coming()) == voxels(box)).all()
