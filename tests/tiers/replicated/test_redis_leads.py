"""Claims in a real Redis: one replica goes, the others know when it has been there, and when it is gone."""

import asyncio

from redis_servers import LINEAGE, entry_at, replica, serving, there, until

from gateway.core.ports import Sought


def sought_at(one):
    """What a trip of this replica's is to bring, as of now."""
    return Sought(b"key", LINEAGE, one.generations.read(LINEAGE), one.generations.epoch)


def claims(server):
    """What Redis has of claims."""
    return server.client().keys("{labgate}:lead:*")


async def test_one_of_two_replicas_has_the_lead_until_it_leaves_it(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        assert await one.tier.leads.take(sought_at(one)) is True
        assert await other.tier.leads.take(sought_at(other)) is False
        await other.tier.leads.leave(sought_at(other))
        assert await other.tier.leads.take(sought_at(other)) is False, "what is not one's own is not left"
        await one.tier.leads.leave(sought_at(one))
        assert await other.tier.leads.take(sought_at(other)) is True


async def test_nobody_waits_for_a_trip_that_left_before_a_write_ended(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        old = sought_at(one)
        assert await one.tier.leads.take(old)
        other.generations.bump(LINEAGE)
        await until(lambda: not other.generations.unsent())
        assert await other.tier.leads.take(sought_at(other)) is True
        await until(lambda: one.generations.read(LINEAGE) != old.generations)
        assert await one.tier.leads.take(old) is None, "its reply will be nobody's"
        assert await one.tier.leads.take(sought_at(one)) is False


async def test_who_finds_nothing_has_made_the_claim_by_the_same_question(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        sought = sought_at(one)
        assert one.tier.leads.told(sought) is None
        assert await one.tier.get(b"key", sought) is None
        assert await other.tier.get(b"key", sought_at(other)) is None
        assert [one.tier.leads.told(sought), one.tier.leads.told(sought)] == [True, None], "said once"
        assert other.tier.leads.told(sought_at(other)) is False
        await one.tier.leads.leave(sought)
        assert await other.tier.leads.take(sought_at(other)) is True


async def test_who_finds_a_value_or_asks_for_nothing_more_claims_nothing(server):
    async with replica(server.place()) as one:
        await there(one)
        assert await one.tier.get(b"key") is None
        assert claims(server) == []
        assert await one.tier.put(entry_at(one))
        assert await one.tier.get(b"key", sought_at(one)) is not None
        assert one.tier.leads.told(sought_at(one)) is None
        assert claims(server) == []


async def test_a_stored_entry_ends_the_claim_to_it_and_no_other(server):
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        before, entry = sought_at(one), entry_at(one)
        assert await one.tier.leads.take(before)
        assert await one.tier.put(entry_at(one, b"else"))
        assert len(claims(server)) == 1
        one.generations.bump(LINEAGE)
        await until(lambda: not one.generations.unsent())
        after = sought_at(one)
        assert await one.tier.leads.take(after)
        assert not await one.tier.put(entry), "it is of before the write"
        assert len(claims(server)) == 2
        assert await one.tier.put(entry_at(one))
        assert len(claims(server)) == 1
        await until(lambda: one.generations.read(LINEAGE) == other.generations.read(LINEAGE))
        assert await other.tier.leads.take(sought_at(other)) is True


async def test_a_claim_of_a_question_that_nobody_waited_for_is_no_hindrance(server):
    """The gate has given up on Redis, which made the claim nevertheless."""
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        assert await one.tier.get(b"key", sought_at(one)) is None
        one.tier.leads._told.clear()
        assert await other.tier.leads.take(sought_at(other)) is False
        assert await one.tier.leads.take(sought_at(one)) is True
        assert await one.tier.leads.take(sought_at(one)) is False, "somebody of the same gate is on the way"


async def test_a_claim_is_renewed_while_its_trip_goes_on_and_ends_with_its_replica(server):
    async with replica(server.place()) as other:
        async with replica(server.place()) as one:
            await there(one, other)
            one.tier.leads.life = 0.5
            assert await one.tier.leads.take(sought_at(one))
            claim = server.client().keys("{labgate}:lead:*")[0]
            server.client().pexpire(claim, 250)
            await until(lambda: server.client().pttl(claim) > 250)
            assert await other.tier.leads.take(sought_at(other)) is False
        async with asyncio.timeout(10):
            while not await other.tier.leads.take(sought_at(other)):
                await asyncio.sleep(0.02)


async def test_without_redis_there_is_nobody_to_agree_with(tmp_path):
    with serving(tmp_path) as own:
        async with replica(own.place()) as one:
            await there(one)
            own.stop()
            assert await one.tier.leads.take(sought_at(one)) is None
            await one.tier.leads.leave(sought_at(one))
