"""Exceptions of a cache rule and the rights that it names hold for calls as for requests through a mount."""

import json

import pytest
from mounting import as_json

CONFIG = """\
policies:
  - {{to: [authenticated], allow: ["*", "/**"], operate: true}}
services:
  lab:
    dialect: listed
    url: "{url}"
    mount: /lab
    methods:
      get_node:
        http: "GET /nodes/{{node}}"
        params: [version]
        cache:
          fresh: 0s
          share: everyone
          when: [{{params: {{version: "*"}}, result: {{status: done}}, fresh: 365d}}]
      get_view:
        http: "GET /views/{{dataset}}"
        cache: {{fresh: 1h, share: authorized, authorized: "view:{{params.dataset}}"}}
      get_forced:
        http: "GET /forced/{{id}}"
        cache: {{fresh: 1h, share: everyone, force: true}}
      get_plain:
        http: "GET /plain/{{id}}"
        cache: {{fresh: 1h, share: everyone}}
  calc:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    mount: /calc
    methods:
      get_node:
        safe: true
        params: [node, version]
        cache: {{fresh: 0s, share: everyone, when: {{params: {{version: "*"}}, result: {{status: done}}, fresh: 365d}}}}
      get_view:
        safe: true
        params: [dataset]
        cache: {{fresh: 1h, share: authorized, authorized: "view:{{params.dataset}}"}}
"""


@pytest.fixture
async def up(stand):
    upstream = await stand.upstream()
    upstream.status = "done"

    async def api(asked):
        said = json.loads(asked.body)
        result = {"status": upstream.status, "n": len(upstream.asked)}
        return as_json({"jsonrpc": "2.0", "result": result, "id": said["id"]})

    async def rest(asked):
        return as_json({"status": upstream.status, "n": len(upstream.asked)})

    upstream.on("/api", api)
    upstream.on("*", rest)
    await stand.gate(CONFIG.format(url=upstream.url))
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


async def by_rpc(caller, method, params):
    """What the gate's rpc door says."""
    return await caller.rpc("/rpc", {"jsonrpc": "2.0", "method": method, "params": params, "id": 1})


async def by_mounted_rpc(caller, method, params):
    """What the service's own JSON-RPC address below its mount says."""
    name = method.partition(".")[2]
    return await caller.rpc("/calc/api", {"jsonrpc": "2.0", "method": name, "params": params, "id": 1})


async def by_mount(caller, method, params):
    """What the REST address says."""
    where = {"calc.get_node": "nodes", "calc.get_view": "views"}[method]
    first = params.get("node") or params.get("dataset")
    query = f"?version={params['version']}" if "version" in params else ""
    return await caller.get(f"/lab/{where}/{first}{query}")


WAYS = [by_rpc, by_mounted_rpc, by_mount]


@pytest.mark.parametrize("ask", WAYS)
async def test_an_exception_holds_for_the_parameters_and_the_result_that_it_names(up, ada, ask):
    pinned, loose = {"node": "a", "version": "7"}, {"node": "a"}
    up.status = "running"
    for _ in range(2):
        assert not (await ask(ada, "calc.get_node", pinned)).hit, "the result is not as it asks"
    up.status = "done"
    for _ in range(2):
        assert not (await ask(ada, "calc.get_node", loose)).hit, "no version is pinned"
    assert not (await ask(ada, "calc.get_node", pinned)).hit
    kept = await ask(ada, "calc.get_node", pinned)
    assert kept.hit
    assert "ttl=315" in kept["Cache-Status"]


@pytest.mark.parametrize("ask", WAYS)
async def test_who_has_the_right_shares_and_nobody_else(stand, up, ask):
    def person(name, *scopes):
        made = stand.caller("lab", name=name)
        made.token = stand.token_for(name, "lab", scopes=scopes)
        return made

    ada, bob = person("ada", "view:x"), person("bob", "view:x", "view:y")
    eve, fay = person("eve"), person("fay", "view:y")
    first = await ask(ada, "calc.get_view", {"dataset": "x"})
    assert not first.hit
    assert (await ask(bob, "calc.get_view", {"dataset": "x"})).hit
    for stranger in (eve, fay):
        assert not (await ask(stranger, "calc.get_view", {"dataset": "x"})).hit
        assert (await ask(stranger, "calc.get_view", {"dataset": "x"})).hit, "their own entry"
    assert not (await ask(ada, "calc.get_view", {"dataset": "y"})).hit
    assert not (await ask(bob, "calc.get_view", {"dataset": "y"})).hit
    assert (await ask(fay, "calc.get_view", {"dataset": "y"})).hit


@pytest.mark.parametrize("word", ["no-store", "private", "no-store, private, must-revalidate"])
async def test_force_alone_goes_against_what_the_service_forbids(up, ada, word):
    up.on("/forced/1", as_json(1, f"Cache-Control: {word}"))
    up.on("/plain/1", as_json(1, f"Cache-Control: {word}"))
    for _ in range(2):
        forced, plain = await ada.get("/lab/forced/1"), await ada.get("/lab/plain/1")
    assert (forced.hit, plain.hit) == (True, False)
