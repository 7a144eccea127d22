"""The disk tier: what was stored comes back after a restart too, what was altered never, and no trouble reaches a caller."""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from io import FileIO
from pathlib import Path

import pytest
from disks import Disk, body_of, entry_of, key_of, on_disk, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.verdict import Extent
from gateway.tiers import stored_form
from gateway.tiers.memory import MemoryTier
from gateway.tiers.spool_file import SpoolFile
from gateway.tiers.usage import taken

ROOT = Path(__file__).parents[2]
LARGE = bytes(range(256)) * 1024


@pytest.fixture
async def disk(tmp_path: Path):
    disk = Disk(tmp_path)
    yield disk
    await disk.close()


@pytest.mark.parametrize("body", [b"", b"1", b"text " * 5000, os.urandom(stored_form.SMALL), LARGE])
async def test_what_is_stored_is_what_memory_would_have(disk, body):
    entry, memory = entry_of("a", body), MemoryTier(1 << 30)
    assert await disk.tier.put(entry)
    memory.put(entry.key, entry)
    found, known = await disk.tier.get(entry.key), memory.get(entry.key)
    assert body_of(found) == body
    assert replace(found, body=b"", extent=None) == replace(known, body=b"")
    assert (found.extent is None) == (len(body) <= stored_form.SMALL)


async def test_entries_outlive_a_restart(disk, tmp_path):
    await disk.tier.put(entry_of("a", b"small"))
    await disk.tier.put(entry_of("b", LARGE))
    await disk.tier.close()
    disk.generations.close()
    again = Disk(tmp_path)
    assert body_of(await again.tier.get(key_of("a"))) == b"small"
    assert body_of(await again.tier.get(key_of("b"))) == LARGE
    assert (len(again.tier), again.tier.used) == (2, taken(1) + taken(len(LARGE) + 1))
    await again.close()


async def test_a_key_has_what_was_stored_last_and_nothing_once_it_was_dropped(disk):
    await disk.tier.put(entry_of("a", b"1"))
    await disk.tier.put(entry_of("a", b"2"))
    await disk.tier.put(entry_of("b", b"3"))
    assert body_of(await disk.tier.get(key_of("a"))) == b"2"
    assert len(disk.tier) == 2
    await disk.tier.drop(key_of("a"))
    await disk.tier.drop(key_of("never stored"))
    assert await disk.tier.get(key_of("a")) is None
    assert body_of(await disk.tier.get(key_of("b"))) == b"3"
    assert (len(disk.tier), disk.tier.used) == (1, taken(1))


async def test_a_service_may_have_entries_once_one_was_stored_by_anybody(disk, tmp_path):
    assert not disk.tier.may_have("jobs")
    other = Disk(tmp_path)
    await other.tier.put(entry_of("a", b"1"))
    await other.tier.put(entry_of("a", b"1", service="fly1/cg"))
    assert not disk.tier.may_have("jobs")  # it was looked at a moment ago
    disk.now += 2
    assert disk.tier.may_have("jobs")
    assert disk.tier.may_have("fly1/cg")
    assert not disk.tier.may_have("cg")
    await other.close()


async def test_clearing_a_service_leaves_the_others(disk):
    for service in ("jobs", "files", "fly1/files"):
        await disk.tier.put(entry_of("a", b"1", service=service))
    await disk.tier.clear("files")
    found = [await disk.tier.get(key_of("a", service)) for service in ("jobs", "files", "fly1/files")]
    assert [one is not None for one in found] == [True, False, True]
    assert len(disk.tier) == 2
    await disk.tier.clear()
    assert (disk.files(), len(disk.tier), disk.tier.used) == ([], 0, 0)
    assert disk.unfinished() == []


async def test_entries_of_a_service_with_other_settings_are_void(disk, tmp_path):
    await disk.tier.put(entry_of("a", b"1"))
    await disk.tier.put(entry_of("a", b"1", service="files"))
    other = Disk(tmp_path, under={"jobs": b"another address"})
    assert await other.tier.get(key_of("a")) is None
    assert await other.tier.get(key_of("a", "files")) is not None
    await other.close()


async def test_entries_of_another_file_of_generations_are_void(disk, tmp_path):
    await disk.tier.put(entry_of("a", b"1"))
    disk.generations.close()
    (tmp_path / "generations").unlink()
    other = Disk(tmp_path)
    assert await other.tier.get(key_of("a")) is None
    assert other.files() == []
    await other.close()


async def test_after_a_loss_of_power_tagged_entries_are_void_and_others_live(disk):
    await disk.tier.put(entry_of("a", b"1", generations=(1, 1)))
    await disk.tier.put(entry_of("b", b"1", generations=(1, 1, 1)))
    disk.generations._map[32:48] = bytes(16)  # as after a start of the machine that was not expected
    assert await disk.tier.get(key_of("a")) is not None
    assert await disk.tier.get(key_of("b")) is None


