"""The farther tiers, in their order: the nearest answers, none is waited for too long, storing is in nobody's way."""

import asyncio

from disks import Disk, entry_of

from gateway.tiers.shelves import UNDER_WAY, Shelves


class Slow:
    """A tier that answers when the test lets it."""

    def __init__(self, name: str, *, has: bool = True) -> None:
        self.name = name
        self.has = has
        self.asked = 0
        self.stored: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()

    def may_have(self, service):
        return self.has

    async def get(self, key, sought=None):
        self.asked += 1
        await self.open.wait()
        return entry_of("a", self.name.encode()) if self.has else None

    async def put(self, entry):
        await self.open.wait()
        self.stored.append(entry.key)
        return True

    async def drop(self, key):
        self.stored.remove(key)


async def test_the_nearest_tier_that_has_an_entry_gives_it():
    empty, near, far = Slow("empty", has=False), Slow("near"), Slow("far")
    entry, name = await Shelves((empty, near, far)).get(b"k")
    assert (entry.body, name, far.asked) == (b"near", "near", 0)
    assert await Shelves((empty,)).get(b"k") is None
    assert not Shelves((empty,)).may_have("jobs")
    assert Shelves((empty, near)).may_have("jobs")


async def test_a_tier_that_does_not_answer_is_passed_over():
    dead, far = Slow("dead"), Slow("far")
    dead.open.clear()
    entry, name = await Shelves((dead, far), patience=0.05).get(b"k")
    assert (entry.body, name) == (b"far", "far")


async def test_storing_is_waited_for_by_nobody_and_what_is_too_much_is_refused():
    tier = Slow("slow")
    tier.open.clear()
    shelves = Shelves((tier,))
    taken = [shelves.put(entry_of(str(number), b"1")) for number in range(UNDER_WAY + 3)]
    assert (taken.count(True), shelves.refused) == (UNDER_WAY, 3)
    assert tier.stored == []
    tier.open.set()
    await shelves.settle()
    assert len(tier.stored) == UNDER_WAY


async def test_a_key_that_is_dropped_is_dropped_in_every_tier():
    near, far = Slow("near"), Slow("far")
    shelves = Shelves((near, far))
    entry = entry_of("a", b"1")
    shelves.put(entry)
    await shelves.settle()
    assert near.stored == far.stored == [entry.key]
    await shelves.drop(entry.key)
    assert near.stored == far.stored == []


async def test_the_end_waits_only_so_long_for_what_is_being_stored():
    tier = Slow("slow")
    tier.open.clear()
    shelves = Shelves((tier,))
    shelves.put(entry_of("a", b"1"))
    await shelves.settle(0.01)
    assert tier.stored == []


async def test_a_body_in_a_file_can_be_had_in_memory_unless_the_file_became_shorter(tmp_path):
    disk = Disk(tmp_path)
    large = bytes(range(256)) * 5000
    await disk.tier.put(entry_of("a", large))
    entry = await disk.tier.get(entry_of("a", b"").key)
    shelves = Shelves((disk.tier,))
    assert await shelves.body(entry) == large
    assert await shelves.body(entry_of("b", b"small")) == b"small"
    disk.files()[0].write_bytes(large[:-1])
    assert await shelves.body(entry) is None
    await disk.close()


async def test_what_is_being_stored_can_be_had_before_any_tier_has_it():
    tier = Slow("slow", has=False)
    tier.open.clear()
    shelves = Shelves((tier,))
    older, newer = entry_of("a", b"1"), entry_of("a", b"2")
    assert not shelves.may_have("jobs")
    for entry in (older, newer):
        shelves.put(entry)
        assert shelves.may_have("jobs")
        assert await shelves.get(entry.key) == (entry, "slow")
    assert not shelves.may_have("job")
    tier.open.set()
    await shelves.settle()
    await asyncio.sleep(0)
    assert tier.asked == 0
    assert await shelves.get(newer.key) is None
    assert tier.asked == 1


async def test_what_is_forgotten_while_it_is_being_stored_cannot_be_had():
    tier = Slow("slow", has=False)
    shelves = Shelves((tier,))
    entry = entry_of("a", b"1")
    shelves.put(entry)
    shelves.forget(entry.key)
    assert await shelves.get(entry.key) is None
    await shelves.settle()
    assert tier.stored == []


async def test_what_is_stored_anew_after_it_was_forgotten_can_be_had_at_once():
    tier = Slow("slow", has=False)
    shelves = Shelves((tier,))
    older, newer = entry_of("a", b"1"), entry_of("a", b"2")
    shelves.put(older)
    await shelves.settle()
    tier.open.clear()
    shelves.forget(older.key)
    shelves.put(newer)
    await asyncio.sleep(0)  # what was forgotten is dropped meanwhile
    assert await shelves.get(newer.key) == (newer, "slow")
    tier.open.set()
    await shelves.settle()
