"""Tokens that say nothing of themselves: who vouches for them, where may they stand, and who is sent them?"""

import json
from urllib.parse import parse_qs

import pytest
from mounting import as_json, told, until

from gateway.core.vouching import token_id

CONFIG = """\
identity:
  introspection: [{{kind: middle_auth, url: "{auth}/auth", fresh: {fresh}, stale: {stale}, stand_in: {stand_in}}}]
policies:
  - {{to: ["scope:view:minnie"], allow: ["*", "/**"]}}
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  data: {{dialect: listed, url: "{up}", mount: /data, forward_token: true, vouched_by: "{auth}/auth"}}
  other: {{dialect: listed, url: "{up}", mount: /other}}
  own: {{dialect: listed, url: "{up}", mount: /own, bearer: gate, token: the-gates-own}}
  calls:
    dialect: listed
    url: "{up}"
    forward_token: true
    vouched_by: "{auth}/auth"
    methods: {{get_x: {{http: "GET /x/{{id}}", params: [id], cache: {{fresh: 1h, share: authorized, authorized: "view:{{params.id}}"}}}}}}
  cave: {{dialect: cave, url: "{auth}", mount: /cave, forward_token: true}}
"""
ADA = "0123456789abcdef0123456789abcdef"
EVE = "f" * 32
CACHE = "/auth/api/v1/user/cache"


def user(number: int = 7, **more: object) -> dict[str, object]:
    return {
        "id": number,
        "email": f"user{number}@lab.org",
        "groups": ["proofreaders"],
        "permissions": {"minnie": 1},
        "permissions_v2": {"minnie": ["view"], "secret": ["view", "edit"]} if number == 7 else {},
        "missing_tos": [],
        **more,
    }


class Lab:
    def __init__(self, stand, auth, up) -> None:
        self.stand, self.auth, self.up = stand, auth, up
        self.users = {ADA: user()}

    async def answer(self, asked):
        (shown,) = asked.values("Authorization")
        found = self.users.get(shown.decode().removeprefix("Bearer "))
        return told(b"no", status="401 Unauthorized") if found is None else as_json(found)

    def who(self, token: str | None):
        caller = self.stand.nobody()
        caller.token = token
        return caller

    @property
    def questions(self) -> int:
        return len(self.auth.to(CACHE))


@pytest.fixture
async def lab(stand) -> Lab:
    return await made(stand)


async def made(stand, fresh: str = "1h", stale: str = "1h", stand_in: str = "false") -> Lab:
    lab = Lab(stand, await stand.upstream(), await stand.upstream())
    lab.auth.on(CACHE, lab.answer)
    await stand.gate(
        CONFIG.format(auth=lab.auth.url, up=lab.up.url, fresh=fresh, stale=stale, stand_in=stand_in)
    )
    return lab


async def test_a_verdict_costs_one_question_however_often_the_token_is_shown(lab):
    ada = lab.who(ADA)
    for _ in range(5):
        assert (await ada.get("/data/x")).status == 200
        assert (await ada.call("rpc.discover"))["result"]["openrpc"]
    assert lab.questions == 1


async def test_what_the_auth_service_refuses_is_401_and_asked_about_no_more_for_a_while(lab):
    eve = lab.who(EVE)
    for _ in range(3):
        answer = await eve.get("/data/x")
        assert (answer.status, answer.fault) == (401, "Unauthenticated")
        assert EVE.encode() not in answer.raw
    assert lab.questions == 1
    assert not lab.up.asked


async def test_only_terms_that_were_accepted_are_rights(lab):
    lab.users[ADA] = user(8, permissions_v2_ignore_tos={"minnie": ["view"]})
    assert (await lab.who(ADA).get("/data/x")).status == 403