@pytest.mark.parametrize("body", [b"small", LARGE])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_a_file_that_was_altered_or_cut_anywhere_is_never_served_and_goes(disk, caplog, body, data):
    entry = entry_of("a", body)
    await disk.tier.put(entry)
    if data.draw(st.booleans()):  # it was read and found good before
        assert body_of(await disk.tier.get(entry.key)) == body
    [file] = disk.files()
    content = bytearray(file.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    file.write_bytes(content)
    corrupt = disk.tier.counts["corrupt"]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "labgate.tiers"):
        assert await disk.tier.get(entry.key) is None
        assert await disk.tier.get(entry.key) is None
    assert disk.files() == []
    assert disk.tier.counts["corrupt"] == corrupt + 1
    assert len(caplog.records) == 1


async def test_an_entry_under_the_name_of_another_is_never_served(disk):
    await disk.tier.put(entry_of("a", b"1"))
    await disk.tier.put(entry_of("b", b"2"))
    one, other = (disk.tier._files.path(key_of(name)) for name in "ab")
    other.write_bytes(one.read_bytes())
    assert await disk.tier.get(key_of("b")) is None
    assert body_of(await disk.tier.get(key_of("a"))) == b"1"


async def test_what_was_used_least_recently_goes_first_and_the_size_holds(tmp_path):
    disk = Disk(tmp_path, size=100 * taken(1))
    disk.tier.start()
    for number in range(100):
        disk.now += 10
        await disk.tier.put(entry_of(f"n{number}", b"x"))
    disk.now += 100
    for number in range(10):  # the oldest ones are used once more
        assert await disk.tier.get(key_of(f"n{number}")) is not None
    for number in range(100, 106):
        disk.now += 10
        while not await disk.tier.put(entry_of(f"n{number}", b"x")):
            await until(lambda: disk.tier.used <= 100 * taken(1))
        assert on_disk(disk) <= 106 * taken(1)
    await until(lambda: disk.tier.counts["removed"] > 0)
    assert on_disk(disk) <= 100 * taken(1)
    left = {number for number in range(106) if await disk.tier.get(key_of(f"n{number}")) is not None}
    assert left >= {*range(10), *range(100, 106)}
    assert not left & set(range(10, 20))
    await disk.close()


async def test_the_size_holds_under_load_within_what_is_said(tmp_path):
    disk = Disk(tmp_path, size=1 << 20)
    disk.tier.start()
    for number in range(1500):
        disk.now += 0.1
        if not await disk.tier.put(entry_of(f"n{number}", b"x" * 3000)):
            await until(lambda: disk.tier.used <= 1 << 20)
        if number % 20 == 0:
            assert on_disk(disk) <= (1 << 20) * 17 // 16 + 2 * taken(4000)
    assert disk.tier.counts["stored"] > 1000
    await disk.tier.put(entry_of("last", b"x"))
    await until(lambda: disk.tier.used <= 1 << 20)
    await disk.tier._sweepers.close()
    disk.tier._sweep(None)  # nobody stores meanwhile: what is said is exact
    assert on_disk(disk) == disk.tier.used
    assert len(disk.files()) == len(disk.tier)
    await disk.close()


async def test_an_entry_larger_than_a_quarter_of_the_tier_is_not_stored(tmp_path):
    disk = Disk(tmp_path, size=1 << 20)
    assert not await disk.tier.put(entry_of("a", b"x" * (300 << 10)))
    assert disk.tier.status()["refused"] == 1
    await disk.close()


async def test_a_large_entry_is_renewed_by_a_copy_of_its_file_and_what_was_altered_is_not_made_good_by_it(
    disk,
):
    await disk.tier.put(entry_of("a", LARGE))
    old = await disk.tier.get(key_of("a"))
    assert await disk.tier.put(replace(old, fresh_until=9000.0))
    new = await disk.tier.get(key_of("a"))
    assert (body_of(new), new.fresh_until, body_of(old)) == (LARGE, 9000.0, LARGE)
    assert (len(disk.tier), disk.unfinished()) == (1, [])
    with disk.files()[0].open("r+b") as file:
        file.seek(1000)
        file.write(bytes((LARGE[1000] ^ 1,)))
    assert await disk.tier.put(replace(new, fresh_until=9500.0))
    assert await disk.tier.get(key_of("a")) is None
    assert disk.tier.counts["corrupt"] == 1


