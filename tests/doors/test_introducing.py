"""How is a service told who asks? In a field that the gate signs, by an exchanged token, or as the gate's own account."""

import asyncio
import base64
import json
import time
from urllib.parse import parse_qs

import jwt
import pytest
from mounting import as_json, told, until

SETTINGS = """\
{more}
policies:
  - {{to: ["group:lab", "group:crew"], allow: ["*", "/**"]}}
services:
  told:
    dialect: listed
    url: "{up}"
    mount: /told
    identity: true
    methods: {{get_x: {{http: "GET /x", safe: true, cache: {{fresh: 1h}}}}}}
  named: {{dialect: listed, url: "{up}", mount: /named, identity: {{header: X-Who, audience: "https://up", claims: groups}}}}
  plain: {{dialect: listed, url: "{up}", mount: /plain}}
  swapped:
    dialect: listed
    url: "{up}"
    mount: /swapped
    exchange:
      url: "{login}/token"
      client_id: labgate
      client_secret: s3cret
      audience: swapped
      scope: [a, b]
      issuers: [labgate]
    methods: {{get_x: {{http: "GET /x"}}}}
  robot:
    dialect: listed
    url: "{up}"
    mount: /robot
    bearer: gate
    client_credentials: {{url: "{login}/token", client_id: robot, client_secret: s3cret, auth: post, scope: x}}
    methods: {{get_x: {{http: "GET /x"}}}}
"""


class Login:
    """An authorization server that grants a token for every form; `life` is what it says of it, `trouble` what it answers else."""

    def __init__(self, server) -> None:
        self.server = server
        self.life: object = 3600
        self.trouble: bytes | None = None
        self.free = asyncio.Event()
        self.free.set()
        server.on("/token", self.answer)

    async def answer(self, asked):
        await self.free.wait()
        if self.trouble is not None:
            return self.trouble
        grant = {"access_token": f"granted-{len(self.forms)}", "token_type": "Bearer"}
        return as_json(grant if self.life is None else grant | {"expires_in": self.life})

    @property
    def forms(self) -> list[dict[str, str]]:
        return [
            {name: value for name, (value,) in parse_qs(one.body.decode(), strict_parsing=True).items()}
            for one in self.server.to("/token")
        ]


class Lab:
    def __init__(self, stand, up, login) -> None:
        self.stand, self.up, self.login = stand, up, login

    @property
    def gate(self):
        return self.stand.running

    def shown(self, name: str = "Authorization") -> list[list[str]]:
        """What the upstream was sent in this field, request by request."""
        return [[value.decode() for value in one.values(name)] for one in self.up.asked]

    async def verified(self, token: str, audience: str, issuer: str = "labgate") -> dict:
        """What a token says, by the key that the gate publishes."""
        keys = json.loads((await self.stand.nobody().get("/.well-known/jwks.json")).body)["keys"]
        key = next(key for key in keys if key["kid"] == jwt.get_unverified_header(token)["kid"])
        return jwt.decode(token, jwt.PyJWK(key), algorithms=["EdDSA"], audience=audience, issuer=issuer)

    def later(self, seconds: float) -> None:
        """Let the gate's introductions take it to be so much later."""
        offset = self.gate.introductions._wall
        self.gate.introductions._wall = lambda: offset() + seconds


@pytest.fixture
def lab(stand):
    async def made(more: str = "", settings: str = SETTINGS) -> Lab:
        lab = Lab(stand, await stand.upstream(), Login(await stand.upstream()))
        await stand.gate(settings.format(up=lab.up.url, login=lab.login.server.url, more=more))
        return lab

    return made


# --- in a field


async def test_a_service_is_told_who_asks_by_a_short_token_for_it_alone(lab):
    lab = await lab()
    ada = lab.stand.caller("lab")
    assert (await ada.get("/told/x")).status == 200
    assert "error" not in await ada.call("told.get_x")
    for ((token,),) in zip(lab.shown("Labgate-Identity"), strict=True):
        said = await lab.verified(token, "told")
        assert (said["sub"], said["idp"], said["groups"], said["scope"]) == ("ada", "labgate", ["lab"], "")
        assert 0 < said["exp"] - said["iat"] <= 60
        assert jwt.get_unverified_header(token)["typ"] == "identity+jwt"
    assert lab.shown() == [[], []], "the caller's own token goes to nobody"