async def test_a_callers_own_token_is_sent_to_the_service_whose_issuer_vouched_for_it_and_to_nobody_else(lab):
    ada = lab.who(ADA)
    assert (await ada.get("/data/x")).status == 200
    assert (await ada.get("/other/x")).status == 200
    assert (await ada.get("/own/x")).status == 200
    assert [one.values("Authorization") for one in lab.up.asked] == [
        [f"Bearer {ADA}".encode()],
        [],
        [b"Bearer the-gates-own"],
    ]
    local = lab.stand.caller("lab")
    answer = await local.get("/data/x")
    assert (answer.status, answer.fault) == (403, "Forbidden")
    assert (await local.get("/other/x")).status == 200
    assert all(local.token.encode() not in one.head for one in lab.up.asked)


async def test_a_call_is_carried_out_with_the_callers_token_and_shared_with_those_who_have_the_right(lab):
    lab.users[EVE] = user(9, permissions_v2={"minnie": ["view"]})
    ada, eve = lab.who(ADA), lab.who(EVE)
    lab.up.on("/x/minnie", as_json({"a": 1}))
    lab.up.on("/x/secret", as_json({"b": 2}))
    for caller in (ada, eve):
        assert (await caller.call("calls.get_x", {"id": "minnie"}))["result"] == {"a": 1}
        assert (await caller.call("calls.get_x", {"id": "secret"}))["result"] == {"b": 2}
    assert [one.values("Authorization")[0][-4:].decode() for one in lab.up.to("/x/minnie")] == [ADA[-4:]]
    assert [one.values("Authorization")[0][-4:].decode() for one in lab.up.to("/x/secret")] == [
        ADA[-4:],
        "ffff",
    ]


@pytest.mark.parametrize(
    ("lines", "query", "status"),
    [
        ((f"Cookie: middle_auth_token={ADA}",), "", 200),
        ((f"Cookie: a=b; middle_auth_token={ADA}; c=d",), "", 200),
        ((), f"?middle_auth_token={ADA}", 200),
        ((), f"?a=b&middle%5Fauth_token={ADA}&c=d", 200),
        (
            (f"Authorization: Bearer {ADA}", f"Cookie: middle_auth_token={ADA}"),
            f"?middle_auth_token={ADA}",
            200,
        ),
        ((f"Authorization: Bearer {ADA}", f"Cookie: middle_auth_token={EVE}"), "", 401),
        ((f"Authorization: Bearer {ADA}",), f"?middle_auth_token={EVE}", 401),
        ((f"Cookie: middle_auth_token={ADA}",), f"?middle_auth_token={EVE}", 401),
        ((), f"?middle_auth_token={ADA}&middle_auth_token={EVE}", 401),
        ((f"Cookie: middle_auth_token={EVE}",), "", 401),
        ((), "", 401),
    ],
)
async def test_a_token_may_stand_in_a_field_a_cookie_and_the_query_and_goes_on_in_a_field_alone(
    lab, lines, query, status
):
    lab.users[EVE] = user(9)
    if lines == (f"Cookie: middle_auth_token={EVE}",):
        del lab.users[EVE]
    for _ in range(2):  # the second time by what is remembered of the lines
        answer = await lab.who(None).get(f"/data/x{query}", *lines)
        assert answer.status == status
    for asked in lab.up.asked:
        assert asked.values("Authorization") == [f"Bearer {ADA}".encode()]
        assert asked.head.count(ADA.encode()) == 1
        assert b"middle" not in asked.head
        assert set(parse_qs(asked.target.partition("?")[2])) <= {"a", "c"}
        assert asked.values("Cookie") in ([], [b"a=b; c=d"])