async def test_a_body_in_a_file_that_is_no_entrys_is_not_stored(disk, tmp_path):
    (tmp_path / "other").write_bytes(LARGE)
    with FileIO(str(tmp_path / "other")) as file:
        assert not await disk.tier.put(replace(entry_of("a", b""), extent=Extent(file, 0, len(LARGE))))
    assert (disk.files(), disk.unfinished()) == ([], [])


async def test_what_is_pinned_goes_after_everything_that_is_not(tmp_path):
    disk = Disk(tmp_path, size=100 * taken(1))
    for number in range(104):
        disk.now += 10
        await disk.tier.put(replace(entry_of(f"n{number}", b"x"), pin=number < 30))
    disk.tier._sweep(None)
    left = {number for number in range(104) if await disk.tier.get(key_of(f"n{number}")) is not None}
    assert left >= {*range(30), *range(60, 104)}
    assert not left & set(range(30, 40))
    await disk.close()


async def test_a_small_entry_that_serves_for_moments_is_not_worth_a_file_and_a_large_one_is(disk):
    for body, stored in ((b"1", False), (LARGE, True)):
        entry = replace(entry_of("a", body), fresh_until=1001.0, stale_until=1002.0)
        assert await disk.tier.put(entry) == stored


async def test_a_spools_file_is_taken_over_and_not_copied(disk):
    (disk.root / "tmp").mkdir()
    file = SpoolFile(disk.root / "tmp")
    file.add(LARGE)
    inode = os.fstat(file.fileno()).st_ino
    entry = replace(entry_of("a", b""), extent=Extent(file, 0, len(LARGE)))
    assert await disk.tier.put(entry)
    [stored] = disk.files()
    assert stored.stat().st_ino == inode
    assert body_of(await disk.tier.get(entry.key)) == LARGE
    assert body_of(entry) == LARGE  # whoever still reads from it goes on
    del file, entry
    assert (disk.unfinished(), len(disk.files())) == ([], 1)


async def test_a_folder_that_vanished_is_made_again(disk):
    await disk.tier.put(entry_of("a", b"1"))
    shutil.rmtree(disk.root)
    assert await disk.tier.get(key_of("a")) is None
    assert await disk.tier.put(entry_of("a", b"2"))
    assert body_of(await disk.tier.get(key_of("a"))) == b"2"


async def test_trouble_with_the_disk_is_said_once_until_it_is_over(disk, caplog):
    (disk.root / "entries").write_bytes(b"a file where a folder should be")
    with caplog.at_level(logging.INFO, "labgate.tiers"):
        for number in range(5):
            assert not await disk.tier.put(entry_of(f"n{number}", b"1"))
            assert await disk.tier.get(key_of(f"n{number}")) is None
            disk.now += 10
    told = [record.getMessage() for record in caplog.records if "stores nothing" in record.getMessage()]
    assert len(told) == 1
    assert disk.tier.status()["trouble"]
    (disk.root / "entries").unlink()
    assert await disk.tier.put(entry_of("a", b"1"))
    assert disk.tier.status()["trouble"] is None
    assert disk.unfinished() == []


HARD_UP = """
import asyncio, json, os, resource, sys
from pathlib import Path
sys.path.insert(0, "tests/tiers")
from disks import Disk, body_of, entry_of, key_of

def close_folders(state):
    for folder, _, files in os.walk(state):
        os.chmod(folder, 0o555)
        if os.getuid() == 0:  # whom no mode keeps out: go on as somebody whom it does
            for path in (folder, *(os.path.join(folder, file) for file in files)):
                os.chown(path, 65534, 65534)
    if os.getuid() == 0:
        os.setuid(65534)

async def main(how, state):
    disk = Disk(Path(state))
    assert await disk.tier.put(entry_of("before", b"1"))
    if how == "full":
        sys.dont_write_bytecode = True  # else Python leaves its own files cut, too
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    else:
        close_folders(state)
    stored = [await disk.tier.put(entry_of(name, os.urandom(50_000))) for name in "ab"]
    found = body_of(await disk.tier.get(key_of("before")))
    print(json.dumps([stored, found.decode(), disk.tier.trouble, len(disk.unfinished()), len(disk.tier)]))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("how", "trouble"),
    [("full", "files may not be so large"), ("read-only", "the folder may not be written")],
)
def test_a_disk_that_takes_no_more_stores_nothing_and_still_answers(how, trouble):
    state = Path(tempfile.mkdtemp())
    try:
        words = [sys.executable, "-c", HARD_UP, how, str(state)]
        done = subprocess.run(words, cwd=ROOT, capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout) == [[False, False], "1", trouble, 0, 1]
    finally:
        for folder, _, _ in os.walk(state):
            Path(folder).chmod(0o700)
        shutil.rmtree(state)
