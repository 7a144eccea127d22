"""Who may come in: every token vector against the running gate, over HTTP, beside tokens that hold."""

import importlib.util
import json
import sys
import time
from pathlib import Path

import aiohttp
import pytest

POLICIES = """\
policies:
  - {to: [authenticated], allow: ["*"]}
"""


@pytest.fixture(scope="module")
def vectors():
    """The module with the token vectors."""
    path = Path(__file__).parent.parent / "identity" / "vectors.py"
    spec = importlib.util.spec_from_file_location("door_vectors", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def posted(session, gate, token, **headers):
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"} | headers
    address = "http://{}:{}/rpc".format(*gate.address)
    async with session.post(address, data=b"{}", headers=fields) as response:
        return response.status, response.headers, await response.text()


async def test_every_vector_is_refused_and_every_good_token_taken_over_http(vectors, gate_of, tmp_path):
    world = vectors.World(time.time())
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(world.jwks()))
    text = f"{POLICIES}identity:\n  issuers:\n    - {{issuer: '{vectors.ISSUER}', audience: {vectors.AUDIENCE}, jwks: '{keys}', leeway: 60s}}\n"
    async with gate_of(text) as gate, aiohttp.ClientSession() as session:
        for vector in vectors.VECTORS:
            token = vector.build(world)
            if not token.isascii() or not token.isprintable():
                continue  # no HTTP client sends these; tests/core/test_credentials.py does
            status, headers, body = await posted(session, gate, token)
            assert status in (401, 431), vector.name
            if status == 401:
                assert headers["WWW-Authenticate"].startswith("Bearer"), vector.name
            assert token not in body or not token, vector.name
        for name, build in vectors.GOOD:
            status, _, _ = await posted(session, gate, build(world))
            assert status == 200, name


async def test_anonymous_callers_come_in_only_where_the_file_says_so_and_policies_decide(gate_of):
    body = json.dumps({"jsonrpc": "2.0", "method": "system.listMethods", "id": 1})
    for text, expected in (
        ("policies: []\n", 401),
        ("identity: {anonymous: true}\npolicies:\n  - {to: [anonymous], allow: ['*']}\n", 200),
    ):
        async with gate_of(text) as gate, aiohttp.ClientSession() as session:
            address = "http://{}:{}/rpc".format(*gate.address)
            kind = {"Content-Type": "application/json"}
            async with session.post(address, data=body, headers=kind) as response:
                assert response.status == expected
            bad = kind | {"Authorization": "Bearer junk"}
            async with session.post(address, data=body, headers=bad) as response:
                assert response.status == 401, "a token that fails is never anonymous"
            other = kind | {"Authorization": "Basic YTpi"}
            async with session.post(address, data=body, headers=other) as response:
                assert response.status == expected, "a scheme that is not the gate's is no credential of it"


async def test_two_different_tokens_are_refused_and_labgate_token_goes_before_authorization(
    gate_of, token_for
):
    async with gate_of(POLICIES) as gate, aiohttp.ClientSession() as session:
        mine, other = token_for("ada"), token_for("bob")
        status, _, _ = await posted(session, gate, "for-the-upstream", **{"Labgate-Token": mine})
        assert status == 200
        address = "http://{}:{}/rpc".format(*gate.address)
        kind = [("Content-Type", "application/json")]
        for twice, expected in (((mine, mine), 200), ((mine, other), 401)):
            fields = [*kind, *(("Labgate-Token", token) for token in twice)]
            async with session.post(address, data=b"{}", headers=fields) as response:
                assert response.status == expected


async def test_only_the_hosts_of_the_file_are_answered(gate_of, token_for):
    async with gate_of(f"hosts: [gate.lab.org]\n{POLICIES}") as gate, aiohttp.ClientSession() as session:
        token = token_for("ada")
        for host, expected in (
            ("gate.lab.org", 200),
            ("GATE.lab.org:8700", 200),
            ("evil.org", 421),
            ("gate.lab.org.evil.org", 421),
        ):
            status, _, _ = await posted(session, gate, token, Host=host)
            assert status == expected, host
