"""Laws of finding the server: real sentinels and a real cluster say where it is, also when that changes."""

import asyncio
import shutil
import subprocess
from contextlib import ExitStack, contextmanager

import pytest
import redis
from redis.exceptions import ResponseError
from redis_servers import PATIENCE, RedisServer, entry_at, free_port, replica, serves, serving, there, until

from gateway.tiers.redis_finding import NotFoundError, Seeds, found
from gateway.tiers.redis_link import FAILURES, Link, Place

KEY = "{labgate}:"
LOOPBACK = "127.0.0.1"


@contextmanager
def sentinel(folder, master, password):
    """A sentinel that watches over the master called `lab`; yields its port."""
    port = free_port()
    file = folder / "sentinel.conf"
    file.write_text(
        f"port {port}\nbind {LOOPBACK}\ndir {folder}\nrequirepass {password}\n"
        f"sentinel monitor lab {LOOPBACK} {master} 1\nsentinel down-after-milliseconds lab 500\n"
        "sentinel failover-timeout lab 3000\n"
    )
    program = shutil.which("valkey-server") or shutil.which("redis-server")
    child = subprocess.Popen([program, str(file), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        child.kill()
        child.wait()


def one_value(client, *words):
    """The reply, None while there is none."""
    try:
        return client.execute_command(*words)
    except redis.RedisError:
        return None


async def test_sentinels_say_who_the_master_is_also_after_a_fail_over(tmp_path):
    with ExitStack() as stack:
        folders = [tmp_path / name for name in ("first", "second", "sentinel")]
        for folder in folders:
            folder.mkdir()
        first = stack.enter_context(serving(folders[0]))
        second = stack.enter_context(serving(folders[1], "--replicaof", f"{LOOPBACK} {first.port}"))
        port = stack.enter_context(sentinel(folders[2], first.port, "of-sentinels"))
        asked = redis.Redis(port=port, password="of-sentinels", protocol=2)
        stack.callback(asked.close)
        await until(lambda: one_value(asked, "SENTINEL", "REPLICAS", "lab"))
        nobody = (LOOPBACK, free_port())
        place = Place(
            *nobody,
            kind="sentinels",
            others=((LOOPBACK, port),),
            master="lab",
            sentinel_password="of-sentinels",
            key=KEY,
        )
        async with replica(place) as one, replica(place) as other:
            await there(one, other)
            entry = entry_at(one)
            assert await one.tier.put(entry)
            assert serves(other, await other.tier.get(entry.key))
            first.stop()
            async with asyncio.timeout(6 * PATIENCE):
                while second.client().role()[0] != b"master" or not all(
                    each.tier.status()["connected"] for each in (one, other)
                ):
                    await asyncio.sleep(0.05)
            again = entry_at(one, b"again")
            async with asyncio.timeout(PATIENCE):
                while not await one.tier.put(again):
                    again = entry_at(one, b"again")
                    await asyncio.sleep(0.05)
            assert serves(other, await other.tier.get(b"again"))
            assert second.values(), "it is the other server"


async def test_a_server_that_is_not_the_master_any_more_is_not_used(tmp_path):
    with ExitStack() as stack:
        folders = [tmp_path / name for name in ("replica", "sentinel")]
        for folder in folders:
            folder.mkdir()
        server = stack.enter_context(serving(folders[0], "--replicaof", f"{LOOPBACK} {free_port()}"))
        # It names whom it was told, until it has found out.
        port = stack.enter_context(sentinel(folders[1], server.port, "p"))
        place = Place(LOOPBACK, port, kind="sentinels", master="lab", sentinel_password="p", key=KEY)
        await until(lambda: one_value(redis.Redis(port=port, password="p"), "PING"))
        with pytest.raises(FAILURES, match=r"not the master|no master"):
            await Link(place).ask(("PING",))


@pytest.fixture
def nodes(tmp_path):
    """A cluster of three nodes, each with a third of the slots."""
    with ExitStack() as stack:
        servers = []
        for name in ("a", "b", "c"):
            folder = tmp_path / name
            folder.mkdir()
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            servers.append((stack.enter_context(serving(folder, *options)), options[-1]))
        thirds = ((0, 5460), (5461, 10922), (10923, 16383))
        for (server, _), third in zip(servers, thirds, strict=True):
            client = server.client()
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", *third)
            stack.callback(client.close)
        first = stack.enter_context(servers[0][0].client())
        for server, bus in servers[1:]:
            first.execute_command("CLUSTER", "MEET", LOOPBACK, server.port, bus)
        yield [server for server, _ in servers]


async def whole(nodes: list[RedisServer]) -> None:
    """Every node knows every slot."""
    clients = [node.client() for node in nodes]
    await until(lambda: all(client.cluster("INFO")["cluster_state"] == "ok" for client in clients))
    for client in clients:
        client.close()


async def test_gates_find_the_node_of_a_cluster_that_has_their_keys_whomever_they_ask(nodes):
    await whole(nodes)
    seeds = [(LOOPBACK, node.port) for node in nodes]
    places = [Place(*seed, kind="cluster", key=KEY) for seed in seeds]
    places.append(Place(LOOPBACK, free_port(), kind="cluster", others=tuple(seeds), key=KEY))
    for place in places:
        async with replica(place) as one, replica(places[0]) as other:
            await there(one, other)
            entry = entry_at(one)
            assert await one.tier.put(entry)
            assert serves(other, await other.tier.get(entry.key))
    holders = [node for node in nodes if _has_values(node)]
    assert len(holders) == 1


def _has_values(node):
    with node.client() as client:
        return bool(client.dbsize())


async def test_what_is_ended_at_one_gate_of_a_cluster_ends_at_the_other(nodes):
    await whole(nodes)
    place = Place(LOOPBACK, nodes[1].port, kind="cluster", key=KEY)
    async with replica(place) as one, replica(place) as other:
        await there(one, other)
        entry = entry_at(other)
        assert await other.tier.put(entry)
        assert serves(other, await other.tier.get(entry.key))
        one.generations.bump(("tag:runs",))
        await until(lambda: not serves(other, entry))
        assert await other.tier.get(entry.key) is None


# --- what they say


async def answered(seeds, told):
    """Where the server is, if this is told by whoever is asked."""

    async def put(address, question):
        if isinstance(told, Exception):
            raise told
        return told

    return await found(seeds, put)


SENTINELS = Seeds("sentinels", (("s", 1),), master="lab")
CLUSTER = Seeds("cluster", (("n", 1),), key=KEY)


async def test_an_address_is_taken_as_it_is_told():
    assert await answered(SENTINELS, [b"10.0.0.1", b"7"]) == ("10.0.0.1", 7)
    slots = [[0, 9000, [b"a", 1, b"id"]], [9001, 16383, [b"b", 2, b"id"], [b"c", 3, b"id"]]]
    assert await answered(CLUSTER, slots) in (("a", 1), ("b", 2))
    assert await answered(CLUSTER, [[0, 16383, [None, 5, b"id"]]]) == ("n", 5)
    assert await answered(CLUSTER, [[0, 16383, [b"?", 5, b"id"]]]) == ("n", 5)


@pytest.mark.parametrize(
    ("seeds", "told", "words"),
    [
        (SENTINELS, None, "know no master that is called 'lab'"),
        (CLUSTER, [], "no node of the cluster has the slot"),
        (
            CLUSTER,
            ResponseError("ERR This instance has cluster support disabled"),
            "cluster support disabled",
        ),
        (SENTINELS, ConnectionRefusedError("nobody is there"), "nobody is there"),
    ],
)
async def test_who_does_not_know_says_why(seeds, told, words):
    with pytest.raises((NotFoundError, ResponseError, OSError), match=words):
        await answered(seeds, told)


async def test_one_who_does_not_answer_keeps_nobody_from_asking_the_next():
    async def put(address, question):
        if address[0] == "silent":
            await asyncio.Event().wait()
        return [b"h", b"1"]

    seeds = Seeds("sentinels", (("silent", 1), ("s", 1)), master="lab")
    assert await found(seeds, put) == ("h", 1)
