"""What ends at one worker is told over the WebSockets of every other."""

import asyncio
import json

import aiohttp
import pytest

pytestmark = pytest.mark.timeout(120)

PATIENCE = 60.0
"""Seconds after which a test gives up waiting for what must come: reached only by a failure."""
SOCKETS = 24


async def said(socket):
    return json.loads(await socket.receive_str(timeout=PATIENCE))


async def until_it_is_told(socket, method):
    while (told := await said(socket)).get("method") != method:
        pass
    return told["params"]


def test_a_purge_and_a_new_catalog_are_told_by_every_worker(gate_at, upstream):
    gate = gate_at(workers=2)

    async def heard():
        fields = {"Authorization": f"Bearer {gate.token}"}
        async with aiohttp.ClientSession() as session:
            sockets = [
                await session.ws_connect(f"http://{gate.address}/rpc", headers=fields) for _ in range(SOCKETS)
            ]
            # Both of them have some: who has fewer connections takes the next one.
            rows = (await asyncio.to_thread(gate.status))["workers"]
            assert all(row["connections"] > 0 for row in rows), rows
            call = {"jsonrpc": "2.0", "method": "rpc.subscribe", "id": 1}
            for socket in sockets:
                await socket.send_str(
                    json.dumps(call | {"params": {"topic": "cache", "methods": ["calc.get"]}})
                )
                assert "result" in await said(socket)
            await asyncio.to_thread(gate.told, "POST", "/-/cache/purge", {"service": "calc"})
            purged = [await until_it_is_told(socket, "rpc.cache") for socket in sockets]
            upstream.names.append("get_new")
            try:
                await asyncio.to_thread(gate.told, "POST", "/-/refresh", {})
                versions = [(await until_it_is_told(socket, "rpc.changed"))["version"] for socket in sockets]
            finally:
                upstream.names.remove("get_new")
            return purged, versions

    purged, versions = asyncio.run(heard())
    assert [one["methods"] for one in purged] == [["calc.get"]] * SOCKETS
    assert len(set(versions)) == 1
