"""Entries in a real Redis: what was stored comes back on every replica, byte for byte, or not at all."""

import asyncio
import logging
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from redis.crc import key_slot
from redis_servers import LINEAGE, entry_at, free_port, replica, serves, serving, there, until

from gateway.core.keys import framed
from gateway.core.verdict import Entry, Extent, HttpHead
from gateway.tiers.memory import MemoryTier
from gateway.tiers.redis_values import MOST_ROWS


async def test_what_one_replica_stores_another_serves_until_it_is_dropped(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        assert await other.tier.get(b"key") is None
        assert await one.tier.put(entry_at(one))
        found = await other.tier.get(b"key")
        assert serves(other, found)
        assert (found.key, found.body, found.lineage) == (b"key", b"[1]", LINEAGE)
        await other.tier.drop(b"key")
        assert await one.tier.get(b"key") is None
        assert server.values() == []
        assert one.tier.counts.stored == other.tier.counts.hits == 1
        assert other.tier.counts.misses == one.tier.counts.misses == 1


@pytest.mark.parametrize("ahead", [-3600.0, 7.5, 86400.0])
async def test_hosts_whose_clocks_differ_agree_on_how_long_a_reply_is_fresh(server, ahead):
    def wrong():
        return time.time() + ahead

    async with replica(server.place(), wall=wrong) as one, replica(server.place()) as other:
        await there(one, other)
        right = entry_at(other, b"right", life=60.0)
        lied = replace(right, key=b"lied", refresh_until=right.fresh_until + 1)
        lied = replace(
            lied,
            **{
                name: getattr(lied, name) + ahead
                for name in ("stored", "fresh_until", "stale_until", "refresh_until")
            },
        )
        assert await one.tier.put(lied)
        assert await other.tier.put(right)
        for reader, key, wanted, off in (
            (other, b"lied", right, 0.0),
            (one, b"lied", lied, 0.0),
            (one, b"right", right, ahead),
        ):
            found = await reader.tier.get(key)
            assert found.stored == pytest.approx(wanted.stored + off, abs=0.5)
            assert found.fresh_until == pytest.approx(wanted.fresh_until + off, abs=0.5)
            assert found.stale_until == pytest.approx(wanted.stale_until + off, abs=0.5)
        assert (await one.tier.get(b"right")).refresh_until == 0.0, "nothing is made of nothing"


ANY = st.binary(max_size=60)
HEADS = st.builds(HttpHead, st.integers(200, 599), ANY, st.lists(st.tuples(ANY, ANY), max_size=6).map(tuple))


async def test_redis_and_memory_give_the_same_entry(server):
    loop = asyncio.get_running_loop()
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        memory = MemoryTier(1 << 30)

        async def compare(entry: Entry) -> None:
            memory.put(entry.key, entry)
            assert await one.tier.put(entry)
            found = await other.tier.get(entry.key)
            generations = other.generations
            here = {"epoch": generations.epoch, "generations": generations.read(LINEAGE)}
            assert found == replace(memory.get(entry.key), **here)

        @settings(max_examples=60, suppress_health_check=list(HealthCheck))
        @given(
            st.binary(min_size=1, max_size=2000),
            st.binary(max_size=5000),
            st.none() | HEADS,
            st.sampled_from(["result", "error", "http"]),
            st.integers(0, 2**31),
            st.booleans(),
        )
        def tried(key, body, head, kind, aged, flag):
            entry = replace(
                entry_at(one, key, body, head=head), kind=kind, aged=aged, validate=flag, strict=not flag
            )
            asyncio.run_coroutine_threadsafe(compare(entry), loop).result(20)

        await asyncio.to_thread(tried)


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, (256 << 10) + 1, 16 << 20])
async def test_bodies_of_every_size_come_back_whole(server, size):
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        assert await one.tier.put(entry_at(one, body=body))
        found = await other.tier.get(b"key")
        assert found is not None
        assert found.body == body


async def test_a_body_that_lies_in_a_file_is_stored_whole_and_a_file_that_lost_it_is_not(server, tmp_path):
    (tmp_path / "body").write_bytes(b"before" + b"x" * 100_000 + b"after")
    async with replica(server.place()) as one:
        await there(one)
        file = (tmp_path / "body").open("rb", buffering=0)
        entry = replace(entry_at(one), body=b"", extent=Extent(file, 6, 100_000))
        assert await one.tier.put(entry)
        found = await one.tier.get(b"key")
        assert (found.body, found.extent) == (b"x" * 100_000, None)
        (tmp_path / "body").write_bytes(b"short")
        assert not await one.tier.put(entry)
        file.close()
        assert not await one.tier.put(entry)


