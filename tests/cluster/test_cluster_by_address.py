"""Reads that HAProxy shares out by their address: each is of one gate, as long as that is there."""

import re

import pytest
from cluster_lab import NAMES, Balancer, Line, until

ADDRESSES = [f"/pages/kept/{size}" for size in range(1000, 1040)]


@pytest.fixture
def by_address(cluster, tmp_path):
    """A balancer of its own before the gates of the cluster."""
    made = Balancer(tmp_path, cluster.gates.values(), LABGATE_READS="gates_by_address")
    made.start()
    yield made
    made.stop()


def gates_of(balancer, line, verb="GET"):
    """By address, which gate a read of it came to, as the balancer's log says."""
    lines = balancer.log.count("\n")
    for address in ADDRESSES:
        assert line.ask(verb, address)[0] == 200

    def logged():
        found = re.findall(rf"gates_by_address/(\w+) .* \"{verb} (\S+) ", after(balancer.log, lines))
        return {address: gate for gate, address in found if address in ADDRESSES}

    until(lambda: len(logged()) == len(ADDRESSES))
    return logged()


def after(text, lines):
    return "\n".join(text.split("\n")[lines:])


def test_each_address_is_of_one_gate_and_a_gate_that_goes_moves_no_address_of_the_other(cluster, by_address):
    until(lambda: by_address.up() == set(NAMES))
    line = Line(by_address.address, cluster.token)
    first = gates_of(by_address, line)
    assert set(first.values()) == set(NAMES)
    again = Line(by_address.address, cluster.token)
    assert gates_of(by_address, again) == first
    assert gates_of(by_address, again, "HEAD") == first
    cluster.gates["one"].kill()
    until(lambda: by_address.up() == {"two"})
    assert set(gates_of(by_address, again).values()) == {"two"}
    cluster.gates["one"].start()
    cluster.gates["one"].wait_until_ready()
    until(lambda: by_address.up() == set(NAMES))
    assert gates_of(by_address, again) == first
    line.close()
    again.close()


def test_calls_and_websockets_go_where_there_is_least_to_do(cluster, by_address):
    until(lambda: by_address.up() == set(NAMES))
    lines = [Line(by_address.address, cluster.token) for _ in range(8)]
    for line in lines:
        assert line.call("lab.get") >= 0
        line.close()

    def came():
        return re.findall(r" (\w+)/(\w+) .* \"POST /rpc ", by_address.log)

    until(lambda: len(came()) == len(lines))
    assert {backend for backend, _ in came()} == {"gates"}
    assert {gate for _, gate in came()} == set(NAMES)
