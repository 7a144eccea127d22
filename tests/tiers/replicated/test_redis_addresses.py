"""Where a Redis's name may lead: every connection goes to an address that was looked at."""

from __future__ import annotations

from collections import deque

import pytest
from redis_servers import free_port

from gateway.core.outbound import NeverConnectedError
from gateway.tiers.redis_link import FAILURES, Link, Place, drop

METADATA = "169.254.169.254"


@pytest.mark.parametrize("host", ["0xa9fea9fe", "2852039166", "169.254.43518"])
async def test_a_name_that_leads_to_a_link_local_address_is_never_connected_to(host):
    with pytest.raises(NeverConnectedError, match="leads to a link-local address"):
        await Link(Place(host, 1)).ask(("PING",))


async def test_a_name_that_leads_elsewhere_tomorrow_is_left_when_it_does(server):
    answers = deque([["127.0.0.1"], [METADATA], ["fe80::1", "::ffff:a9fe:a9fe"], [METADATA, "127.0.0.1"]])
    asked = []

    async def look_up(host):
        asked.append(host)
        return answers.popleft()

    def connections():
        return server.client().info("stats")["total_connections_received"]

    link = Link(Place("rebinds.example", server.port), look_up)
    await drop(await link.connect())
    before = connections()
    for _ in range(2):
        with pytest.raises(NeverConnectedError):
            await link.connect()
    assert connections() == before + 1, "the test's own"
    await drop(await link.connect())
    await link.close()
    assert asked == ["rebinds.example"] * 4


async def test_who_is_at_none_of_the_first_addresses_is_looked_for_at_the_next(server):
    async def look_up(host):
        return ["::1", "127.0.0.1"]  # the server is on one of them

    link = Link(Place("both.example", server.port), look_up)
    assert await link.ask(("PING",)) == [b"PONG"]
    await link.close()


async def test_where_nobody_is_that_is_the_reason():
    async def look_up(host):
        return ["127.0.0.1", "127.0.0.1"]

    with pytest.raises(FAILURES, match="Connect call failed"):
        await Link(Place("none.example", free_port()), look_up).ask(("PING",))


async def test_an_address_that_the_settings_write_is_what_is_meant(server):
    async def look_up(host):
        raise AssertionError("nobody has to be asked")

    link = Link(Place("127.0.0.1", server.port), look_up)
    assert await link.ask(("PING",)) == [b"PONG"]
    await link.close()
