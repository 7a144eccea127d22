"""Who may ask what through a mount, and as which path and method is it judged?"""

import base64
import json

import pytest
from mounting import Upstream, as_json, told

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "tiles", "version": "1"},
    "paths": {
        "/tiles/{id}": {
            "get": {"operationId": "get_tile", "responses": {"200": {"description": "a tile"}}},
            "put": {"operationId": "put_tile", "responses": {"200": {"description": "done"}}},
        },
        "/tiles/special": {"get": {"operationId": "special", "responses": {"200": {"description": "one"}}}},
    },
}
CONFIG = """\
identity: {{anonymous: true}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:paths"], allow: ["/**"]}}
  - {{to: ["group:methods"], allow: ["*"]}}
  - {{to: ["group:readers"], allow: ["tiles.get_tile", "GET /tiles/**"]}}
  - {{to: ["group:rest"], allow: ["tiles.http", "/tiles/**"]}}
  - {{to: ["group:public"], allow: ["plain.*", "GET /plain/public/**"]}}
  - {{to: ["group:fly"], allow: ["fly1/roots.*", "/**"]}}
  - {{to: ["group:roots"], allow: ["roots.*", "/**"]}}
  - {{to: ["group:rpc"], allow: ["calc.add", "POST /calc"]}}
  - {{to: [anonymous], allow: ["plain.http", "GET /plain/open/*"]}}
services:
  tiles: {{dialect: openapi, url: "{url}", describe: /openapi.json, mount: /tiles, listen: "127.0.0.1:0"}}
  inner: {{dialect: listed, url: "{url}/inner", mount: /tiles/inner}}
  plain: {{dialect: listed, url: "{url}", mount: /plain}}
  calc: {{dialect: jsonrpc, url: "{url}", rpc_path: /rpc, mount: /calc, listen: "127.0.0.1:0"}}
  root: {{dialect: listed, url: "{url}/root", mount: /}}
  late: {{dialect: openapi, url: "{later}", describe: /nowhere.json, mount: /late}}
  late_rpc: {{dialect: jsonrpc, url: "{later}/late", rpc_path: /api, mount: /late_rpc}}
datastacks:
  fly1: {{services: {{roots: {{dialect: listed, url: "{url}/fly", mount: /fly1/roots, listen: "127.0.0.1:0"}}}}}}
"""


async def calc(asked):
    said = json.loads(asked.body)
    if said["method"] == "system.describe":
        result = {"procs": [{"name": "add"}, {"name": "secret"}]}
    elif said["method"] in ("add", "secret"):
        result = said["method"]
    else:
        return as_json({"jsonrpc": "2.0", "error": {"code": -32601, "message": "no"}, "id": said["id"]})
    return as_json({"jsonrpc": "2.0", "result": result, "id": said["id"]})