async def test_the_field_the_audience_and_what_it_says_are_the_operators(lab):
    lab = await lab("public_url: https://gate.lab.org")
    await lab.stand.caller("lab").get("/named/x")
    ((token,),) = lab.shown("X-Who")
    said = await lab.verified(token, "https://up", "https://gate.lab.org")
    assert said["groups"] == ["lab"]
    assert "scope" not in said


async def test_what_a_caller_writes_in_that_field_reaches_nobody(lab):
    lab = await lab()
    ada = lab.stand.caller("lab")
    forged = ada.token
    for lines in (
        (f"Labgate-Identity: {forged}",),
        (f"labgate-identity: {forged}",),
        (f"Labgate_Identity: {forged}",),
    ):
        assert (await ada.get("/told/x", *lines, "Cache-Control: no-cache")).status == 200
    for one in lab.up.asked:
        assert forged.encode() not in one.head
        assert len(one.values("Labgate-Identity")) == 1


async def test_the_token_that_services_are_told_by_is_none_for_the_gate(lab):
    lab = await lab()
    ada = lab.stand.caller("lab")
    await ada.get("/told/x")
    ((token,),) = lab.shown("Labgate-Identity")
    ada.token = token
    refused = await ada.get("/told/x")
    assert (refused.status, refused.fault) == (401, "Unauthenticated")


async def test_nobody_is_introduced_as_nobody(lab):
    lab = await lab(
        "identity: {anonymous: true}", SETTINGS.replace('"group:crew"', '"group:crew", anonymous')
    )
    nobody = lab.stand.nobody()
    for path in ("/told/x", "/swapped/x"):
        assert (await nobody.get(path)).status == 200
    assert lab.shown("Labgate-Identity") == lab.shown() == [[], []]
    assert not lab.login.forms


async def test_a_service_that_is_told_nothing_gets_nothing(lab):
    lab = await lab()
    await lab.stand.caller("lab").get("/plain/x")
    assert lab.shown("Labgate-Identity") == lab.shown() == [[]]


async def test_what_one_caller_is_told_is_kept_for_the_same_rights_of_the_same_caller_alone(lab):
    lab = await lab()
    ada, bob = lab.stand.caller("lab"), lab.stand.caller("lab", name="bob")
    more = lab.stand.caller("lab", "crew")  # ada again, who may do more
    assert not (await ada.get("/told/x")).hit
    assert (await ada.get("/told/x")).hit
    assert not (await bob.get("/told/x")).hit
    assert not (await more.get("/told/x")).hit
    assert (await more.get("/told/x")).hit
    assert len(lab.up.asked) == 3


async def test_an_operator_is_told_what_is_kept_for_somebody_elses_rights(lab):
    lab = await lab("", SETTINGS.replace('allow: ["*", "/**"]', 'allow: ["*", "/**"], operate: true'))
    ada, crew = lab.stand.caller("lab"), lab.stand.caller("crew", name="bob")
    await ada.call("told.get_x")
    for groups, outcome in ((["lab"], "hit"), (["lab", "crew"], "miss")):
        said = {"method": "told.get_x", "as": {"subject": "ada", "groups": groups}}
        answer = await lab.stand.at(crew).rpc("/-/explain", said)
        assert json.loads(answer.body)["outcome"] == outcome


async def test_public_replies_of_a_service_that_sees_who_asks_are_for_that_caller_alone(lab):
    lab = await lab()
    lab.up.on("/pub", b"HTTP/1.1 200 OK\r\nCache-Control: public, max-age=600\r\nContent-Length: 2\r\n\r\nhi")
    ada, bob = lab.stand.caller("lab"), lab.stand.caller("lab", name="bob")
    await ada.get("/told/pub")
    assert (await ada.get("/told/pub")).hit
    assert not (await bob.get("/told/pub")).hit


