"""The disk tier of several processes: nothing that a killed one leaves is served, and one sweeps at a time."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from hashlib import blake2b
from pathlib import Path

from disks import Disk, body_of, entry_of, key_of, on_disk, until
from msgspec.structs import replace

from gateway.core.verdict import Extent
from gateway.tiers.spool_file import SpoolFile
from gateway.tiers.sweeper import sweep
from gateway.tiers.usage import Usage, taken

ROOT = Path(__file__).parents[2]
SIZES = (10, 3000, 70_000, 300_000)
WRITER = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, "tests/tiers")
from test_disk_processes import write
asyncio.run(write(Path(sys.argv[1]), *map(int, sys.argv[2:])))
"""


def body(number: int) -> bytes:
    """What the entry of this number holds."""
    seed = blake2b(b"%d" % number).digest()
    return (seed * (SIZES[number % 4] // 64 + 1))[: SIZES[number % 4]]


async def write(state: Path, seed: int, size: int = 1 << 30) -> None:
    """Store for ever, by spools and without, one over the other."""
    disk = Disk(state, size)
    disk.tier.start()
    pick = random.Random(seed)
    print("begun", flush=True)
    while True:
        await asyncio.sleep(0)  # what is refused is refused at once, and the sweeper needs a turn
        number = pick.randrange(400)
        entry = entry_of(f"n{number}", body(number))
        if number % 3 == 0:
            spool = SpoolFile(disk.root / "tmp")
            spool.add(entry.body)
            entry = replace(entry, body=b"", extent=Extent(spool, 0, spool.size))
        await disk.tier.put(entry)


@contextmanager
def child(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that says a line when it is under way, and is killed at any moment after."""
    process = subprocess.Popen(
        [sys.executable, "-c", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


async def test_after_kills_at_any_moment_every_entry_that_is_left_is_whole_and_leftovers_go(tmp_path):
    (tmp_path / "cache" / "tmp").mkdir(parents=True)
    for turn in range(4):
        disk = Disk(tmp_path)
        before = disk.tier.used
        with child(WRITER, str(tmp_path), str(turn)), child(WRITER, str(tmp_path), str(turn + 100)):
            await until(lambda: disk.tier.used > before)  # noqa: B023 - it is asked in this turn
            await until(lambda: len(disk.files()) > 20 + 20 * turn)  # noqa: B023
        found = {number: body_of(await disk.tier.get(key_of(f"n{number}"))) for number in range(400)}
        whole = {number for number, data in found.items() if data is not None}
        assert all(found[number] == body(number) for number in whole)
        assert len(whole) == len(disk.files())  # each of them is whole
        assert disk.tier.counts["corrupt"] == 0
        disk.tier._sweep(None)
        assert disk.unfinished() == []
        assert (len(disk.tier), disk.tier.used) == (
            len(whole),
            sum(taken(file.stat().st_size) for file in disk.files()),
        )
        await disk.close()


async def test_the_size_holds_for_all_processes_together(tmp_path):
    (tmp_path / "cache" / "tmp").mkdir(parents=True)
    size, processes = 4 << 20, 3
    disk = Disk(tmp_path, size)
    with ExitStack() as running:
        for seed in range(processes):
            running.enter_context(child(WRITER, str(tmp_path), str(seed), str(size)))
        await until(lambda: disk.tier.used > size * 3 // 4)
        most = 0
        for _ in range(100):
            most = max(most, on_disk(disk))
            await asyncio.sleep(0.01)
    # What each is writing at that moment comes on top.
    assert size // 2 < most <= size * 17 // 16 + processes * taken(max(SIZES) + 2000)
    disk.tier._sweep(None)
    assert on_disk(disk) == disk.tier.used <= size
    await disk.close()


async def test_what_a_living_process_has_not_finished_is_not_swept(tmp_path):
    disk = Disk(tmp_path)
    (disk.root / "tmp").mkdir()
    mine = SpoolFile(disk.root / "tmp")
    mine.add(b"some of it")
    with child("print()") as process:
        pass
    dead = disk.root / "tmp" / f"{process.pid}-killed"
    begun = disk.root / "tmp" / f"{os.getpid()}-made-and-not-locked-yet"
    for path in (dead, begun, disk.root / "tmp" / "rubbish"):
        path.write_bytes(b"half of someth")
    disk.tier._sweep(None)
    assert set(disk.unfinished()) == {mine.path, begun}
    os.utime(begun, (0, 0))
    disk.now = 4000.0  # whoever had this number is long gone
    disk.tier._sweep(None)
    assert disk.unfinished() == [mine.path]
    del mine
    assert disk.unfinished() == []
    await disk.close()


SWEEPER = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
print("sweeping", flush=True)
sys.stdin.read()
"""


def test_of_many_processes_one_sweeps_and_a_killed_sweeper_is_followed_by_another(tmp_path):
    usage = Usage(tmp_path / "usage")
    with child(SWEEPER, str(tmp_path / "sweeper")):
        assert sweep(tmp_path, usage, 1000, 0.0) is None
    assert sweep(tmp_path, usage, 1000, 0.0) == 0
    usage.close()


def test_numbers_that_somebody_has_written_over_are_set_right_by_the_next_sweep(tmp_path):
    usage = Usage(tmp_path / "usage")
    folder = tmp_path / "entries" / "jobs" / "ab"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / str(number)).write_bytes(bytes(5000))
    for rubbish in (bytes(16), b"\xff" * 16, b"\x7f" * 16, os.urandom(16)):
        (tmp_path / "usage").write_bytes(rubbish)
        assert sweep(tmp_path, usage, 1 << 20, 0.0) == 0
        assert (usage.bytes, usage.entries) == (3 * 8192, 3)
    usage.close()
