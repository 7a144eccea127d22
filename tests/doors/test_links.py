"""Tokens that users leave with the gate: for their own calls, told to nobody, gone when they are taken back."""

import json

import pytest
from mounting import as_json, told

CONFIG = """\
identity:
  introspection: [{{kind: middle_auth, url: "{auth}/auth"}}]
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  data: {{dialect: listed, url: "{up}", mount: /data, bearer: linked, vouched_by: "{auth}/auth"}}
  plain: {{dialect: listed, url: "{up}", mount: /plain}}
  calls:
    dialect: listed
    url: "{up}"
    bearer: linked
    methods: {{get_x: {{http: "GET /x", cache: {{fresh: 1h}}}}}}
"""
SECRET = "0123456789abcdef0123456789abcdef"


class Lab:
    def __init__(self, stand, auth, up):
        self.stand, self.auth, self.up = stand, auth, up

    async def link(self, caller, service="data", token=SECRET, kind="text/plain"):
        return await caller.ask("PUT", f"/-/links/{service}", f"Content-Type: {kind}", body=token.encode())


@pytest.fixture
async def lab(stand):
    lab = Lab(stand, await stand.upstream(), await stand.upstream())

    async def knows(asked):
        known = asked.values("Authorization") == [f"Bearer {SECRET}".encode()]
        return as_json({"id": 1, "email": "a@b"}) if known else told(b"", status="401 No")

    lab.auth.on("/auth/api/v1/user/cache", knows)
    lab.up.on("/x", as_json([1]))
    await stand.gate(CONFIG.format(auth=lab.auth.url, up=lab.up.url))
    return lab


async def test_a_linked_token_is_sent_with_its_users_requests_and_with_nobody_elses(lab):
    ada, eve = lab.stand.caller("lab"), lab.stand.caller("lab", name="eve")
    refused = await ada.get("/data/x")
    assert (refused.status, refused.fault) == (403, "Forbidden")
    assert 'labgate.link(lab, "data")' in json.loads(refused.body)["error"]["message"]
    assert (await lab.link(ada)).status == 204
    for _ in range(2):
        assert (await ada.get("/data/x")).status == 200
    assert (await eve.get("/data/x")).status == 403
    assert (await ada.get("/plain/x")).status == 200
    assert [one.values("Authorization") for one in lab.up.asked] == [[f"Bearer {SECRET}".encode()]] * 2 + [[]]


async def test_what_was_stored_with_a_token_ends_when_the_token_is_taken_back(lab):
    ada = lab.stand.caller("lab")
    assert (await lab.link(ada, "calls")).status == 204
    for _ in range(2):
        assert (await ada.call("calls.get_x"))["result"] == [1]
    assert len(lab.up.to("/x")) == 1
    assert (await ada.ask("DELETE", "/-/links/calls")).status == 204
    assert (await ada.call("calls.get_x"))["error"]["data"]["fault"] == "Forbidden"
    assert (await ada.ask("DELETE", "/-/links/calls")).status == 404
    assert (await lab.link(ada, "calls", "another-token")).status == 204
    assert (await ada.call("calls.get_x"))["result"] == [1]
    assert lab.up.to("/x")[-1].values("Authorization") == [b"Bearer another-token"]


async def test_links_are_told_without_the_token_and_to_their_owner_alone(lab, tmp_path):
    ada, eve = lab.stand.caller("lab"), lab.stand.caller("lab", name="eve")
    await lab.link(ada)
    one, every = await ada.get("/-/links/data"), await ada.get("/-/links")
    assert json.loads(one.body)["linked"]
    assert [each["service"] for each in json.loads(every.body)["links"]] == ["data"]
    assert SECRET.encode() not in one.raw + every.raw
    missing = await eve.get("/-/links/data")
    assert (missing.status, json.loads(missing.body)["error"]["data"]["linked"]) == (404, False)
    assert json.loads((await eve.get("/-/links")).body) == {"links": []}
    assert (await lab.stand.nobody().get("/-/links")).status == 401
    for name in ("links.json", "links.key"):
        file = tmp_path / "state" / name
        assert file.stat().st_mode & 0o077 == 0
        assert SECRET.encode() not in file.read_bytes()
        assert b"ada" not in file.read_bytes()


@pytest.mark.parametrize(
    ("service", "token", "kind", "status"),
    [
        ("plain", SECRET, "text/plain", 404),
        ("nothing", SECRET, "text/plain", 404),
        ("data", "f" * 32, "text/plain", 400),
        ("data", "two words", "text/plain", 400),
        ("data", "", "text/plain", 400),
        ("data", SECRET, "application/json", 415),
        ("data", "x" * 9000, "text/plain", 413),
    ],
)
async def test_what_is_no_token_of_the_service_is_not_linked(lab, service, token, kind, status):
    ada = lab.stand.caller("lab")
    answer = await lab.link(ada, service, token, kind)
    assert answer.status == status
    assert token == "" or token.encode() not in answer.raw
    assert json.loads((await ada.get("/-/links")).body) == {"links": []}


@pytest.mark.parametrize("damage", ["key", "file", "record", "open"])
async def test_links_that_cannot_be_read_are_a_clear_fault_and_stop_nobody_else(
    lab, tmp_path, damage, caplog
):
    ada = lab.stand.caller("lab")
    await lab.link(ada)
    folder = tmp_path / "state"
    match damage:
        case "key":
            (folder / "links.key").write_bytes(b"x" * 32)
        case "file":
            (folder / "links.json").write_text("{")
        case "record":
            said = json.loads((folder / "links.json").read_text())
            (folder / "links.json").write_text(json.dumps({name: {"since": 1} for name in said}))
        case "open":
            (folder / "links.json").chmod(0o644)
    if damage in ("key", "open"):
        text = (folder / "links.json").read_text()
        (folder / "links.json").write_text(text + " ")
    answer = await ada.get("/data/x")
    assert (answer.status, answer.fault) == (503, "Unavailable")
    assert "linked tokens" in caplog.text
    assert SECRET not in caplog.text
    assert (await ada.get("/plain/x")).status == 200