async def test_a_token_for_a_service_is_made_anew_before_it_ends(lab):
    lab = await lab()
    ada = lab.stand.caller("lab")
    for seconds in (0, 0, 31, 31):
        lab.later(seconds)
        await ada.get("/named/x")
    tokens = [token for (token,) in lab.shown("X-Who")]
    assert len(set(tokens)) == 3
    ends = [jwt.decode(token, options={"verify_signature": False})["exp"] for token in tokens]
    assert [end - ends[0] >= least for end, least in zip(ends, (0, 0, 31, 62), strict=True)] == [True] * 4


async def test_an_upgraded_connection_is_introduced_too(lab):
    lab = await lab()
    lab.up.on("*", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    answer = await lab.stand.caller("lab").get("/told/ws", "Connection: Upgrade", "Upgrade: websocket")
    assert answer.status == 101
    ((token,),) = lab.shown("Labgate-Identity")
    assert (await lab.verified(token, "told"))["sub"] == "ada"


# --- exchanged


async def test_a_callers_token_is_exchanged_once_and_the_other_goes_to_the_service(lab):
    lab = await lab()
    ada = lab.stand.caller("lab")
    for _ in range(3):
        assert (await ada.get("/swapped/x", "Cache-Control: no-cache")).status == 200
    assert "error" not in await ada.call("swapped.get_x")
    (form,) = lab.login.forms
    said = await lab.verified(form.pop("subject_token"), f"{lab.login.server.url}/token")
    assert (said["sub"], said["groups"]) == ("ada", ["lab"])
    assert form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": "swapped",
        "scope": "a b",
    }
    (asked,) = lab.login.server.asked
    (shown,) = asked.values("Authorization")
    assert base64.b64decode(shown.removeprefix(b"Basic ")) == b"labgate:s3cret"
    assert lab.shown() == [["Bearer granted-1"]] * 4
    assert all(ada.token.encode() not in one.head for one in (*lab.up.asked, asked))


