"""All replicas advertise the same: what one hears of a service the others soon know, and no version comes back."""

import itertools
import json
import time
from contextlib import ExitStack, contextmanager

import pytest
from cluster_lab import Line, clustered, until


@pytest.fixture
def lines(cluster):
    """A connection to each of the four workers."""
    with to_workers(cluster) as lines:
        yield lines


@contextmanager
def to_workers(cluster):
    """A connection to each worker of each gate."""
    with ExitStack() as stack:
        yield [line for gate in cluster.gates.values() for line in both(cluster, gate, stack)]


def both(cluster, gate, stack):
    """A connection to each worker of one gate."""
    found = {}

    def complete():
        line = Line(gate.address, cluster.token)
        stack.callback(line.close)
        found[line.worker()] = line
        return len(found) == 2

    until(complete)
    return found.values()


def advertised(line):
    """The version, and the methods with what they are marked with."""
    status, fields, body = line.ask("GET", "/openrpc.json")
    assert status == 200
    methods = {
        one["name"]: one.get("x-labgate", {}).get("down", False) for one in json.loads(body)["methods"]
    }
    return fields["Labgate-Catalog"], methods


def agreed(lines):
    """What all advertise, None while they do not advertise the same."""
    found = [advertised(line) for line in lines]
    return found[0] if all(one == found[0] for one in found) else None


def test_a_change_that_one_gate_has_seen_all_workers_of_both_advertise(cluster, lines):
    before, _ = until(lambda: agreed(lines))
    cluster.service.methods = ["get", "put", "added"]
    began = time.monotonic()
    cluster.gates["one"].refresh(cluster.token)
    until(lambda: "lab.added" in advertised(lines[0])[1] and agreed(lines))
    print(f"agreed after {time.monotonic() - began:.2f} s")
    assert agreed(lines)[0] != before
    cluster.service.methods = ["get", "put"]
    cluster.gates["two"].refresh(cluster.token)
    until(lambda: (agreed(lines) or [""])[0] == before)


def test_a_service_that_one_gate_sees_go_down_and_come_back_does_so_for_all(cluster, lines):
    before = until(lambda: agreed(lines))
    cluster.service.methods = None
    cluster.gates["one"].refresh(cluster.token)
    until(lambda: (found := agreed(lines)) and found[1].get("lab.get"))
    cluster.service.methods = ["get", "put"]
    cluster.gates["two"].refresh(cluster.token)
    until(lambda: agreed(lines) == before)


def test_gates_whose_redis_has_forgotten_agree_anew(cluster, lines):
    cluster.redis.client().flushall()
    cluster.service.methods = ["get", "put", "after"]
    cluster.gates["two"].refresh(cluster.token)
    until(lambda: (found := agreed(lines)) and "lab.after" in found[1])
    cluster.service.methods = ["get", "put"]
    cluster.gates["two"].refresh(cluster.token)
    until(lambda: (found := agreed(lines)) and "lab.after" not in found[1])


def test_a_service_that_is_upgraded_replica_by_replica_changes_its_version_once(tmp_path):
    with clustered(tmp_path, refresh="300ms") as cluster, to_workers(cluster) as lines:
        before = until(lambda: agreed(lines))[0]
        turns = itertools.cycle([["get", "put", "added"], ["get", "put"]])
        cluster.service.methods = turns.__next__
        end = cluster.service.described + 30
        seen = [[before] for _ in lines]
        while cluster.service.described < end:
            for line, versions in zip(lines, seen, strict=True):
                version = advertised(line)[0]
                if versions[-1] != version:
                    versions.append(version)
        after = until(lambda: agreed(lines))[0]
    assert seen == [[before, after]] * len(lines)
