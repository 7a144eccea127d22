"""What the console's panels for operators ask of the gate, by raw HTTP: tokens, policies, audit, traffic."""

import json

import pytest
from console_lab import console_lab

CALL = {"jsonrpc": "2.0", "id": 1, "method": "odd.get_value", "params": {"number": 1}}


@pytest.fixture
async def console(tmp_path):
    async with console_lab(tmp_path) as made:
        yield made


@pytest.fixture
def ada(console):
    return console.token("ada", "admins")


async def gone(console, token):
    """Wait until the gate has noticed that a token was taken back."""
    while (await console.ask("GET", "/-/whoami", token))[0] != 401:
        pass


@pytest.mark.parametrize("path", ["/-/tokens", "/-/policies", "/-/audit", "/-/traffic", "/-/methods"])
async def test_others_than_operators_are_refused_and_nobody_else_keeps_what_they_see(console, ada, path):
    assert (await console.ask("GET", path, console.token("eve", "lab")))[0] == 403
    assert (await console.ask("GET", path, None))[0] == 401
    status, fields, _ = await console.ask("GET", path, ada)
    assert (status, fields["Cache-Control"]) == (200, "no-store")
    async with console.session.get(
        "http://{}:{}{}".format(*console.gate.address, path), headers={"Authorization": f"Bearer {ada}"}
    ) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("path", "said"), [("/-/tokens", {"subject": "eve"}), ("/-/tokens/revoke", {"id": "0" * 32})]
)
async def test_what_changes_tokens_is_said_in_json_and_by_no_page_of_another_origin(console, ada, path, said):
    text = json.dumps(said).encode()
    assert (await console.ask("POST", path, ada, text, Content_Type="text/plain"))[0] == 415
    assert (await console.ask("POST", path, ada, said, Origin="https://evil.example"))[0] == 403
    assert (await console.ask("POST", path, console.token("eve", "lab"), said))[0] == 403
    assert (await console.ask("POST", path, ada, said, Origin=console.address))[0] == 200


async def test_a_token_is_shown_once_works_is_listed_without_itself_and_ends_when_it_is_revoked(console, ada):
    wish = {"subject": "zoe", "groups": ["lab"], "ttl": 600}
    status, _, made = await console.ask("POST", "/-/tokens", ada, wish)
    assert (status, made["subject"], made["groups"], made["kind"]) == (200, "zoe", ["lab"], "jwt")
    _, _, who = await console.ask("GET", "/-/whoami", made["token"])
    assert (who["subject"], who["groups"]) == ("zoe", ["lab"])
    _, _, listed = await console.ask("GET", "/-/tokens", ada)
    (row,) = [one for one in listed["tokens"] if one["subject"] == "zoe"]
    assert (row["id"], row["state"]) == (made["id"], "valid")
    assert made["token"] not in json.dumps(listed)
    _, _, revoked = await console.ask("POST", "/-/tokens/revoke", ada, {"id": made["id"][:8]})
    assert (revoked["id"], revoked["state"]) == (made["id"], "revoked")
    await gone(console, made["token"])
    assert (await console.ask("POST", "/-/tokens/revoke", ada, {"id": made["id"]}))[0] == 200


async def test_a_key_is_made_too_and_holds(console, ada):
    _, _, made = await console.ask("POST", "/-/tokens", ada, {"subject": "robot", "opaque": True})
    assert made["token"].startswith("lgk_")
    assert made["kind"] == "key"
    assert (await console.ask("GET", "/-/whoami", made["token"]))[2]["subject"] == "robot"


@pytest.mark.parametrize(
    "wish",
    [
        {"subject": "zoe", "ttl": 0.5},
        {"subject": "zoe", "ttl": 1e9},
        {"subject": "a\u0000b"},
        {"subject": "zoe", "scopes": ["a b"]},
        [],
        {"groups": ["lab"]},
    ],
)
async def test_a_token_that_the_gate_would_not_take_is_not_made(console, ada, wish):
    before = (await console.ask("GET", "/-/tokens", ada))[2]["tokens"]
    status, _, said = await console.ask("POST", "/-/tokens", ada, wish)
    assert (status, said["error"]["data"]["fault"]) == (400, "BadRequest")
    assert len((await console.ask("GET", "/-/tokens", ada))[2]["tokens"]) == len(before)


@pytest.mark.parametrize(
    "said", [{"id": "nothing"}, {"id": ""}, {"id": 1}, {}, {"id": "0" * 32, "more": 1}, [], "x"]
)
async def test_what_is_no_token_cannot_be_revoked(console, ada, said):
    assert (await console.ask("POST", "/-/tokens/revoke", ada, said))[0] == 400


async def test_the_making_of_a_token_is_written_down_and_the_token_is_not(console, ada):
    _, _, made = await console.ask("POST", "/-/tokens", ada, {"subject": "zoe"})
    records = []
    while not records:
        _, _, said = await console.ask("GET", "/-/audit", ada)
        records = [one for one in said["records"] if one.get("request") == "POST /-/tokens"]
    assert (records[0]["subject"], records[0]["kind"], records[0]["outcome"]) == ("ada", "write", "ok")
    assert made["token"] not in console.audit.read_text()


async def test_the_audit_shows_the_newest_first_and_at_most_as_many_as_are_asked_for(console, ada):
    for _ in range(3):
        await console.ask("POST", "/rpc", console.token("gil", "guests"), {**CALL, "method": "odd.set_value"})
    told = []
    while len(told) < 3:
        _, _, said = await console.ask("GET", "/-/audit?limit=500", ada)
        told = [one for one in said["records"] if one["kind"] == "refusal"]
    assert (told[0]["subject"], told[0]["method"], said["why_none"]) == ("gil", "odd.set_value", None)
    assert [one["time"] for one in told] == sorted((one["time"] for one in told), reverse=True)
    assert len((await console.ask("GET", "/-/audit?limit=2", ada))[2]["records"]) == 2
    for query in ("limit=0", "limit=x", "limit=2001", "other=1"):
        assert (await console.ask("GET", f"/-/audit?{query}", ada))[0] == 400