async def test_a_foreign_token_is_exchanged_as_it_is_and_another_issuers_is_not(lab, vector_world, tmp_path):
    world, table = vector_world
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(world.jwks()))
    issuer = f"{{issuer: '{table.ISSUER}', audience: labgate, jwks: '{keys}', leeway: 60s}}"
    settings = SETTINGS.replace("issuers: [labgate]", f'issuers: ["{table.ISSUER}"]')
    lab = await lab(f"identity: {{issuers: [{issuer}]}}", settings)
    ada = lab.stand.nobody()
    ada.token = world.token(groups=["lab"])
    assert (await ada.get("/swapped/x")).status == 200
    (form,) = lab.login.forms
    assert form["subject_token"] == ada.token
    assert form["subject_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert (await ada.get("/plain/x")).status == 200
    assert all(ada.token.encode() not in one.head for one in lab.up.asked)
    local = lab.stand.caller("lab")
    refused = await local.get("/swapped/x")
    assert (refused.status, refused.fault) == (403, "Forbidden")
    assert (await local.call("swapped.get_x"))["error"]["data"]["fault"] == "Forbidden"
    assert len(lab.login.forms) == 1


async def test_callers_who_wait_for_the_same_exchange_wait_for_one(lab):
    lab = await lab()
    ada = lab.stand.caller("lab")
    lab.login.free.clear()
    waiting = [asyncio.create_task(ada.get(f"/swapped/{n}")) for n in range(8)]
    await until(lambda: lab.login.forms)
    lab.login.free.set()
    assert {answer.status for answer in await asyncio.gather(*waiting)} == {200}
    assert len(lab.login.forms) == 1


async def test_every_caller_has_a_token_of_their_own_and_of_their_own_rights(lab):
    lab = await lab()
    for caller in (
        lab.stand.caller("lab"),
        lab.stand.caller("lab", name="bob"),
        lab.stand.caller("lab", "crew"),
    ):
        assert (await caller.get("/swapped/x")).status == 200
    assert lab.shown() == [["Bearer granted-1"], ["Bearer granted-2"], ["Bearer granted-3"]]


async def test_a_token_that_soon_ends_is_renewed_beside_and_one_that_ended_is_waited_for(lab):
    lab = await lab()
    lab.login.life = 1000
    ada = lab.stand.caller("lab")
    await ada.get("/swapped/1")
    lab.later(0.8 * 990)
    await ada.get("/swapped/2")
    await until(
        lambda: (
            len(lab.login.forms) == 2 and not lab.gate.introductions._exchanges["swapped"]._grants._questions
        )
    )
    await ada.get("/swapped/3")
    lab.later(1000)
    await ada.get("/swapped/4")
    assert [token for (token,) in lab.shown()] == [f"Bearer granted-{n}" for n in (1, 1, 2, 3)]


async def test_a_refused_exchange_is_the_callers_and_is_not_asked_for_again_at_once(lab):
    lab = await lab()
    lab.login.trouble = told(b'{"error":"invalid_target"}', status="400 Bad Request")
    ada = lab.stand.caller("lab")
    for _ in range(3):
        refused = await ada.get("/swapped/x")
        assert (refused.status, refused.fault) == (403, "Forbidden")
    assert (await ada.call("swapped.get_x"))["error"]["data"]["fault"] == "Forbidden"
    assert len(lab.login.forms) == 1
    assert not lab.up.asked


async def test_a_token_that_does_not_come_in_the_callers_time_is_not_waited_for_longer(lab):
    lab = await lab()
    ada = lab.stand.caller("lab")
    lab.login.free.clear()
    answer = await ada.get("/swapped/x", "Labgate-Timeout: 0.1")
    assert answer.fault == "DeadlineExceeded"
    said = {"jsonrpc": "2.0", "method": "swapped.get_x", "id": 1}
    called = json.loads((await ada.rpc("/rpc", said, "Labgate-Timeout: 0.1")).body)
    assert called["error"]["data"]["fault"] == "DeadlineExceeded"
    lab.login.free.set()
    assert (await ada.get("/swapped/x")).status == 200
    assert len(lab.login.forms) == 1, "who came later waits for the same"


async def test_what_is_stale_is_renewed_in_the_name_of_whoever_asks(lab):
    again = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=0, stale-while-revalidate=600\r\nContent-Length: 2\r\n\r\nhi"
    lab = await lab()
    lab.up.on("/pub", again)
    ada = lab.stand.caller("lab")
    await ada.get("/swapped/pub")
    assert "refreshing" in (await ada.get("/swapped/pub"))["Cache-Status"]
    await until(lambda: len(lab.up.asked) == 2)
    lab.later(5000)  # the token has ended: it is asked for beside, and the next renewal has it
    await ada.get("/swapped/pub")
    await until(lambda: len(lab.login.forms) == 2)
    await until(lambda: not len(lab.gate.flights))
    await ada.get("/swapped/pub")
    await until(lambda: len(lab.up.asked) == 3)
    assert [token for (token,) in lab.shown()] == ["Bearer granted-1", "Bearer granted-1", "Bearer granted-2"]


TROUBLES = {
    "the gate's own secret is wrong": told(b'{"error":"invalid_client"}', status="401 Unauthorized"),
    "the gate may not": told(b'{"error":"unauthorized_client"}', status="400 Bad Request"),
    "an error": told(b"oops", status="500 Internal Server Error"),
    "a redirect": told(b"", "Location: /other", status="307 Temporary Redirect"),
    "no JSON": told(b"<html>"),
    "a list": told(b"[]"),
    "no token": as_json({"token_type": "Bearer"}),
    "a token that breaks its line": as_json({"access_token": "a\r\nX: y", "token_type": "Bearer"}),
    "a token of another type": as_json({"access_token": "a", "token_type": "DPoP"}),
    "a token without a type": as_json({"access_token": "a"}),
    "an end that is no number": as_json({"access_token": "a", "token_type": "Bearer", "expires_in": "soon"}),
    "an end that is true": as_json({"access_token": "a", "token_type": "Bearer", "expires_in": True}),
    "an end in the past": as_json({"access_token": "a", "token_type": "Bearer", "expires_in": -1}),
    "very long": told(b"x" * 100_000),
}


@pytest.mark.parametrize("trouble", TROUBLES)
async def test_while_no_token_can_be_had_the_service_is_not_asked_and_the_caller_told_to_wait(
    lab, trouble, caplog
):
    lab = await lab()
    lab.login.trouble = TROUBLES[trouble]
    ada = lab.stand.caller("lab")
    for path in ("/swapped/x", "/robot/x"):
        answer = await ada.get(path)
        assert (answer.status, answer.fault) == (503, "Unavailable")
        assert answer["Retry-After"]
    assert (await ada.call("swapped.get_x"))["error"]["data"]["fault"] == "Unavailable"
    assert not lab.up.asked
    assert not lab.login.server.to("/other")
    assert "token for the service 'swapped'" in caplog.text
    assert "s3cret" not in caplog.text
    lab.login.trouble = None
    lab.later(6)
    assert (await ada.get("/swapped/x")).status == 200


async def test_a_caller_with_a_credential_for_the_service_of_their_own_keeps_it(lab):
    lab = await lab()
    ada = lab.stand.caller("lab")
    token, ada.token = ada.token, None
    lines = (f"Labgate-Token: {token}", "Authorization: Basic YTpi")
    assert (await ada.get("/swapped/x", *lines)).status == 200
    assert lab.shown() == [["Basic YTpi"]]


# --- as the gate's own account


async def test_the_gate_asks_for_a_token_of_its_own_once_for_all_callers(lab):
    lab = await lab()
    for caller in (lab.stand.caller("lab"), lab.stand.caller("crew", name="bob")):
        assert (await caller.get("/robot/x")).status == 200
        assert "error" not in await caller.call("robot.get_x")
    (form,) = lab.login.forms
    assert form == {
        "grant_type": "client_credentials",
        "client_id": "robot",
        "client_secret": "s3cret",
        "scope": "x",
    }
    assert lab.shown() == [["Bearer granted-1"]] * 4


async def test_a_token_whose_end_is_not_told_is_not_used_for_long(lab):
    lab = await lab()
    lab.login.life = None
    ada = lab.stand.caller("lab")
    await ada.get("/robot/1")
    lab.later(60)
    await ada.get("/robot/2")
    assert [token for (token,) in lab.shown()] == ["Bearer granted-1", "Bearer granted-2"]


DESCRIBED = """\
{more}
policies:
  - {{to: ["group:lab"], allow: ["*"]}}
services:
  calc:
    dialect: jsonrpc
    url: "{up}"
    rpc_path: /api
    client_credentials: {{url: "{login}/token", client_id: robot, client_secret: s3cret}}
    bearer: gate
    identity: true
"""


async def test_a_service_is_described_and_called_with_the_gates_own_token(stand):
    up, login = await stand.upstream(), Login(await stand.upstream())

    async def calc(asked):
        said = json.loads(asked.body)
        if asked.values("Authorization") != [b"Bearer granted-1"]:
            return told(b"", status="401 Unauthorized")
        procs = {"sdversion": "1.0", "name": "calc", "procs": [{"name": "add"}]}
        if said["method"] == "rpc.discover":
            return as_json({"jsonrpc": "2.0", "id": said["id"], "error": {"code": -32601, "message": "no"}})
        result = procs if said["method"] == "system.describe" else 3
        return as_json({"jsonrpc": "2.0", "id": said["id"], "result": result})

    up.on("*", calc)
    await stand.gate(DESCRIBED.format(up=up.url, login=login.server.url, more=""))
    ada = stand.caller("lab")
    assert (await ada.call("calc.add", [1, 2]))["result"] == 3
    (token,) = up.asked[-1].values("Labgate-Identity")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("ada", "calc")
    assert time.time() < claims["exp"] <= time.time() + 60
    assert len(login.forms) == 1
    assert not any(one.values("Labgate-Identity") for one in up.asked[:-1]), "nobody asks in discovery"
