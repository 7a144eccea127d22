"""The caveclient package, unchanged: does it notice the gate, at the root, below a path, or on a port of its own?"""

import asyncio
import json
import re

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

CONFIG = """\
include: [pack:cave]
identity:
  introspection: [{{kind: middle_auth, url: "{url}/auth"}}]
policies:
  - {{to: [authenticated], allow: ["*", "/**"]}}
services:
  cave: {{dialect: cave, url: "{url}", mount: {mount}, listen: "127.0.0.1:0", token: "{token}", forward_token: true}}
"""
_PORT = re.compile(r"http://127\.0\.0\.1:\d+(?:/cave)?(?:/datastack/\w+)?/*")


def same(outcomes):
    """The outcomes without addresses, which the gate moves."""
    return {name: json.loads(_PORT.sub("ORIGIN/", json.dumps(one))) for name, one in outcomes.items()}


@pytest.fixture
def gate_config(cave_lab):
    """The settings of a gate before a lab."""
    return lambda lab, mount="/": CONFIG.format(url=lab.url, mount=mount, token=cave_lab.TOKENS["gate"])


@pytest.fixture(scope="module")
def direct(cave_lab, python_of, tmp_path_factory):
    """What the client gets from the deployment itself."""
    with cave_lab.running() as lab:
        home = tmp_path_factory.mktemp("direct")
        return same(
            cave_lab.caveclient(
                python_of("caveclient"), home, lab.url, cave_lab.TOKENS["ada"], "minnie_demo", "1000"
            )
        )


def test_the_lab_answers_every_call_that_can_be_answered(direct):
    failed = {name for name, outcome in direct.items() if outcome[0] == "error"}
    asked_for = {
        "schema.unknown",
        "state.unknown",
        "cg.unknown",
        "mat.get_tables.unknown",
        "mat.query_table.unknown",
    }
    assert failed == asked_for | {"cg.undo_unknown"}
    assert len(direct) > 145
    supervoxels, roots = direct["cv.supervoxels"], direct["cv.roots"]
    assert supervoxels != roots


@pytest.mark.parametrize("way", ["root", "path", "port", "slash"])
async def test_every_call_gives_through_the_gate_what_it_gives_directly(
    way, direct, cave_lab, gate_of, gate_config, python_of, tmp_path
):
    with cave_lab.running() as lab, lab.strays() as strays:
        async with gate_of(gate_config(lab, "/cave" if way == "path" else "/")) as gate:
            port = gate.service_addresses["cave"][1] if way == "port" else gate.address[1]
            address = f"http://127.0.0.1:{port}" + {"path": "/cave", "slash": "/"}.get(way, "")
            through = same(
                await asyncio.to_thread(
                    cave_lab.caveclient,
                    python_of("caveclient"),
                    tmp_path / "home",
                    address,
                    cave_lab.TOKENS["ada"],
                    "minnie_demo",
                    "1000",
                )
            )
    differ = {name: (direct[name], through.get(name)) for name in direct if direct[name] != through.get(name)}
    assert differ == {}
    assert not strays
    print(f"{len(through)} calls compared with the direct answer ({way})")
