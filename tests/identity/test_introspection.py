"""Tokens that say nothing of themselves, and an authorization server that is asked about them (RFC 7662)."""

import asyncio
import base64
import json
from urllib.parse import parse_qs

import pytest

from gateway.core.claims import Issuer
from gateway.core.faults import Unauthenticated, Unavailable
from gateway.identity.authorities import Introspector
from gateway.identity.clients import Client
from gateway.identity.introspection import AT_ONCE, RETRY, SOON, WAITING, Introspection, Terms

NOW = 1_800_000_000.0
ADA = "opaque-token-of-ada"


class Server:
    """An authorization server's endpoint: what it says of each token, and what it was asked."""

    def __init__(self, upstream, as_json, told) -> None:
        self.upstream, self.as_json, self.told = upstream, as_json, told
        self.tokens: dict[str, dict[str, object]] = {ADA: {"sub": "ada"}}
        self.trouble: bytes | None = None
        self.free = asyncio.Event()
        self.free.set()
        upstream.on("/introspect", self.answer)

    async def answer(self, asked):
        await self.free.wait()
        if self.trouble is not None:
            return self.trouble
        found = self.tokens.get(self.form(asked)["token"])
        return self.as_json({"active": False} if found is None else {"active": True, **found})

    @staticmethod
    def form(asked) -> dict[str, str]:
        return {name: value for name, (value,) in parse_qs(asked.body.decode(), strict_parsing=True).items()}

    @property
    def asked(self) -> int:
        return len(self.upstream.to("/introspect"))


@pytest.fixture
async def server(stand) -> Server:
    from mounting import as_json, told

    return Server(await stand.upstream(), as_json, told)


@pytest.fixture
def introspecting(server, session):
    def made(client=None, audience=(), fresh=60.0, negative=5.0, stale=300.0) -> Introspection:
        url = f"{server.upstream.url}/introspect"
        authority = Introspector(url, Issuer(url, audience, ()), client or Client("labgate", "s3 c:ret"))
        return Introspection(Terms(authority, fresh, negative, stale), session)

    return made


@pytest.fixture
async def one(introspecting):
    made = introspecting()
    yield made
    await made.close()


async def test_a_token_is_asked_about_in_a_form_by_the_client_and_in_no_address(server, one):
    assert (await one.ask(ADA, NOW)).subject == "ada"
    (asked,) = server.upstream.asked
    assert (asked.verb, asked.target) == ("POST", "/introspect")
    assert server.form(asked) == {"token": ADA, "token_type_hint": "access_token"}
    (shown,) = asked.values("Authorization")
    assert base64.b64decode(shown.removeprefix(b"Basic ")) == b"labgate:s3+c%3Aret"  # RFC 6749 section 2.3.1


async def test_the_client_may_stand_in_the_form_and_then_stands_nowhere_else(server, introspecting):
    one = introspecting(Client("labgate", "secret", "post"))
    await one.ask(ADA, NOW)
    (asked,) = server.upstream.asked
    assert server.form(asked) | {"client_id": "labgate", "client_secret": "secret"} == server.form(asked)
    assert asked.values("Authorization") == []


async def test_a_verdict_costs_one_question_for_all_who_wait_and_until_it_ends(server, one):
    server.free.clear()
    waiting = [asyncio.create_task(one.ask(ADA, NOW)) for _ in range(20)]
    await asyncio.sleep(0)
    server.free.set()
    assert {principal.subject for principal in await asyncio.gather(*waiting)} == {"ada"}
    await one.ask(ADA, NOW + 40)
    assert server.asked == 1


async def test_a_verdict_never_outlives_its_token(server, one):
    server.tokens[ADA] = {"sub": "ada", "exp": NOW + 10}
    assert (await one.ask(ADA, NOW)).expires == NOW + 10
    assert one.known(ADA, NOW + 9) is not None
    assert one.known(ADA, NOW + 10) is None
    for _ in range(2):  # by a trip that set off before, and by one of its own
        with pytest.raises(Unauthenticated, match="has expired"):
            await one.ask(ADA, NOW + 10)


async def test_a_token_taken_back_at_its_issuer_ends_when_its_verdict_does(server, one):
    await one.ask(ADA, NOW)
    del server.tokens[ADA]
    assert one.known(ADA, NOW + 1) is not None
    with pytest.raises(Unauthenticated):
        await one.ask(ADA, NOW + 60)
    assert one.known(ADA, NOW + 61) is None


async def test_a_verdict_in_use_is_renewed_beside_so_that_a_revocation_is_heard_of_earlier(server, one):
    await one.ask(ADA, NOW)
    del server.tokens[ADA]
    assert one.known(ADA, NOW + SOON * 60) is not None
    await asyncio.gather(*one._questions._flights.values(), return_exceptions=True)
    assert server.asked == 2
    assert one.known(ADA, NOW + SOON * 60 + 1) is None


