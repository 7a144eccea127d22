"""Can the gate be started whatever is down, and what does it do when the clock is set?"""

from chaos_callers import DOWN, Caller, held_against
from faulty_lab import FaultyLab, reset_unread

RPC = """
identity: {{anonymous: true}}
policies: [{{to: [anonymous], allow: ["*", "/**"], operate: true}}]
services:
  jobs: {{dialect: jsonrpc, url: "http://127.0.0.1:9", mount: /jobs}}
  files: {{dialect: openapi, url: "http://nowhere.invalid", mount: /files}}
  any: {{url: "http://127.0.0.1:9"}}
  lab: {{dialect: listed, url: "{url}", rpc_path: /api, mount: /lab, methods: {{get: {{safe: true}}, put: {{}}}}}}
"""
CACHED = """
identity: {{anonymous: true}}
policies: [{{to: [anonymous], allow: ["*", "/**"]}}]
services:
  lab:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    mount: /lab
    breaker: {{failures: 4, open: 0.1s}}
    methods:
      get: {{safe: true, cache: {{fresh: 1h, share: everyone}}}}
      put: {{}}
"""
STALE = """
identity: {{anonymous: true}}
policies: [{{to: [anonymous], allow: ["*", "/**"]}}]
services:
  lab:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    mount: /lab
    breaker: {{failures: 3, open: 1h}}
    methods:
      get: {{safe: true, cache: {{fresh: 0.001s, stale: 1h, share: everyone}}}}
      put: {{}}
      page: {{http: "GET /{{name}}", cache: {{fresh: 0.001s, stale: 1h, share: everyone}}}}
"""


async def test_the_gate_starts_with_every_upstream_down_and_serves_each_as_it_comes(scene) -> None:
    async with scene() as here:
        await here.lab.refuse()
        await here.other.refuse()
        held_against(here.lab, outcomes := await here.caller.all())
        assert all(one.kind in DOWN for one in outcomes)
        await here.lab.listen()
        await here.caller.until_well()


async def test_nothing_of_a_lab_has_to_be_there_when_the_gate_starts(gate_of) -> None:
    async with FaultyLab() as lab:
        await lab.refuse()
        async with gate_of(RPC.format(url=lab.url)) as gate:
            services = gate.status()["services"]
            assert {name for name, one in services.items() if one["down"]} >= {"jobs", "files", "any"}
            caller = Caller(gate.address[1])
            assert {one.kind for one in await caller.all()} <= DOWN
            await lab.listen()
            await caller.until_well()


async def test_a_clock_that_is_set_moves_no_deadline_no_breaker_and_serves_nothing_from_the_future(
    gate_of,
) -> None:
    async with FaultyLab() as lab, gate_of(CACHED.format(url=lab.url)) as gate:
        caller, honest_clock = Caller(gate.address[1]), gate.relay.wall
        asked = lab.asked
        for jump in (0.0, -86400.0, 86400.0 * 365):
            gate.relay.wall = lambda jump=jump: honest_clock() + jump
            lab.fail(None)
            outcomes = await caller.all()
            held_against(lab, outcomes)
            assert {one.kind for one in outcomes} == {"ok"}, jump
            lab.fail(reset_unread)
            while gate.estate.upstreams["lab"].breaker != "open":
                held_against(lab, await caller.all(("rpc write", "mount GET")))
            lab.fail(None)
            await caller.until_well(("rpc write", "mount GET"))
        assert lab.asked > asked


async def test_what_is_stale_serves_while_the_breaker_is_open_where_its_rule_lets_it(gate_of) -> None:
    async with FaultyLab() as lab, gate_of(STALE.format(url=lab.url)) as gate:
        caller = Caller(gate.address[1])
        for path in ("/lab/one", "/lab/other"):
            assert (await caller.page(path))[0] == 200
        body = b'{"jsonrpc":"2.0","method":"lab.get","params":{"token":"same"},"id":1}'
        first = await caller.page("/rpc", body)
        lab.fail(reset_unread)
        while gate.estate.upstreams["lab"].breaker != "open":
            await caller.all(("rpc write",))
        asked = lab.asked
        status, head, text = await caller.page("/lab/one")
        assert (status, text) == (200, b"this is /one")
        assert b'detail="expired' in head
        assert (await caller.page("/rpc", body))[2] == first[2]
        assert (await caller.page("/lab/never"))[0] == 503
        assert lab.asked == asked