async def test_a_token_in_the_query_is_no_argument_and_comes_into_no_log(lab, capsys, caplog):
    lab.up.on("/x/minnie", as_json(1))
    answer = await lab.who(None).get(f"/rpc/calls.get_x?id=minnie&middle_auth_token={ADA}")
    assert (answer.status, answer.body) == (200, b"1")
    assert [one.target for one in lab.up.asked] == ["/x/minnie"]
    out = capsys.readouterr()
    assert ADA not in out.out + out.err + caplog.text


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 403),
        (("Origin: https://evil.example",), 403),
        (("Origin: null",), 403),
        (("Origin: http://127.0.0.1:{port}",), 200),
        (("Sec-Fetch-Site: same-origin",), 200),
        (("Sec-Fetch-Site: cross-site",), 403),
    ],
)
async def test_a_cookie_alone_lets_no_foreign_page_change_anything(lab, lines, status):
    who = lab.who(None)
    lines = [line.format(port=who.port) for line in lines]
    cookie = f"Cookie: middle_auth_token={ADA}"
    assert (await who.ask("POST", "/data/x", cookie, *lines, body=b"1")).status == status
    answer = await who.rpc("/rpc", {"jsonrpc": "2.0", "method": "rpc.discover", "id": 1}, cookie, *lines)
    assert (answer.status == 200) == (status == 200)
    assert (await who.get("/data/x", cookie, *lines)).status == 200


async def test_a_token_that_is_taken_back_at_the_gate_ends_within_a_second(lab, tmp_path):
    ada = lab.who(ADA)
    assert (await ada.get("/data/x")).status == 200
    from gateway.identity.ledger import record_revoked

    record_revoked(tmp_path / "state", token_id(ADA), 0.0)

    async def refused() -> bool:
        return (await ada.get("/data/x")).status == 401

    for _ in range(200):
        if await refused():
            break
        import asyncio

        await asyncio.sleep(0.01)
    assert await refused()


@pytest.mark.parametrize(
    "trouble",
    [
        told(b"", status="500 Oh"),
        told(b"", "Location: https://evil.example", status="302 Found"),
        told(b"<html>", "Content-Type: text/html"),
        as_json([1]),
        as_json({"id": "7"}),
        as_json({"id": -1}),
        as_json({"id": 7, "groups": "all"}),
        told(b"[" * 100_000),
        told(b" " * (1 << 20) + b"{}"),
        None,
    ],
)
async def test_an_auth_service_that_fails_or_lies_refuses_nobody_for_good_and_admits_nobody(lab, trouble):
    async def failing(asked):
        return trouble

    lab.auth.on(CACHE, failing)
    answer = await lab.who(ADA).get("/data/x")
    assert (answer.status, answer.fault) == (503, "Unavailable")
    assert answer["Retry-After"]
    lab.auth.on(CACHE, lab.answer)
    assert (await lab.who(ADA).get("/data/x")).status == 200


async def test_the_last_word_holds_while_the_auth_service_is_down_and_for_no_longer(stand, caplog):
    lab = await made(stand, fresh="200ms", stale="500ms")
    ada = lab.who(ADA)
    assert (await ada.get("/data/x")).status == 200

    async def down(asked):
        return None

    lab.auth.on(CACHE, down)
    ended = []

    async def over() -> bool:
        ended.append((await ada.get("/data/x")).status)
        return ended[-1] == 503

    import asyncio

    for _ in range(400):
        if await over():
            break
        await asyncio.sleep(0.01)
    assert ended[-1] == 503
    assert ended.count(200) > 5
    assert caplog.text.count("does not vouch for tokens at present") == 1


async def test_the_gate_stands_in_for_the_auth_service(stand):
    lab = await made(stand, stand_in="true")
    ada, local = lab.who(ADA), lab.stand.caller("lab", "em")
    said = json.loads((await ada.get("/cave/auth/api/v1/user/cache")).body)
    assert said == user()
    again = await ada.get("/cave/auth/api/v1/user/cache")
    assert json.loads(again.body) == user()
    assert again["Content-Type"] == "application/json"
    assert lab.questions == 1
    mine = json.loads((await local.get("/cave/auth/api/v1/user/cache")).body)
    assert (mine["email"], mine["groups"], mine["admin"]) == ("ada", ["lab", "em"], False)
    assert mine["id"] > 0
    assert (await lab.who(EVE).get("/cave/auth/api/v1/user/cache")).status == 401


async def test_without_stand_in_the_question_goes_to_the_auth_service(lab):
    assert json.loads((await lab.who(ADA).get("/cave/auth/api/v1/user/cache")).body)["id"] == 7
    await until(lambda: lab.questions == 2)
