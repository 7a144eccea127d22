"""The dvidtools package, unchanged: does it notice the gate, which gives it a port of its own because it can show no token?"""

import asyncio
import json
import re

import pytest

from gateway.demo.dvid.lab import demo_store, node_uuid

# The first test may have to build the environment.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CONFIG = """\
policies:
  - {{to: ["group:readers"], allow: ["GET /dvid/**", "HEAD /dvid/**", "POST /dvid/**", "dvid.*"]}}
services:
  dvid:
    dialect: dvid
    url: "{url}"
    mount: /dvid
    listen: {{address: "127.0.0.1:0", as: [group:readers]}}
"""
SHAPE = (32, 128, 128)
NODES = {"locked": node_uuid("medulla traced"), "open": node_uuid("medulla open")}
_PORT = re.compile(r"http://127\.0\.0\.1:\d+/")


@pytest.fixture(scope="module")
def service(dvid_lab):
    """The demo's DVID."""
    with dvid_lab.running(demo_store(SHAPE)) as server:
        yield server


@pytest.fixture(scope="module")
def told(service, calls_of):
    """`told(address, which)`: what dvidtools gets at one of the versions, the open one of which it writes to."""
    repo, node = service.store.find(NODES["locked"])
    sizes = repo.instances["segmentation"].sizes(repo.lineage(node))
    bodies = sorted(sizes, key=lambda label: (-sizes[label], label))[:3]
    words = [word for body in bodies for word in ("--body", str(body))]
    words += ["--at", "10,20,5", "--at", "60,60,20", "--at", "100,90,9", "--user", "ada"]

    def asked(address, which):
        more = ["--write"] if which == "open" else []
        found = calls_of("dvidtools", "dvidtools_client.py", address, NODES[which], *words, *more)
        # Errors name the address that was asked, which is the gate's.
        return {name: json.loads(_PORT.sub("ORIGIN/", json.dumps(one))) for name, one in found.items()}

    return asked


@pytest.fixture(scope="module")
def direct(service, told):
    """What it gets from the service itself, when it has written already what it writes."""
    told(service.url, "open")
    return {which: told(service.url, which) for which in NODES}


def test_every_call_that_can_be_answered_is(direct):
    for outcomes in direct.values():
        failed = {name.partition(" ")[2] for name, one in outcomes.items() if one[0] == "error"}
        # Nobody is called so; and the demo counts no synapses.
        assert failed == {"of no node", "get_n_synapses"}
        assert len(outcomes) > 40


@pytest.mark.parametrize("which", NODES)
async def test_every_call_gives_through_the_gate_what_it_gives_directly_also_when_it_is_repeated(
    which, direct, service, told, gate_of
):
    async with gate_of(CONFIG.format(url=service.url)) as gate:
        async with asyncio.timeout(20):
            while any(one.down for one in gate.discovery.health().values()):
                await asyncio.sleep(0.005)
        address = "http://127.0.0.1:{}".format(gate.service_addresses["dvid"][1])
        for _ in range(2):
            service.forget()
            outcomes = await asyncio.to_thread(told, address, which)
            assert outcomes.keys() == direct[which].keys()
            differ = {
                name: (outcomes[name], one) for name, one in direct[which].items() if outcomes[name] != one
            }
            assert differ == {}
        if which == "locked":
            for kind in ("lastmod", "sparsevol", "sparsevol-size", "sparsevol-coarse", "elements"):
                assert not service.requests[kind], "what never changes is asked for once"
