"""Fields that the gate sends itself, shown by callers; and ports of a service's own where nobody is somebody."""

import json

import pytest
from mounting import as_json

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:scripts"], allow: ["jobs.*", "GET /jobs/**", "POST /jobs/**"]}}
  - {{to: ["subject:em"], allow: ["plain.*", "/plain/**"]}}
services:
  jobs:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    mount: /jobs
    headers: {{License-ID: "the-license", X-Lab: ours}}
    checked: license-id
    listen: {{address: "127.0.0.1:0", as: "group:scripts"}}
    methods: {{make_job: {{}}}}
  plain: {{dialect: listed, url: "{url}", mount: /plain, listen: {{address: "127.0.0.1:0", as: ["subject:em", "scope:x"]}}}}
  closed: {{dialect: listed, url: "{url}", mount: /closed, listen: "127.0.0.1:0"}}
"""
CALL = {"jsonrpc": "2.0", "method": "make_job", "params": [], "id": 1}


@pytest.fixture
async def up(stand):
    upstream = await stand.upstream()
    await stand.gate(CONFIG.format(url=upstream.url))
    upstream.on("/api", as_json({"result": 1, "id": 1}))
    return upstream


@pytest.mark.parametrize("target", ["/jobs/file", "/jobs/api"])
async def test_a_checked_field_that_a_caller_shows_must_be_right_and_is_never_passed_on(stand, up, target):
    ada = stand.caller("lab")

    async def status(*lines):
        answer = await (ada.rpc(target, CALL, *lines) if target.endswith("api") else ada.get(target, *lines))
        assert b"the-license" not in answer.raw
        return answer.status

    for _ in range(2):
        assert await status() == 200
        assert await status("License-Id: the-license") == 200
        assert await status("LICENSE-ID: another") == 403
        assert await status("License-ID: ") == 403
        assert await status("X-Lab: theirs") == 200
    assert {tuple(one.values("License-ID")) for one in up.asked} == {(b"the-license",)}
    assert {tuple(one.values("X-Lab")) for one in up.asked} == {(b"ours",)}


async def test_a_port_may_say_who_comes_without_a_token(stand, up):
    em = stand.at(stand.nobody(), "plain")
    assert (await em.get("/x")).status == 200
    assert (await em.get("/x")).status == 200
    assert (await stand.nobody().get("/plain/x")).status == 401
    assert (await stand.at(stand.nobody(), "closed").get("/x")).status == 401
    eve = stand.at(stand.caller("guests", name="eve"), "plain")
    assert (await eve.get("/x")).status == 403
    bad = stand.at(stand.caller("lab"), "plain")
    bad.token += "x"
    assert (await bad.get("/x")).status == 401
    assert all(b"Bearer" not in one.head for one in up.asked)
    mine = stand.at(stand.nobody(), "plain")
    mine.token = "the-services-own"
    for _ in range(2):
        assert (await mine.get("/x")).status == 200
        assert up.asked[-1].values("Authorization") == [b"Bearer the-services-own"]
        assert not up.asked[-1].values("Labgate-Token")


@pytest.mark.parametrize(
    ("lines", "host", "status"),
    [
        (("Origin: http://evil.example",), None, 401),
        (("Origin: null",), None, 401),
        (("Sec-Fetch-Site: same-origin",), None, 401),
        ((), "evil.example", 421),
        ((), "localhost:8001", 200),
    ],
)
async def test_no_page_comes_in_where_programs_need_no_token(stand, up, lines, host, status):
    em = stand.at(stand.nobody(), "plain")
    answer = await em.get("/x", *lines, **({} if host is None else {"host": host}))
    assert answer.status == status


async def test_where_a_field_is_checked_it_is_what_programs_show_instead_of_a_token(stand, up):
    script = stand.at(stand.nobody(), "jobs")
    for _ in range(2):
        assert (await script.rpc("/api", CALL)).status == 401
        answer = await script.rpc("/api", CALL, "License-ID: the-license")
        assert (answer.status, json.loads(answer.body)["result"]) == (200, 1)
        assert (await script.rpc("/api", CALL, "License-ID: another")).status == 403
        assert (await script.get("/file", "License-ID: the-license")).status == 200
        assert (await script.get("/file")).status == 401
        assert (await script.ask("DELETE", "/file", "License-ID: the-license")).status == 403


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("listen: {address: '0.0.0.0:8001', as: 'group:x'}", "listen.as"),
        ("listen: {address: '127.0.0.1:8001', as: 'everybody'}", "listen.as"),
        ("listen: {address: '127.0.0.1:8001', as: 'authenticated'}", "listen.as"),
        ("checked: License-ID", "services.jobs.checked"),
    ],
)
async def test_a_port_or_a_check_that_cannot_be_is_refused_with_its_place(gate_of, settings, words):
    from gateway.settings import SettingsError

    text = f"behind_proxy: true\nservices:\n  jobs: {{dialect: listed, url: 'http://127.0.0.1:1', mount: /jobs, {settings}}}\n"
    with pytest.raises(SettingsError) as caught:
        async with gate_of(text):
            pass
    assert words in str(caught.value)