async def test_the_policies_say_how_much_of_each_service_they_open(console, ada):
    _, _, said = await console.ask("GET", "/-/policies", ada)
    assert [(one["number"], one["to"], one["operate"]) for one in said["policies"]] == [
        (1, ["group:admins"], True),
        (2, ["group:lab"], False),
        (3, ["group:guests"], False),
        (4, ["group:readers", "scope:odd.read"], False),
    ]
    assert said["policies"][1]["limit"] == {"rate": "500/s"}
    assert said["services"] == [{"service": "odd", "methods": 7, "allowed": [7, 7, 1, 1]}]
    assert "principal" not in said


async def test_the_policies_say_what_somebody_may_do_as_the_gate_would_decide_it(console, ada):
    _, _, said = await console.ask("GET", "/-/policies?subject=gil&group=guests&service=odd", ada)
    who = said["principal"]
    assert (who["policies"], who["operates"], who["services"]) == (
        [3],
        False,
        [{"service": "odd", "allowed": 1}],
    )
    assert who["methods"]["odd.get_value"] == 3
    assert who["methods"]["odd.set_value"] is None
    for name, number in who["methods"].items():
        _, _, answer = await console.ask(
            "POST", "/rpc", console.token("gil", "guests"), {**CALL, "method": name}
        )
        refused = answer.get("error", {}).get("data", {}).get("fault") in ("Forbidden", "UnknownMethod")
        assert refused == (number is None), name
    _, _, nobody = await console.ask("GET", "/-/policies?anonymous=1", ada)
    assert nobody["principal"]["policies"] == []
    for query in ("service=odd", "subject=a&service=none", "stray=1"):
        assert (await console.ask("GET", f"/-/policies?{query}", ada))[0] == 400


async def test_the_traffic_counts_what_callers_do(console, ada):
    token = console.token("eve", "lab")
    for _ in range(4):
        await console.ask("POST", "/rpc", token, CALL)
    _, _, said = await console.ask("GET", "/-/traffic", ada)
    mine = said["methods"]["odd.get_value"]
    assert (mine["calls"]["miss"], mine["calls"]["hit"], mine["hit_ratio"]) == (1, 3, 0.75)
    assert said["services"]["odd"]["durations"][-1] == [None, 4]
    assert mine["bytes"]["cache"] > 0
    assert said["connections"] >= 1
    assert said["time"] > 1_000_000_000


async def test_where_the_gate_takes_no_tokens_of_its_own_it_makes_none(tmp_path):
    identity = "identity: {local_tokens: false, anonymous: true}"
    async with console_lab(tmp_path, identity=identity) as console:
        assert (await console.ask("GET", "/-/tokens", None))[0] == 404
        assert (await console.ask("POST", "/-/tokens", None, {"subject": "eve"}))[0] == 404


async def test_where_no_audit_log_is_kept_it_is_said_what_begins_one(gate_of, token_for):
    import aiohttp

    async with (
        gate_of('policies: [{to: ["group:admins"], allow: ["*"], operate: true}]\n') as gate,
        aiohttp.ClientSession() as session,
    ):
        headers = {"Authorization": f"Bearer {token_for('ada', 'admins')}"}
        async with session.get(
            "http://{}:{}/-/audit".format(*gate.operator_address), headers=headers
        ) as answer:
            said = await answer.json()
    assert said["records"] == []
    assert "telemetry" in said["why_none"]


async def test_each_method_of_the_last_minutes_is_told_with_what_came_through_a_mount_beside_it(console, ada):
    for _ in range(4):
        await console.ask("POST", "/rpc", ada, CALL)
    await console.ask("POST", "/rpc", ada, {**CALL, "method": "odd.set_value"})
    mount = "http://{}:{}/odd/nothing".format(*console.gate.address)
    async with console.session.get(mount, headers={"Authorization": f"Bearer {ada}"}) as answer:
        await answer.read()
    status, _, said = await console.ask("GET", "/-/methods?sort=name", ada)
    rows = {one["method"]: one for one in said["rows"]}
    assert (status, list(rows)) == (200, ["odd.get_value", "odd.http", "odd.set_value"])
    assert (rows["odd.get_value"]["calls"], rows["odd.get_value"]["cached"]) == (4, 0.75)
    assert rows["odd.get_value"]["p50"] <= rows["odd.get_value"]["p99"]
    assert said["all"]["calls"] == said["found"] + 3 == 6
    _, _, said = await console.ask("GET", "/-/methods?by=service&since=900", ada)
    assert [(one["service"], one["calls"]) for one in said["rows"]] == [("odd", 6)]
    _, _, said = await console.ask("GET", "/-/methods?find=VALUE&sort=calls&order=asc&limit=1", ada)
    assert ([one["method"] for one in said["rows"]], said["found"]) == (["odd.set_value"], 2)


@pytest.mark.parametrize(
    "query",
    ["since=0", "since=901", "since=nan", "since=x", "by=user", "sort=p42", "order=up", "limit=0", "limit=x", "other=1"],
)  # fmt: skip
async def test_what_cannot_be_asked_of_the_methods_is_refused_with_what_can(console, ada, query):
    status, _, said = await console.ask("GET", f"/-/methods?{query}", ada)
    assert (status, said["error"]["data"]["fault"]) == (400, "BadRequest")
