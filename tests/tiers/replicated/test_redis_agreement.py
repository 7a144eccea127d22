"""Two replicas and a real Redis: what ends on one ends on both."""

import asyncio
import logging

from redis_servers import LINEAGE, PATIENCE, entry_at, replica, serves, there, until

from gateway.tiers.generations import slots
from gateway.tiers.memory import MemoryTier
from gateway.tiers.redis_announce import announce
from tests.tiers.own_generations import OwnGenerations


def numbers(shared):
    return shared.generations.epoch, shared.generations.read(LINEAGE)


async def heard(shared, before):
    await until(lambda: numbers(shared) != before)


async def test_a_bump_on_one_replica_voids_the_memory_of_the_other_and_the_value_in_redis(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        assert await one.tier.put(entry_at(one))
        memory = MemoryTier(1 << 20)
        memory.put(b"key", await other.tier.get(b"key"))
        assert serves(other, memory.get(b"key"))
        before = numbers(other)
        one.generations.bump(("tag:runs",))
        await heard(other, before)
        assert not serves(other, memory.get(b"key"))
        assert await other.tier.get(b"key") is None
        assert await one.tier.get(b"key") is None
        # What left afterwards is stored and served again.
        await until(lambda: not one.tier.status()["unsent"])
        assert await one.tier.put(entry_at(one, body=b"new"))
        assert (await other.tier.get(b"key")).body == b"new"


async def test_a_bump_of_something_else_voids_nothing(server):
    other_slot = next(
        name for name in map("tag:{}".format, range(99)) if not {*slots((name,))} & {*slots(LINEAGE)}
    )
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        assert await one.tier.put(entry_at(one))
        before = other.generations.read((other_slot,))
        one.generations.bump((other_slot,))
        await until(lambda: other.generations.read((other_slot,)) != before)
        assert serves(other, await other.tier.get(b"key"))


async def test_the_epoch_advances_on_every_replica(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        assert await one.tier.put(entry_at(one))
        entry, before = await other.tier.get(b"key"), numbers(other)
        one.generations.advance()
        await heard(other, before)
        assert not serves(other, entry)
        assert await other.tier.get(b"key") is None


async def test_a_read_that_began_before_a_write_ended_elsewhere_is_served_on_neither(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        for _ in range(20):
            began = numbers(one)
            old = entry_at(one, body=b"old")  # the read starts on one
            other.generations.bump(("tag:runs",))  # the write ends on the other
            await asyncio.gather(one.tier.put(old), until(lambda: not other.tier.status()["unsent"]))
            # Here it was stored or not, before or after the message came.
            assert await other.tier.get(b"key") is None
            await heard(one, began)
            assert not serves(one, old)
            assert await one.tier.get(b"key") is None
            await until(lambda: one.tier.status()["connected"])


async def test_a_value_that_is_on_its_way_when_a_bump_is_heard_is_void_when_it_arrives(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        for round_ in range(30):
            assert await one.tier.put(entry_at(one, body=b"%d" % round_))
            before = numbers(other)
            reads = [asyncio.ensure_future(other.tier.get(b"key")) for _ in range(8)]
            await asyncio.sleep(0)
            one.generations.bump(("tag:runs",))
            found = await asyncio.gather(*reads)
            await heard(other, before)
            assert not any(serves(other, entry) for entry in found)
            await until(lambda: not one.tier.status()["unsent"])


async def test_writes_on_both_replicas_at_once_leave_no_answer_from_before_the_last_of_them(server):
    """Both read and write all the time; when all is quiet, only the last version can be had."""
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        version = 0
        memories = [(one, MemoryTier(1 << 20)), (other, MemoryTier(1 << 20))]

        async def reader(shared, memory):
            rounds = 0
            while rounds < 150 or not shared.tier.counts.hits:  # the last ones are when all is written
                rounds += 1
                entry = entry_at(shared, body=b"%d" % version)
                found = await shared.tier.get(b"key")
                if found is None:
                    await asyncio.sleep(0)
                    memory.put(b"key", entry)
                    await shared.tier.put(entry)
                else:
                    memory.put(b"key", found)

        async def writer(shared):
            nonlocal version
            for _ in range(25):
                version += 1
                shared.generations.bump(("tag:runs",))
                await asyncio.sleep(0.002)

        work = [reader(*pair) for pair in memories] + [writer(shared) for shared, _ in memories]
        await asyncio.gather(*work)
        quiet = [shared.tier.status for shared, _ in memories]
        await until(
            lambda: not any(status()["unsent"] or any(status()["replicas"].values()) for status in quiet)
        )
        for shared, memory in memories:
            for entry in (memory.get(b"key"), await shared.tier.get(b"key")):
                assert entry is None or not serves(shared, entry) or int(entry.body) == version
        assert sum(shared.tier.counts.hits for shared, _ in memories) > 0


async def test_workers_of_one_host_know_of_each_others_bumps_before_redis_does(server, tmp_path):
    local = OwnGenerations()  # as a file of generations is for all workers
    place = server.place()
    async with (
        replica(place, local=local, state=tmp_path / "bumps") as one,
        replica(place, local=local, state=tmp_path / "bumps") as other,
    ):
        await there(one, other)
        assert await one.tier.put(entry_at(one))
        assert serves(other, await other.tier.get(b"key"))
        one.generations.bump(("tag:runs",))
        # No message was waited for: this very read must not bring what was stored before.
        assert not serves(other, await other.tier.get(b"key"))
        await until(lambda: not other.tier.status()["unsent"])
        before = local.read(LINEAGE)
        await until(lambda: one.tier.status()["replicas"] and not any(one.tier.status()["replicas"].values()))
        assert local.read(LINEAGE) == before, "one's own message ends nothing once more"


async def test_replicas_know_each_other_and_which_message_each_has_heard(server):
    async with replica(server.place()) as one:
        async with replica(server.place()) as other:
            names = {one.tier.status()["name"], other.tier.status()["name"]}
            await until(lambda: set(one.tier.status()["replicas"]) == names)
            assert len(names) == 2
            one.generations.advance()
            await until(lambda: not one.tier.status()["unsent"])
            await until(lambda: one.tier.status()["replicas"] == dict.fromkeys(names, 0))
        await until(lambda: set(one.tier.status()["replicas"]) == {one.tier.status()["name"]})


async def test_numbers_are_published_and_hold_no_secret(server):
    class Published(dict):
        def gauge(self, name, text, labels, read, *, alike=False):
            self[name] = read

        counter = gauge

    server.client().config_set("requirepass", "s3cret")
    server.password = "s3cret"
    try:
        async with replica(server.place(password="s3cret")) as one:
            await there(one)
            numbers = Published()
            one.tier.publish(numbers)
            await one.tier.put(entry_at(one))
            await one.tier.get(b"key")
            assert list(numbers["redis_connected"]()) == [((), 1.0)]
            assert list(numbers["redis_unsent"]()) == [((), 0.0)]
            assert list(numbers["redis_replicas"]()) == [((), 1.0)]
            assert dict(numbers["redis_values"]()) == {
                ("hits",): 1.0,
                ("misses",): 0.0,
                ("stored",): 1.0,
                ("refused",): 0.0,
                ("corrupt",): 0.0,
            }
            assert "s3cret" not in repr(one.tier.status())
    finally:
        server.client().config_set("requirepass", "")
        server.password = None


async def test_ends_are_logged_by_nobody_one_by_one(server, caplog):
    caplog.set_level(logging.INFO)
    async with replica(server.place()) as one:
        await there(one)
        caplog.clear()
        for number in range(50):
            one.generations.bump((f"tag:{number}",))
        await until(lambda: not one.tier.status()["unsent"])
        assert caplog.messages == []


class Revoked(dict):
    """The ledger of one host, in memory."""

    def all(self):
        return dict(self)

    def add(self, revoked):
        self.update(revoked)

    def keys(self):
        return {}

    def add_keys(self, records):
        return []


class Keys(Revoked):
    """One that has keys too, in `made`; those in `over` hold no longer."""

    def __init__(self, made=(), over=()):
        super().__init__()
        self.made, self.over = dict(made), set(over)

    def __hash__(self):
        return id(self)

    def keys(self):
        return {name: text for name, text in self.made.items() if name not in self.over}

    def add_keys(self, records):
        self.made |= {name: text for name, text in records.items() if name not in self.over}
        return [name for name in records if name in self.over]


async def test_what_was_revoked_on_one_host_is_revoked_on_every_host_that_is_or_comes(server):
    here, there_, later = Revoked({"a" * 32: 1.5}), Revoked({"b" * 32: 2.5}), Revoked()
    async with replica(server.place(), ledger=here) as one, replica(server.place(), ledger=there_) as other:
        await there(one, other)
        await until(lambda: here == there_ == {"a" * 32: 1.5, "b" * 32: 2.5})
        here["c" * 32] = 3.5
        before = other.generations.epoch
        one.generations.advance()  # as a gate does that has found it
        # Two messages, of which either may come first.
        await until(lambda: there_.get("c" * 32) == 3.5 and other.generations.epoch > before)
        server.client().flushall()
        async with replica(server.place(), ledger=later):
            await until(lambda: later == here == there_ and len(later) == 3)


async def test_a_key_made_on_one_host_is_known_on_every_host_and_forgotten_when_it_ends(server):
    here, there_ = Keys({"a": "record a"}), Keys({"b": "record b"})
    async with replica(server.place(), ledger=here) as one, replica(server.place(), ledger=there_) as other:
        await there(one, other)
        await until(lambda: here.keys() == there_.keys() == {"a": "record a", "b": "record b"})
        here.made["c"] = "record c"
        await until(lambda: "c" in there_.keys())  # noqa: SIM118 - the fake's own
        here.over, there_.over = {"a"}, {"a"}
        await until(lambda: not server.client().hexists("{labgate}:keys", "a"))
        assert server.client().hkeys("{labgate}:keys") == [b"b", b"c"]


async def test_what_no_gate_wrote_among_the_revocations_is_passed_over(server):
    here = Revoked({"a" * 32: 1.5})
    server.client().hset(
        "{labgate}:revoked", mapping={b"\xff": b"1", b"b": b"soon", b"c": b"nan", b"d": b"4"}
    )
    async with replica(server.place(), ledger=here) as one:
        await there(one)
        assert here == {"a" * 32: 1.5, "d": 4.0}


async def test_many_ends_at_once_are_few_messages(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        client = server.client()
        before = int(client.hget("{labgate}:generations", "n"))
        for number in range(500):
            one.generations.bump((f"tag:{number}", "writes:lab"))
        await until(lambda: not one.tier.status()["unsent"])
        assert int(client.hget("{labgate}:generations", "n")) - before <= 3
        await until(lambda: other.generations.read(("tag:499",)) != (0,))


async def test_ends_that_never_cease_do_not_keep_a_replica_from_looking_at_redis(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        stop = asyncio.Event()

        async def write():
            while not stop.is_set():
                one.generations.bump(("writes:lab",))
                await asyncio.sleep(0)

        writing = asyncio.ensure_future(write())
        names = {one.tier.status()["name"], other.tier.status()["name"]}
        async with replica(server.place()) as third:
            # Only a look tells who is there, and it comes in between.
            await until(lambda: third.tier.status()["name"] in one.tier.status()["replicas"])
            assert await one.tier.put(entry_at(one))
            assert serves(other, await other.tier.get(b"key"))
        stop.set()
        await writing
        await until(lambda: not one.tier.status()["unsent"])
        assert names <= {one.tier.status()["name"], *one.tier.status()["replicas"]}
        assert one.tier.status()["connected"]


async def test_who_announces_a_revocation_learns_which_replicas_have_heard_it(server):
    token, here = "e" * 32, Revoked()
    assert await announce(server.place(), "labgate", token, 1.5) == {}
    async with replica(server.place(), ledger=here) as one, replica(server.place()) as other:
        await there(one, other)
        await until(lambda: here == {token: 1.5})
        epoch = other.generations.epoch
        heard = await announce(server.place(), "labgate", "f" * 32, 2.5, patience=PATIENCE)
        assert heard == {one.tier.status()["name"]: True, other.tier.status()["name"]: True}
        assert other.generations.epoch > epoch
        await until(lambda: here.get("f" * 32) == 2.5)
