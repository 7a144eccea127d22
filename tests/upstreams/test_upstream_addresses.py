"""Laws of where an upstream's name may lead: every connection goes to an address that was looked at."""

import asyncio
from collections import deque

import pytest

from gateway.core.faults import UpstreamUnreachable
from gateway.wire.resolving import Resolver
from gateway.wire.upstream import NotConnectedError
from gateway.wire.upstream_pool import Origin, Pool

METADATA = "169.254.169.254"


def soon() -> float:
    return asyncio.get_running_loop().time() + 20


@pytest.mark.parametrize("host", ["0xa9fea9fe", "2852039166", "169.254.43518"])
async def test_an_address_in_another_spelling_is_a_name_that_leads_there(host, upstream_of, ask) -> None:
    with pytest.raises(UpstreamUnreachable, match="leads to a link-local address"):
        await ask(upstream_of(f"http://{host}:1"), deadline=soon())


async def test_a_name_that_leads_elsewhere_tomorrow_is_left_when_it_does(scripted, echoing) -> None:
    server = await scripted(echoing)
    answers = deque([["127.0.0.1"], [METADATA], ["fe80::1", "::ffff:a9fe:a9fe"], [METADATA, "127.0.0.1"]])
    asked = []

    async def look_up(host: str) -> list[str]:
        asked.append(host)
        return answers.popleft()

    pool = Pool(Origin("http", "rebinds.example", server.port), size=4, look_up=look_up, resolved_seconds=0)
    try:
        (await pool.fresh(soon())).drop()
        for _ in range(2):
            with pytest.raises(NotConnectedError, match="leads to a link-local address"):
                await pool.fresh(soon())
        assert server.connections == 1
        (await pool.fresh(soon())).drop()
    finally:
        await pool.close()
    assert asked == ["rebinds.example"] * 4


async def test_what_was_looked_at_is_what_is_connected_to(scripted, echoing) -> None:
    server = await scripted(echoing)
    asked = []

    async def look_up(host: str) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    pool = Pool(Origin("http", "no-such-host.invalid", server.port), size=4, look_up=look_up)
    try:
        for _ in range(3):
            (await pool.fresh(soon())).drop()
    finally:
        await pool.close()
    assert (asked, server.connections) == (["no-such-host.invalid"], 3)


async def test_an_address_that_the_settings_write_is_what_is_meant() -> None:
    async def look_up(host: str) -> list[str]:
        raise AssertionError("nobody has to be asked")

    pool = Pool(Origin("http", METADATA, 1), size=1, look_up=look_up)
    # Not connected to: on some machines somebody is there.
    assert await pool._addresses.find() == [METADATA]
    await pool.close()


async def test_keys_and_verdicts_on_tokens_are_asked_for_nowhere_else_either() -> None:
    with pytest.raises(OSError, match="leads to a link-local address"):
        await Resolver().resolve("0xa9fea9fe", 80)
    assert {one["host"] for one in await Resolver().resolve("localhost", 80)} == {"127.0.0.1"}
