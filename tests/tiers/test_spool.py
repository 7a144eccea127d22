"""The spool: a body that passes is kept whole or not at all, and nobody waits for a disk."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from disks import until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.verdict import Extent
from gateway.tiers.spool import BEHIND, IN_MEMORY, LOST, MemorySpool, TieredSpool
from gateway.tiers.spool_file import SpoolFolder


@pytest.fixture
def folder(tmp_path):
    executor = ThreadPoolExecutor(1)
    yield SpoolFolder(tmp_path / "tmp", executor, lambda error: None)
    executor.shutdown()


def whole(kept: bytes | Extent | None) -> bytes | None:
    if not isinstance(kept, Extent):
        return kept
    assert kept.offset == 0
    return os.pread(kept.file.fileno(), kept.length, 0)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, 400_000), max_size=20), most=st.integers(0, 4 << 20))
async def test_what_was_written_is_what_is_kept_or_nothing_if_it_is_longer_than_allowed(folder, sizes, most):
    pieces = [os.urandom(1) * size for size in sizes]
    for spool in (TieredSpool(folder, most), MemorySpool(most)):
        taken = [spool.write(piece) for piece in pieces]
        kept = whole(await spool.seal())
        assert kept == (b"".join(pieces) if sum(sizes) <= most else None)
        assert all(taken) == (sum(sizes) <= most)


async def test_a_short_body_makes_no_file_and_a_long_one_does(folder):
    short, long = TieredSpool(folder, 1 << 30), TieredSpool(folder, 1 << 30)
    short.write(bytes(IN_MEMORY))
    for _ in range(9):
        long.write(bytes(IN_MEMORY // 4))
    assert isinstance(await short.seal(), bytes)
    kept = await long.seal()
    assert isinstance(kept, Extent)
    assert len(list(folder.path.iterdir())) == 1
    del kept, long
    assert list(folder.path.iterdir()) == []


async def test_a_body_that_is_not_wanted_leaves_no_file_whenever_that_is_said(folder):
    for after in range(4):
        spool = TieredSpool(folder, 1 << 30)
        for _ in range(8):
            spool.write(bytes(IN_MEMORY))
            for _ in range(after):
                await asyncio.sleep(0.001)
        spool.discard()
        assert not spool.write(b"more")
        assert await spool.seal() is None
    await until(lambda: list(folder.path.iterdir()) == [])


async def test_a_disk_that_is_slower_than_the_stream_asks_for_patience_and_then_gives_the_body_up(folder):
    held = threading.Event()
    folder.executor.submit(held.wait)
    told: list[bool] = []
    spool = TieredSpool(folder, 1 << 30, told.append)
    piece = bytes(1 << 20)
    for _ in range(BEHIND >> 20):
        assert spool.write(piece)
    assert told == []
    assert spool.write(piece)
    assert told == [True]
    held.set()
    await until(lambda: told == [True, False])
    assert whole(await spool.seal()) == piece * ((BEHIND >> 20) + 1)

    held.clear()
    folder.executor.submit(held.wait)
    deaf = TieredSpool(folder, 1 << 30)
    assert all(deaf.write(piece) for _ in range(LOST >> 20))
    assert not deaf.write(piece)
    held.set()
    assert await deaf.seal() is None


async def test_a_folder_that_cannot_be_made_gives_the_body_up_and_says_why(tmp_path, folder):
    (tmp_path / "tmp").write_bytes(b"a file where a folder should be")
    failures: list[OSError] = []
    spool = TieredSpool(SpoolFolder(tmp_path / "tmp", folder.executor, failures.append), 1 << 30)
    for _ in range(3):
        spool.write(bytes(IN_MEMORY))
    assert await spool.seal() is None
    assert len(failures) == 1


# --- read meanwhile


class Reader:
    """Somebody who reads a spool from a place on, and has found this so far."""

    def __init__(self, spool, at: int = 0) -> None:
        self.spool, self.begin, self.at, self.found = spool, at, at, b""

    def read(self, most: int = 100_000) -> bool:
        """What comes next; whether there was anything."""
        parts = self.spool.since(self.at, most)
        for part in parts:
            self.found += whole(part) if not isinstance(part, Extent) else _of_file(part)
        self.at = self.begin + len(self.found)
        return bool(parts)


def _of_file(part: Extent) -> bytes:
    return os.pread(part.file.fileno(), part.length, part.offset)


STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "read", "turn", "join", "forget"]), st.integers(0, 600_000)),
    max_size=60,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=STEPS,
    most=st.sampled_from([0, 500_000, 2 << 20, 1 << 30]),
    tiered=st.booleans(),
    fails=st.booleans(),
)
async def test_who_reads_meanwhile_gets_every_byte_in_order_whether_it_is_kept_or_not(
    folder, steps, most, tiered, fails
):
    broken = SpoolFolder(folder.path, folder.executor, lambda error: None)
    if fails:
        broken.add = lambda file, pieces: False  # type: ignore[method-assign]
    spool = TieredSpool(broken, most) if tiered else MemorySpool(most)
    spool.share()
    readers, written = [Reader(spool)], b""
    for what, size in steps:
        match what:
            case "write":
                piece = os.urandom(1) * size
                written += piece
                spool.write(piece)
            case "read":
                readers[size % len(readers)].read(size + 1)
            case "turn":
                await asyncio.sleep(0.001)
            case "join":
                readers.append(Reader(spool, max(one.at for one in readers)))
            case "forget":
                spool.forget(min(one.at for one in readers))
    kept = await spool.seal()
    for one in readers:
        while one.read():
            pass
        assert one.found == written[one.begin :]
    assert whole(kept) in (None, written)


@pytest.mark.parametrize("tiered", [True, False])
async def test_of_what_is_not_kept_and_was_read_nothing_stays_in_memory(folder, tiered):
    spool = TieredSpool(folder, 1 << 20) if tiered else MemorySpool(1 << 20)
    spool.share()
    for at in range(64):
        spool.write(bytes(1 << 20))
        spool.forget(at << 20)
        await asyncio.sleep(0.001)
    assert sum(map(len, spool._pieces)) <= 2 << 20