async def test_what_is_not_stored_is_counted_as_refused(server):
    async with replica(server.place(), largest=1000) as one:
        await there(one)
        good = entry_at(one)
        for entry in (
            replace(good, body=bytes(1001)),
            replace(good, stale_until=time.time() - 1),
            replace(good, lineage=()),  # nobody knows what would end it
            replace(good, lineage=LINEAGE[:2]),
            replace(good, generations=(0,) * 300, lineage=("service:x",) * 300),
            replace(good, epoch=good.epoch - 1),
        ):
            assert not await one.tier.put(entry)
        assert (one.tier.counts.refused, one.tier.counts.stored, server.values()) == (6, 0, [])
        assert await one.tier.put(replace(good, body=bytes(1000)))
        many = tuple(f"tag:{number}" for number in range(MOST_ROWS - 2))
        lineage = ("service:lab", *many)
        assert await one.tier.put(
            replace(good, key=b"many", lineage=lineage, generations=one.generations.read(lineage))
        )
        assert await one.tier.get(b"many") is not None


async def test_a_value_lives_as_long_as_its_entry_may_serve(server):
    async with replica(server.place()) as one:
        await there(one)
        assert await one.tier.put(entry_at(one, life=60.0))
        (key,) = server.values()
        assert 50_000 < server.client().pttl(key) <= 60_000
        assert await one.tier.put(entry_at(one, life=0.05))
        await until(lambda: server.values() == [])
        assert await one.tier.get(b"key") is None


async def test_gates_that_have_other_settings_of_a_service_share_nothing_of_it(server):
    key, other_key = framed(b"s", b"lab") + b"x", framed(b"s", b"other") + b"x"
    async with (
        replica(server.place(), under={"lab": b"1", "other": b"1"}) as one,
        replica(server.place(), under={"lab": b"2", "other": b"1"}) as two,
    ):
        await there(one, two)
        assert await one.tier.put(entry_at(one, key))
        assert await one.tier.put(entry_at(one, other_key))
        assert await two.tier.get(key) is None
        assert await two.tier.get(other_key) is not None
        two.tier.under = one.tier.under
        assert await two.tier.get(key) is not None


@pytest.mark.parametrize(
    "altered",
    [
        lambda value: value[:-1],
        lambda value: value + b"x",
        lambda value: value[:60] + bytes([value[60] ^ 1]) + value[61:],
        lambda value: b"labgate\x01" + value[8:],
        lambda value: b"",
        lambda value: b"\x80\x04K\x01.",
    ],
    ids=["cut", "continued", "altered", "another version", "empty", "anything"],
)
async def test_a_broken_value_is_never_served_and_is_removed_and_counted(server, altered, caplog):
    caplog.set_level(logging.WARNING)
    async with replica(server.place()) as one:
        await there(one)
        for number in range(3):
            assert await one.tier.put(entry_at(one, b"%d" % number))
        client = server.client()
        for key in server.values():
            client.set(key, altered(client.get(key)))
        assert [await one.tier.get(b"%d" % number) for number in range(3)] == [None] * 3
        assert server.values() == []
        assert one.tier.counts.corrupt == 3
        assert one.tier.status()["connected"]
    assert len([one for one in caplog.messages if "a value in redis is not used" in one]) == 1


async def test_a_value_under_another_key_or_of_another_type_is_not_served(server):
    async with replica(server.place()) as one:
        await there(one)
        assert await one.tier.put(entry_at(one, b"a", b"of a"))
        client = server.client()
        (key_a,) = server.values()
        assert await one.tier.put(entry_at(one, b"b", b"of b"))
        (key_b,) = set(server.values()) - {key_a}
        client.set(key_b, client.get(key_a))
        assert await one.tier.get(b"b") is None
        client.delete(key_b)
        client.rpush(key_b, b"a list")
        assert await one.tier.get(b"b") is None
        assert (await one.tier.get(b"a")).body == b"of a"


