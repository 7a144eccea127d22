"""A write with a key is made once, whichever gates it comes to, and whatever becomes of Redis."""

import json
import threading
import uuid

from cluster_lab import NAMES, until

import labgate


def keyed(line, name, key):
    """Status and what is said of a write with this key."""
    line.fields["Idempotency-Key"] = f'"{key}"'
    called = {"jsonrpc": "2.0", "id": 1, "method": "lab.put", "params": [name]}
    status, fields, body = line.ask("POST", "/rpc", called)
    return status, fields, json.loads(body)


def together(*works):
    """Do all of this at once; what came of each."""
    found = [None] * len(works)

    def do(at):
        found[at] = works[at]()

    threads = [threading.Thread(target=do, args=(at,)) for at in range(len(works))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


def test_a_key_that_comes_to_several_workers_of_both_gates_at_once_is_one_write(cluster):
    until(cluster.agreed)
    key, name = uuid.uuid4().hex, "once"
    before = cluster.service.written[name]
    cluster.service.pause = 0.3

    def call(gate):
        with cluster.line(gate) as line:
            return keyed(line, name, key)

    found = together(*(lambda gate=gate: call(gate) for gate in NAMES * 4))
    assert {status for status, _, _ in found} == {200}
    assert len({said["result"] for _, _, said in found}) == 1
    assert cluster.service.written[name] == before + 1
    cluster.service.pause = 0.0
    for gate in NAMES:
        assert call(gate)[2] == found[0][2], "and so it is for a while"
    assert cluster.service.written[name] == before + 1


def test_the_gates_promise_it_and_a_write_whose_gate_is_killed_is_not_made_again_at_the_other(cluster):
    until(cluster.agreed)
    key, name = uuid.uuid4().hex, "killed"
    before = cluster.service.written[name]
    cluster.service.pause = 2.0
    with cluster.line("one") as one:
        _, _, listed = one.ask("GET", "/openrpc.json")
        assert json.loads(listed)["x-labgate"]["idempotency"]["seconds"] > 0

        def lost():
            try:
                keyed(one, name, key)
            except OSError:
                return True
            return False

        calling = threading.Thread(target=lost)
        calling.start()
        until(lambda: cluster.service.at_work)
        cluster.gates["one"].kill()
        calling.join()
    try:
        with cluster.line("two") as two:
            _, _, said = keyed(two, name, key)
    finally:
        cluster.gates["one"].start()
        cluster.gates["one"].wait_until_ready()
    assert said["error"]["data"]["maybe_executed"] is True
    until(lambda: not cluster.service.at_work)
    assert cluster.service.written[name] == before + 1


def test_without_redis_a_key_is_refused_unmade_and_who_made_it_up_alone_is_served_without_one(cluster):
    until(cluster.agreed)
    lab = labgate.connect(f"http://{cluster.gates['one'].address}", token=cluster.token, timeout=60)
    assert lab._session.link.known_seconds() > 0
    cluster.redis.kill()
    try:
        until(lambda: not cluster.gates["one"].status(cluster.token)["cache"]["tiers"]["redis"]["connected"])
        refused, own = cluster.service.written["refused"], cluster.service.written["own"]
        with cluster.line("one") as one:
            status, fields, said = keyed(one, "refused", uuid.uuid4().hex)
        assert (status, fields["Retry-After"], said["error"]["data"]["keyed"]) == (503, "1", False)
        for _ in range(20):
            assert lab.lab.put("own") > 0
        assert cluster.service.written["refused"] == refused
        assert cluster.service.written["own"] == own + 20
    finally:
        cluster.redis.start()
    until(cluster.agreed)
    with cluster.line("two") as two:
        assert keyed(two, "refused", uuid.uuid4().hex)[0] == 200
