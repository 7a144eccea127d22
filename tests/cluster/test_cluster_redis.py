"""Whatever becomes of Redis, no call of the cluster fails for it, and gates agree again when it is back."""

import pytest
from cluster_lab import NAMES, Load, until


def heals(cluster):
    """A write at either gate ends what the other has in its memory, as soon as it has heard."""
    until(cluster.agreed)
    for writer, reader in (("one", "two"), ("two", "one")):
        with cluster.line(writer) as near, cluster.line(reader) as far:
            far.call("lab.get")
            value = near.call("lab.put", "healed")
            until(lambda far=far, value=value: far.call("lab.get") >= value)


def away(cluster, name):
    """Whether the gate knows that Redis is away."""
    return not cluster.gates[name].status(cluster.token)["cache"]["tiers"]["redis"]["connected"]


def killed(cluster, load):
    cluster.redis.kill()
    until(lambda: all(away(cluster, name) for name in NAMES))
    load.goes_on()
    cluster.redis.start()


def emptied(cluster, load):
    for _ in range(3):
        cluster.redis.client().flushall()
        load.goes_on(50)


def frozen(cluster, load):
    cluster.redis.freeze()
    until(lambda: all(away(cluster, name) for name in NAMES))
    load.goes_on()
    cluster.redis.thaw()


def slow(cluster, load):
    for cable in cluster.cables.values():
        cable.seconds = 0.1
    load.goes_on()
    for cable in cluster.cables.values():
        cable.seconds = 0.0


def split_from_one(cluster, load):
    cluster.cables["two"].cut()
    until(lambda: away(cluster, "two"))
    assert not away(cluster, "one")
    load.goes_on()
    with cluster.line("two") as two:
        value = two.call("lab.put", "alone")
        assert two.call("lab.get") >= value, "a gate that is split off knows its own writes"
    cluster.cables["two"].mend()
    with cluster.line("one") as one:
        until(lambda: one.call("lab.get") >= value)


@pytest.mark.parametrize("fault", [killed, emptied, frozen, slow, split_from_one])
def test_no_call_fails_whatever_becomes_of_redis_and_the_gates_agree_again(cluster, fault):
    with Load(cluster) as load:
        load.goes_on()
        fault(cluster, load)
        load.goes_on()
    assert load.failures == []
    assert load.kept() == load.sent
    heals(cluster)


def test_what_another_release_has_stored_is_not_understood_and_hurts_nobody(cluster):
    client = cluster.redis.client()
    with Load(cluster) as load:
        load.goes_on()
        for key in client.keys("{labgate}:*"):
            if client.type(key) == b"string" and b":v" in key:
                client.set(key, b"\xff" * 64 + client.get(key), px=60_000)
        client.set("{labgate}:v9-1:of-another-release", b"\x93\x01\x02\x03")
        client.sadd("{labgate}:services", b"a service of another release", b"\xff\x00")
        client.hset("{labgate}:replicas", "of-another-release", "what:is:this")
        for words in (b"", b"\x00", b"9 of another release", b"{}", b"\xff" * 300):
            client.publish("labgate:bumps:0", words)
        load.goes_on()
    client.hdel("{labgate}:replicas", "of-another-release")
    assert load.failures == []
    assert load.kept() == load.sent
    heals(cluster)