async def test_a_service_that_anybody_stored_of_may_have_entries_everywhere(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        assert not one.tier.may_have("lab")
        assert await one.tier.put(entry_at(one))
        assert one.tier.may_have("lab")
        await until(lambda: other.tier.may_have("lab"))
        assert not other.tier.may_have("other")
        async with replica(server.place()) as late:
            assert late.tier.may_have("lab")


async def test_gates_of_another_prefix_or_database_share_nothing(server):
    async with (
        replica(server.place()) as one,
        replica(server.place(), prefix="other") as two,
        replica(server.place(database=1)) as three,
    ):
        await there(one, two, three)
        assert await one.tier.put(entry_at(one))
        before = [other.generations.read(LINEAGE) for other in (two, three)]
        one.generations.bump(("tag:runs",))
        await until(lambda: not one.tier.status()["unsent"])
        assert [await other.tier.get(b"key") for other in (two, three)] == [None, None]
        assert [list(other.tier.status()["replicas"]) for other in (two, three)] == [
            [other.tier.status()["name"]] for other in (two, three)
        ]
        two.generations.bump(("tag:x",))
        three.generations.bump(("tag:x",))
        await until(lambda: not two.tier.status()["unsent"] and not three.tier.status()["unsent"])
        assert [other.generations.read(LINEAGE) for other in (two, three)] == before
        assert one.tier.status()["connected"]


async def test_a_password_is_asked_for_and_a_wrong_one_is_said_once_without_it(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    with serving(tmp_path) as server:
        client = server.client()
        client.config_set("requirepass", "s3cret-of-the-lab")
        server.password = "s3cret-of-the-lab"
        async with replica(server.place(password="s3cret-of-the-lab")) as right:
            await there(right)
            assert await right.tier.put(entry_at(right))
        for password in ("wr0ng-of-the-lab", None):
            caplog.clear()
            async with replica(server.place(password=password)) as wrong:
                status = wrong.tier.status()
                assert not status["connected"]
                assert "cache.redis.password" in status["why"]
                assert await wrong.tier.get(b"key") is None
                assert not await wrong.tier.put(entry_at(wrong))
                assert not wrong.tier.may_have("lab")
            assert len([one for one in caplog.messages if "is away" in one]) == 1
            assert "of-the-lab" not in caplog.text + repr(status)


async def test_a_user_who_may_not_do_what_is_needed_is_told_so(server):
    client = server.client()
    client.execute_command("ACL", "SETUSER", "guest", "on", ">pass", "~*", "+@read", "+info")
    try:
        async with replica(server.place(user="guest", password="pass")) as one:
            assert "its user may not do what is needed" in one.tier.status()["why"]
    finally:
        client.execute_command("ACL", "DELUSER", "guest")


async def test_the_user_that_the_documentation_makes_may_do_all_that_is_needed(server):
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "replicas.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("ACL SETUSER labgate ")]
    client = server.client()
    client.execute_command(*line.replace(">PASSWORD", ">pass").split())
    client.acl_log_reset()
    try:
        async with replica(server.place(user="labgate", password="pass", database=0)) as one:
            await there(one)
            assert await one.tier.put(entry_at(one))
            assert await one.tier.get(b"key") is not None
            one.generations.bump(("tag:runs",))
            await until(lambda: not one.tier.status()["unsent"])
            await one.tier.drop(b"key")
            await until(lambda: list(one.tier.status()["replicas"].values()) == [0])
            assert one.tier.status()["connected"]
        assert client.acl_log() == []
    finally:
        client.acl_deluser("labgate")


async def test_every_key_lies_in_one_slot_so_that_a_cluster_takes_every_command(server):
    client = server.client()
    with client.monitor() as monitor:
        async with replica(server.place()) as one:
            await there(one)
            assert await one.tier.put(entry_at(one))
            assert await one.tier.get(b"key") is not None
            one.generations.bump(("tag:runs",))
            await until(lambda: not one.tier.status()["unsent"])
            await one.tier.drop(b"key")
        client.echo("the end")
        keys: set[str] = set()
        seen: set[str] = set()
        for told in monitor.listen():
            # What a script does within Redis is told as well.
            name, *rest = told["command"].split(" ")
            if name == "ECHO":
                break
            seen.add(name)
            if name not in ("EVAL", "INFO", "SUBSCRIBE", "PUBLISH", "MULTI", "EXEC", "TIME", "MONITOR"):
                keys.add(rest[0])
    assert {"EVAL", "GET", "SET", "DEL", "SADD", "SMEMBERS", "HINCRBY", "HMGET", "GETRANGE"} <= seen
    assert len(keys) > 3
    assert len({key_slot(key.encode()) for key in keys}) == 1


async def test_a_real_cluster_node_takes_every_command(tmp_path):
    with serving(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port())) as server:
        client = server.client()
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        await until(lambda: client.cluster("INFO")["cluster_state"] == "ok")
        async with replica(server.place()) as one, replica(server.place()) as other:
            await there(one, other)
            assert await one.tier.put(entry_at(one))
            assert serves(other, await other.tier.get(b"key"))
            one.generations.bump(("tag:runs",))
            before = other.generations.epoch, other.generations.read(LINEAGE)
            await until(lambda: (other.generations.epoch, other.generations.read(LINEAGE)) != before)
            assert await other.tier.get(b"key") is None
            await other.tier.drop(b"key")
            assert one.tier.status()["connected"]
            assert other.tier.status()["connected"]