async def test_what_is_not_active_is_refused_and_asked_about_no_more_for_a_while(server, one):
    for moment, questions in ((0, 1), (4, 1), (5, 2)):
        with pytest.raises(Unauthenticated, match="none that http"):
            await one.ask("junk", NOW + moment)
        assert server.asked == questions


async def test_the_reason_of_a_refusal_is_remembered_with_it(server, introspecting):
    one = introspecting(audience=("labgate",))
    for _ in range(2):
        with pytest.raises(Unauthenticated, match="for whom it was made"):
            await one.ask(ADA, NOW)
    assert server.asked == 1


NO_VERDICTS = {
    "the gate's own secret is wrong": (b'{"error":"invalid_client"}', "401 Unauthorized"),
    "the gate may not ask": (b"{}", "403 Forbidden"),
    "an error": (b"oops", "500 Internal Server Error"),
    "a redirect": (b"", "302 Found"),
    "no JSON": (b"<html>", "200 OK"),
    "a list": (b"[]", "200 OK"),
    "active as text": (b'{"active":"true","sub":"root"}', "200 OK"),
    "very long": (b'{"active":true,"sub":"ada","x":"' + b"x" * (1 << 20) + b'"}', "200 OK"),
    "very deep": (b"[" * 100_000, "200 OK"),
}


@pytest.mark.parametrize("name", NO_VERDICTS)
async def test_what_is_no_verdict_admits_nobody_and_refuses_nobody_for_good(server, one, name):
    body, status = NO_VERDICTS[name]
    server.trouble = server.told(body, f"Location: {server.upstream.url}/other", status=status)
    with pytest.raises(Unavailable):
        await one.ask(ADA, NOW)
    assert not server.upstream.to("/other")
    server.trouble = None
    assert (await one.ask(ADA, NOW + 1)).subject == "ada"


async def test_the_last_word_holds_while_the_server_is_down_but_not_beyond_the_tokens_end(server, one):
    server.tokens[ADA] = {"sub": "ada", "exp": NOW + 100}
    await one.ask(ADA, NOW)
    server.trouble = server.told(b"", status="503 Service Unavailable")
    at = NOW + 60
    assert (await one.ask(ADA, at)).expires == at + RETRY
    assert (await one.ask(ADA, NOW + 98)).expires == NOW + 100
    with pytest.raises(Unavailable):
        await one.ask(ADA, NOW + 100)


async def test_questions_about_many_tokens_go_a_few_at_a_time(server, one):
    server.free.clear()
    waiting = [asyncio.create_task(one.ask(f"junk{n}", NOW)) for n in range(3 * AT_ONCE)]
    while server.asked < AT_ONCE:
        await asyncio.sleep(0.001)
    for _ in range(20):
        await asyncio.sleep(0)
    assert server.asked == AT_ONCE
    server.free.set()
    assert all(
        isinstance(end, Unauthenticated) for end in await asyncio.gather(*waiting, return_exceptions=True)
    )


async def test_a_flood_of_unknown_tokens_is_turned_away_and_known_ones_are_not(server, one):
    await one.ask(ADA, NOW)
    server.free.clear()
    flood = [asyncio.create_task(one.ask(f"junk{n}", NOW)) for n in range(WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="Too many unknown tokens"):
        await one.ask("one-more", NOW)
    assert (await one.ask(ADA, NOW + 1)).subject == "ada"
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    await one.close()


SETTINGS = """\
identity:
  introspection: [{{kind: rfc7662, url: "{server}/introspect", client_id: labgate, client_secret: s, audience: labgate}}]
policies:
  - {{to: ["scope:files.read"], allow: ["*", "/**"]}}
services:
  files: {{dialect: listed, url: "{up}", mount: /files}}
"""


async def test_a_running_gate_takes_such_a_token_and_takes_it_back_by_hand(server, stand, capsys, tmp_path):
    from mounting import until

    from gateway.core.vouching import token_id
    from gateway.identity.ledger import record_revoked

    up = await stand.upstream()
    await stand.gate(SETTINGS.format(server=server.upstream.url, up=up.url))
    server.tokens[ADA] = {"sub": "ada", "aud": "labgate", "scope": "files.read"}
    ada = stand.nobody()
    ada.token = ADA
    assert [(await ada.get("/files/x")).status for _ in range(3)] == [200] * 3
    assert json.loads((await ada.get("/-/whoami")).body)["subject"] == "ada"
    assert server.asked == 1
    assert not any(ADA.encode() in one.head for one in up.asked)
    ada.token = "another"
    refused = await ada.get("/files/x")
    assert (refused.status, refused.fault) == (401, "Unauthenticated")
    assert 'error="invalid_token"' in refused["WWW-Authenticate"]
    ada.token = ADA
    record_revoked(tmp_path / "state", token_id(ADA), 0.0)
    epoch = stand.running.relay.epoch
    await until(lambda: stand.running.relay.epoch > epoch)
    assert (await ada.get("/files/x")).status == 401
