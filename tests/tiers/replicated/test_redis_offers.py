"""Laws of what gates agree on in a real Redis: only they can write it, and two at once agree on one."""

import time

import pytest
from redis_servers import replica, there

from gateway.core.agreeing import Agreed
from gateway.tiers.redis_offers import digest_of

SECRET = b"s" * 32
TEXT = 'jsonrpc\n{"lone": "\\ud800", "high": "\ud800"}'
DIGEST = digest_of(TEXT.encode("utf-8", "surrogatepass"))


@pytest.fixture
async def two(server):
    """What two gates have of it."""
    async with replica(server.place()) as one, replica(server.place()) as other:
        await there(one, other)
        yield one.tier.offers(SECRET), other.tier.offers(SECRET)


async def test_what_one_gate_writes_the_other_reads(two):
    one, other = two
    assert await one.seen() == {}
    assert await one.agree("ab12", b"", Agreed(DIGEST), TEXT)
    seen = (await other.seen())["ab12"]
    assert (seen.agreed, seen.turns, seen.strange) == (Agreed(DIGEST), 0, False)
    assert await other.text("ab12", DIGEST) == TEXT
    assert await other.text("ab12", "of another") is None
    assert await other.keep("ab12")
    assert not await other.keep("none")


async def test_of_two_that_write_at_once_one_hears_that_it_came_late(two):
    one, other = two
    assert await one.agree("ab12", b"", Agreed(DIGEST), TEXT)
    assert not await other.agree("ab12", b"", Agreed("x"), "x")
    seen = (await other.seen())["ab12"]
    assert await other.agree("ab12", seen.raw, Agreed("x"), "x")
    assert not await one.agree("ab12", seen.raw, Agreed("y"), "y")


async def test_what_no_gate_has_written_is_strange_and_is_not_read(two, server):
    one, other = two
    assert await one.agree("ab12", b"", Agreed(DIGEST), TEXT)
    client = server.client()
    (table,) = client.keys("{labgate}:offered-*")
    (text,) = client.keys("{labgate}:offer-*")
    client.set(text, client.get(text) + b" ")
    assert await other.text("ab12", DIGEST) is None
    sealed = client.hget(table, "ab12")
    client.hset(table, mapping={"ab12": sealed + b" ", "cd34": sealed, "ef56": b"", "\xff": b"1"})
    seen = await other.seen()
    assert [(seen[name].agreed, seen[name].strange) for name in ("ab12", "cd34")] == [(None, True)] * 2
    assert (seen["ef56"].agreed, seen["ef56"].strange) == (None, False)


async def test_the_other_gates_hear_how_often_a_service_turned_and_what_time_it_is(two):
    one, other = two
    assert await one.turn("ab12") == 1
    assert await other.turn("ab12") == 2
    assert (await one.seen())["ab12"].turns == 2
    assert abs(await one.now() - time.time()) < 3600


async def test_without_redis_nothing_is_known_and_nothing_is_raised(two, server):
    one, _ = two
    server.freeze()
    try:
        for said in (one.seen(), one.text("ab12", DIGEST), one.turn("ab12"), one.now()):
            assert await said is None
        assert not await one.agree("ab12", b"", Agreed(DIGEST), TEXT)
        assert not await one.keep("ab12")
    finally:
        server.thaw()
