"""When parts of a deployment fail, lie or are away: what do callers of the gate get, and what happens once only?"""

import asyncio
import io
import json

import aiohttp
import pytest

CONFIG = """\
include: [pack:cave]
identity:
  introspection: [{{kind: middle_auth, url: "{url}/auth", fresh: 1h}}]
policies:
  - {{to: [authenticated], allow: ["*", "/**"]}}
services:
  cave: {{dialect: cave, url: "{url}", mount: /, token: "{token}", forward_token: true{more}}}
"""
SV = (1 << 56) + 1


class Http:
    """Requests of one person's, as their client would send them."""

    def __init__(self, session, port, token):
        self.session, self.token = session, token
        self.origin = f"http://127.0.0.1:{port}"

    async def __call__(self, verb, path, *, json_=None, headers=None, **more):
        fields = {
            "Authorization": f"Bearer {self.token}",
            "Cookie": f"middle_auth_token={self.token}",
            **(headers or {}),
        }
        async with self.session.request(
            verb, self.origin + path, json=json_, headers=fields, allow_redirects=False, **more
        ) as answer:
            return answer.status, await answer.read(), answer.headers


@pytest.fixture
def started(cave_lab, gate_of):
    """`async with started(lab)`: a gate before the lab, as `who(name)` makes people's requests."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def made(lab, more=""):
        config = CONFIG.format(url=lab.url, token=cave_lab.TOKENS["gate"], more=more)
        async with (
            gate_of(config) as gate,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            yield gate, lambda name: Http(session, gate.address[1], cave_lab.TOKENS.get(name, name))

    return made


@pytest.fixture
def lab(cave_lab):
    with cave_lab.running(2_000) as running:
        yield running


@pytest.mark.parametrize("code", [502, 503, 504])
async def test_an_edit_that_may_have_been_made_invites_no_client_to_make_it_again(
    lab, cave_lab, started, code
):
    async with started(lab) as (_, who):
        path = "/segmentation/api/v1/table/minnie_seg/merge?priority=False"
        with lab.fault("POST .*/merge", cave_lab.status(code, b"upstream time-out")):
            status, body, _ = await who("ada")("POST", path, json_=[[SV, 1, 2, 3], [SV + 500, 4, 5, 6]])
        assert (status, body) == (500, b"upstream time-out")
        assert lab.asked("POST .*/merge") == 1


async def test_a_read_keeps_its_status_so_that_clients_ask_again(lab, cave_lab, started):
    async with started(lab) as (_, who):
        with lab.fault("/leaves", cave_lab.status(503, b"later", **{"Retry-After": "1"})):
            status, body, fields = await who("ada")(
                "GET", f"/segmentation/api/v1/table/minnie_seg/node/{7 << 56}/leaves"
            )
        assert (status, body, fields["Retry-After"]) == (503, b"later", "1")


async def test_versions_are_told_while_their_server_is_down(lab, cave_lab, started):
    async with started(lab) as (_, who):
        ada, path = who("ada"), "/datastack/minnie_demo/materialize/version"
        first = await ada("GET", path)
        assert first[:2] == (200, b'"5.26.4"\n')
        with lab.fault("/materialize/version", cave_lab.status(503)):
            again = await ada("GET", path)
        assert again[:2] == first[:2]
        assert "hit" in again[2]["Cache-Status"]


async def test_one_local_server_that_is_away_costs_the_others_nothing(lab, cave_lab, started):
    real = lab.deployment.urls["b"]
    lab.deployment.urls["b"] = "http://127.0.0.1:9"
    try:
        async with started(lab) as (gate, who):
            ada = who("ada")
            assert (await ada("GET", "/datastack/minnie_demo/materialize/version"))[0] == 200
            status, body, _ = await ada("GET", "/datastack/fly_demo/materialize/version")
            assert status == 503 or (status, json.loads(body)["error"]["data"]["fault"]) == (
                502,
                "UpstreamUnreachable",
            )
            health = gate.discovery.health()
            assert health["fly_demo/materialize"].down
            assert not health["minnie_demo/materialize"].down
            assert not health["info"].down
    finally:
        lab.deployment.urls["b"] = real


async def test_a_deployment_that_is_away_costs_another_nothing(lab, cave_lab, gate_of):
    config = CONFIG.format(url=lab.url, token=cave_lab.TOKENS["gate"], more="")
    config += (
        '  other: {dialect: cave, url: "http://127.0.0.1:9", mount: /other, token: x, forward_token: true}\n'
    )
    async with gate_of(config) as gate, aiohttp.ClientSession() as session:
        ada = Http(session, gate.address[1], cave_lab.TOKENS["ada"])
        assert (await ada("GET", "/info/api/v2/datastacks"))[0] == 200
        names = gate.discovery.health()
        assert "cave_info" in names
        assert "other_info" in names


@pytest.mark.parametrize(("name", "status"), [("0" * 32, 401), ("not-a-token-at-all", 401)])
async def test_a_token_that_is_not_this_deployments_is_refused_at_the_gate(lab, started, name, status):
    async with started(lab) as (_, who):
        lab.forget()
        found, body, fields = await who(name)("GET", "/info/api/v2/datastacks")
        assert found == status
        assert name.encode() not in body
        assert fields["WWW-Authenticate"].startswith("Bearer")
        assert lab.asked("/info/") == 0


async def test_terms_that_are_not_accepted_are_told_as_the_client_expects_it(lab, started):
    async with started(lab) as (_, who):
        status, body, fields = await who("tom")(
            "GET", "/datastack/fly_demo/materialize/api/v3/datastack/fly_demo/versions"
        )
        assert status == 403
        assert fields["Content-Type"] == "application/json"
        assert json.loads(body)["error"] == "missing_tos"
        assert "tos_form_url" in json.loads(body)["data"]


async def test_nobody_is_sent_away_and_a_page_for_people_leads_to_the_gate(lab, started):
    async with started(lab) as (gate, _), aiohttp.ClientSession() as session:
        origin = f"http://127.0.0.1:{gate.address[1]}"
        async with session.get(f"{origin}/info/api/v2/datastacks", allow_redirects=False) as answer:
            assert answer.status == 401


async def test_a_large_body_and_half_of_one(lab, cave_lab, started):
    async with started(lab) as (gate, who):
        ids = b"".join((SV + at % 2000).to_bytes(8, "little") for at in range(200_000))
        status, body, fields = await who("ada")(
            "POST",
            "/segmentation/api/v1/table/minnie_seg/roots_binary",
            data=io.BytesIO(ids),
            headers={"Content-Type": ""},
        )
        assert (status, len(body)) == (200, 1_600_000)
        assert fields["Content-Type"] == "text/html; charset=utf-8"
        _, writer = await asyncio.open_connection("127.0.0.1", gate.address[1])
        token = cave_lab.TOKENS["ada"]
        writer.write(
            b"POST /segmentation/api/v1/table/minnie_seg/merge HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer %b\r\n"
            b"Content-Length: 500\r\n\r\n[[1," % token.encode()
        )
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert not lab.deployment.stacks["minnie_demo"].graph.operations


async def test_who_lost_a_right_gets_nothing_more_that_was_stored_for_them(cave_lab, gate_of):
    with cave_lab.running(2_000) as lab:
        config = CONFIG.format(url=lab.url, token=cave_lab.TOKENS["gate"], more="").replace(
            "fresh: 1h", "fresh: 200ms"
        )
        async with gate_of(config) as gate, aiohttp.ClientSession() as session:
            ada = Http(session, gate.address[1], cave_lab.TOKENS["ada"])
            path = f"/segmentation/api/v1/table/minnie_seg/root/{(7 << 56) + 1}/change_log"
            assert (await ada("GET", path))[0] == 200
            assert "hit" in (await ada("GET", path))[2]["Cache-Status"]
            lab.deployment.people["ada"]["permissions_v2"].pop("minnie")
            lab.deployment.forget_verdicts()
            statuses = []
            for _ in range(300):
                statuses.append((await ada("GET", path))[0])
                if statuses[-1] != 200:
                    break
                await asyncio.sleep(0.01)
            assert statuses[-1] == 403