@pytest.fixture
async def later(stand) -> Upstream:
    """A server of its own for what is asked again and again how it is, at whatever moment."""
    upstream = await stand.upstream()
    upstream.on("*", b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n")
    return upstream


@pytest.fixture
async def up(stand, later) -> Upstream:
    upstream = await stand.upstream()
    upstream.on("/openapi.json", as_json(DOCUMENT))
    upstream.on("/rpc", calc)
    await stand.gate(CONFIG.format(url=upstream.url, later=later.url))
    upstream.asked.clear()
    return upstream


ADD = {"jsonrpc": "2.0", "method": "add", "id": 1}

JUDGED = {
    "everything": ("lab", "GET", "/tiles/tiles/7", 200),
    "the path alone": ("paths", "GET", "/tiles/tiles/7", 403),
    "the method alone": ("methods", "GET", "/tiles/tiles/7", 403),
    "path and method": ("readers", "GET", "/tiles/tiles/7", 200),
    "HEAD where GET is allowed": ("readers", "HEAD", "/tiles/tiles/7", 200),
    "another verb": ("readers", "PUT", "/tiles/tiles/7", 403),
    "another method": ("readers", "GET", "/tiles/tiles/special", 403),
    "that method as it might be spelled": ("readers", "GET", "/tiles/tiles/%73pecial", 403),
    "that method behind two slashes": ("readers", "GET", "/tiles//tiles//special", 403),
    "that method in capitals is another tile": ("readers", "GET", "/tiles/tiles/SPECIAL", 200),
    "what is not described": ("readers", "GET", "/tiles/other", 403),
    "a deeper path is not described": ("readers", "GET", "/tiles/tiles/7/more", 403),
    "a slash more is not described": ("readers", "GET", "/tiles/tiles/7/", 403),
    "service.http is what is not described": ("rest", "GET", "/tiles/other", 200),
    "service.http with any verb": ("rest", "DELETE", "/tiles/other", 200),
    "service.http is not what is described": ("rest", "GET", "/tiles/tiles/7", 403),
    "a verb that is not described": ("rest", "DELETE", "/tiles/tiles/7", 200),
    "below a longer mount": ("rest", "GET", "/tiles/inner/x", 403),
    "below the mount of another": ("readers", "GET", "/plain/x", 403),
    "at the root": ("lab", "GET", "/anything", 200),
}


@pytest.mark.parametrize(("group", "verb", "target", "status"), JUDGED.values(), ids=list(JUDGED))
async def test_path_and_method_must_both_be_allowed(stand, up, group, verb, target, status):
    caller = stand.caller(group)
    answer = await caller.ask(verb, target)
    assert answer.status == status
    assert len(up.asked) == (status == 200)
    if status == 403 and verb != "HEAD":
        assert answer.fault == "Forbidden"
    again = await caller.ask(verb, target)
    assert again.status == status, "what is remembered decides alike"


PUBLIC = {
    "/plain/public/x": 200,
    "/plain/public": 200,
    "/plain/public/": 200,
    "/plain/%70ublic/x": 200,
    "//plain//public//x": 200,
    "/plain/public/..%2fsecret": 400,
    "/plain/public/../secret": 400,
    "/plain/public/%2e%2e/secret": 400,
    "/plain/public/%2E./secret": 400,
    "/plain/public/..;a/secret": 400,
    "/plain/public%2f..%2fsecret": 400,
    "/plain/public%5c..%5csecret": 400,
    "/plain/public/%00": 400,
    "/plain/public/%2": 400,
    "/plain/public%20/x": 403,
    "/plain/public;x/y": 403,
    "/plain/PUBLIC/x": 403,
    "/plain/public%252f..%252fsecret": 403,
    "/plain/secret": 403,
    "/plain/secret?/public/": 403,
    "/plain/x/plain/public/y": 403,
}


async def test_no_spelling_of_a_path_evades_what_is_allowed(stand, up):
    caller = stand.caller("public")
    for target, status in PUBLIC.items():
        for _ in range(2):
            answer = await caller.get(target)
            assert answer.status == status, target
    # Each allowed one was sent twice, as it was written.
    assert [one.target for one in up.asked[::2]] == [
        "/public/x",
        "/public",
        "/public/",
        "/%70ublic/x",
        "//public//x",
    ]


async def test_who_comes_without_a_token_is_anonymous_where_the_file_says_so_and_policies_decide(stand, up):
    nobody = stand.nobody()
    assert (await nobody.get("/plain/open/x")).status == 200
    assert (await nobody.get("/plain/open/x/y")).status == 403
    assert (await nobody.ask("POST", "/plain/open/x", body=b"x")).status == 403
    assert (await nobody.get("/tiles/tiles/7")).status == 403


async def test_credentials_of_another_scheme_pass_to_the_upstream_and_are_none_of_the_gates(stand, up):
    basic = "Basic " + base64.b64encode(b"ada:secret").decode()
    assert (await stand.nobody().get("/plain/open/x", f"Authorization: {basic}")).status == 200
    assert up.asked[-1].values("Authorization") == [basic.encode()]
    assert (await stand.nobody().get("/tiles/tiles/7", f"Authorization: {basic}")).status == 403


async def test_the_gates_token_stands_beside_a_credential_for_the_upstream_and_ends_here(stand, up):
    caller = stand.caller("lab")
    for foreign in ("Bearer of-the-upstreams-own", "Basic YTpi", "Negotiate abc"):
        fields = (f"Labgate-Token: {caller.token}", f"Authorization: {foreign}")
        assert (await stand.nobody().get("/plain/x", *fields)).status == 200
        assert up.asked[-1].values("Authorization") == [foreign.encode()]
        assert str(caller.token).encode() not in up.asked[-1].head
    assert (await caller.get("/plain/x")).status == 200
    assert up.asked[-1].values("Authorization") == []
    assert str(caller.token).encode() not in up.asked[-1].head


async def test_the_gates_token_reaches_no_upstream_though_it_is_sent_twice(stand, up):
    caller = stand.caller("lab")
    assert (await caller.get("/plain/x", f"Labgate-Token: {caller.token}")).status == 200
    assert str(caller.token).encode() not in up.asked[-1].head


@pytest.mark.parametrize("bad", ["Bearer junk", "Bearer", "Bearer a b", "bearer x,y"])
async def test_a_token_that_fails_is_401_and_never_anonymous(stand, up, bad):
    for line in (f"Authorization: {bad}", f"Labgate-Token: {bad.partition(' ')[2] or 'x'}"):
        for _ in range(2):
            answer = await stand.nobody().get("/plain/open/x", line)
            assert (answer.status, answer.fault) == (401, "Unauthenticated")
            assert answer["WWW-Authenticate"].startswith("Bearer")
    assert up.asked == []


async def test_two_different_tokens_are_401_and_the_same_twice_is_one(stand, up):
    first, second = stand.caller("lab"), stand.caller("lab", name="bob")
    own = [f"Labgate-Token: {one.token}" for one in (first, first, second)]
    assert (await stand.nobody().get("/plain/x", *own[:2])).status == 200
    assert (await stand.nobody().get("/plain/x", *own[1:])).status == 401


async def test_without_anonymous_callers_whoever_has_no_token_is_401(stand, later):
    up = await stand.upstream()
    await stand.gate(
        CONFIG.format(url=up.url, later=later.url).replace("anonymous: true", "anonymous: false")
    )
    basic = "Authorization: Basic YTpi"
    for lines in ((), (basic,)):
        answer = await stand.nobody().get("/plain/open/x", *lines)
        assert (answer.status, answer.fault) == (401, "Unauthenticated")
    assert up.to("/open/x") == []


async def test_a_local_service_is_judged_under_its_datastacks_name(stand, up):
    for group, status in (("fly", 200), ("roots", 403), ("lab", 200)):
        caller = stand.caller(group)
        assert (await caller.get("/fly1/roots/x")).status == status, group
        assert (await stand.at(caller, "fly1/roots").get("/x")).status == status, group
    assert {one.target for one in up.asked} == {"/fly/x"}


async def test_a_port_of_a_services_own_is_judged_as_its_mount(stand, up):
    reader = stand.at(stand.caller("readers"), "tiles")
    assert (await reader.get("/tiles/7")).status == 200
    assert (await reader.ask("PUT", "/tiles/7", body=b"x")).status == 403
    assert (await reader.get("/other")).status == 403
    assert (await stand.at(stand.caller("methods"), "tiles").get("/tiles/7")).status == 403
    assert [one.target for one in up.asked] == ["/tiles/7"]


async def test_a_port_of_a_services_own_carries_none_of_the_gates_paths(stand, up):
    caller = stand.at(stand.caller("lab"), "tiles")
    targets = ("/", "/openrpc.json", "/-/healthy", "/-/ready", "/mcp", "/rpc/x", "/.well-known/jwks.json")
    for target in targets:
        answer = await caller.get(target)
        assert (answer.status, answer.body[:2]) == (200, b"ok"), target
    assert [one.target for one in up.asked] == list(targets)


async def test_a_services_own_rpc_path_may_be_the_gates_name_on_its_own_port(stand, up):
    caller = stand.at(stand.caller("rpc"), "calc")
    answer = await caller.rpc("/rpc", ADD)
    assert answer.status == 403, "the path is judged as the mount's, /calc/rpc"
    caller = stand.at(stand.caller("lab"), "calc")
    assert b'"add"' in (await caller.rpc("/rpc", ADD)).body
    assert up.to("/rpc")[-1].body
    assert (await caller.call("calc.add"))["error"]["code"] == -32601, "it is the service's, not the gate's"


async def test_the_operators_listener_has_no_mounts(stand, up):
    operator = stand.at(stand.caller("lab"))
    for target in ("/tiles/tiles/7", "/plain/x", "/calc/rpc"):
        assert (await operator.get(target)).status == 404
    # What is down is asked to describe itself again meanwhile.
    assert {one.path for one in up.asked}.isdisjoint({"/tiles/7", "/x", "/rpc"})


async def test_the_longest_mount_wins_and_each_takes_its_own_off(stand, up):
    caller = stand.caller("lab")
    for target, seen in (
        ("/tiles/inner/x", "/inner/x"),
        ("/tiles/inner", "/inner"),
        ("/tiles/innermost", "/innermost"),
        ("/tiles/x/inner", "/x/inner"),
        ("/x", "/root/x"),
        ("/", "/root/"),
        ("/tile", "/root/tile"),
    ):
        await caller.get(target)
        assert up.asked[-1].target == seen


async def test_a_mount_at_the_root_leaves_the_gate_its_own_addresses_however_they_are_spelled(stand, up):
    caller = stand.caller("lab")
    assert (await caller.get("/-/healthy")).status == 200
    assert (await caller.call("calc.add"))["result"] == "add"
    assert (await caller.get("/openrpc.json")).status == 200
    seen = len(up.asked)
    for target in ("/rpc/none.such", "//rpc", "/%72pc", "/-/nothing", "/.well-known/x", "/mcp", "/mcp/x"):
        assert (await caller.get(target)).status in (400, 404, 405), target
    assert len(up.asked) == seen
    for target in ("/rpcs", "/openrpc.json2", "/--", "/x/rpc"):
        assert (await caller.get(target)).status == 200, target
    assert [one.target for one in up.asked[seen:]] == [
        "/root/rpcs",
        "/root/openrpc.json2",
        "/root/--",
        "/root/x/rpc",
    ]


async def test_a_service_that_has_not_described_itself_takes_nothing_since_nobody_knows_what_it_would_be(
    stand, up, later
):
    caller = stand.caller("lab")
    for target, body in (("/late/x", None), ("/late_rpc/api", b"{}"), ("/late_rpc/x", None)):
        answer = await caller.ask("GET" if body is None else "POST", target, body=body)
        if target != "/late_rpc/api":
            assert (answer.status, answer.fault) == (503, "Unavailable"), target
            assert answer["Retry-After"]
    answer = await caller.rpc("/late_rpc/api", ADD)
    assert (answer.status, answer.fault) == (503, "Unavailable")
    assert up.to("/x") + later.to("/x") == []
    later.on("/nowhere.json", as_json(DOCUMENT))
    assert (await stand.at(caller).ask("POST", "/-/refresh?service=late", body=b"")).status == 200
    later.on("/tiles/7", told(b"{}"))
    assert (await caller.get("/late/tiles/7")).status == 200


async def test_only_the_hosts_of_the_file_reach_a_service(stand, later):
    up = await stand.upstream()
    await stand.gate("hosts: [gate.lab.org]\n" + CONFIG.format(url=up.url, later=later.url))
    caller = stand.caller("lab")
    for host, status in (("gate.lab.org", 200), ("GATE.lab.org:80", 200), ("evil.org", 421), ("", 421)):
        for one in (caller, stand.at(caller, "fly1/roots")):
            target = "/plain/x" if one is caller else "/x"
            assert (await one.get(target, host=host or "127.0.0.1")).status == status, host


async def test_trace_ends_at_the_gate_since_its_answer_would_tell_what_only_the_service_may_see(stand):
    up = await stand.upstream()
    await stand.gate(
        f"""\
        policies:
          - {{to: ["group:lab"], allow: ["*", "/**"]}}
        services:
          plain: {{dialect: listed, url: "{up.url}", mount: /plain, headers: {{License-ID: s3cret}}}}
        """
    )
    caller = stand.caller("lab")
    answer = await caller.ask("TRACE", "/plain/x")
    assert (answer.status, answer.fault) == (405, "MethodNotAllowed")
    assert "TRACE" not in answer["Allow"]
    assert up.asked == []
    assert (await caller.get("/plain/x")).status == 200
    assert up.asked[0].values("License-ID") == [b"s3cret"]
