"""Claims in a real Redis: one replica goes, the others know when it has been there, and when it is gone."""

import asyncio

from redis_servers import LINEAGE, replica, serving, there, until

from gateway.core.ports import Sought


def sought_at(one):
    """What a trip of this replica's is to bring, as of now."""
    return Sought(b"key", LINEAGE, one.generations.read(LINEAGE), one.generations.epoch)


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
