"""Whose bytes are kept is for DVID to say: nobody gets what was kept for another, and a right that is lost is lost within seconds."""

import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.demo.dvid.access import Access, Person

ADA, BOB, EVE = "a" * 32, "b" * 32, "e" * 32
VIEW = frozenset({"view"})
DSG = """\
identity:
  introspection: [{{kind: middle_auth, url: "AUTH/auth"}}]
policies:
  - {{to: [authenticated], allow: ["*", "/**"]}}
services:
  dvid:
    dialect: dvid
    url: "{url}"
    mount: /dvid
    forward_token: true
    vouched_by: "AUTH/auth"
    nodes: {{prod: "{root}"}}
{more}
"""
SHARED = """\
    methods: {read: {cache: {fresh: 1h, share: authorized, authorized: "view:{params.dataset}"}}}
"""


def people():
    """Ada and Bob may see `small`, Eve may see `other`."""
    return {
        ADA: Person("ada", {"small": VIEW}),
        BOB: Person("bob", {"small": VIEW}),
        EVE: Person("eve", {"other": VIEW}),
    }


@pytest.fixture
async def auth():
    """A service that knows the same tokens as DVID: its address, and who it is told that they are."""
    known = {token: person.rights for token, person in people().items()}

    async def user(request):
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in known:
            raise web.HTTPUnauthorized
        number = [ADA, BOB, EVE].index(token) + 1
        rights = {dataset: sorted(one) for dataset, one in known[token].items()}
        return web.json_response(
            {
                "id": number,
                "email": f"user{number}@lab.org",
                "name": f"user{number}",
                "groups": [],
                "permissions": {},
                "permissions_v2": rights,
                "missing_tos": [],
            }
        )

    app = web.Application()
    app.router.add_get("/auth/api/v1/user/cache", user)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def guarded(behind_gate, dvid_lab, auth):
    """Makes a DVID with the datasets `small` and `other`, whose callers show it their own tokens."""

    @asynccontextmanager
    async def made(more="", access=None):
        content = dvid_lab.small()
        other = content.store.new_repo("other")
        content.store.new_instance(other, "keyvalue", "theirs", {})
        content.store.commit(other.root)
        access = access or Access("dsg", people())
        async with behind_gate(access, more, config=DSG.replace("AUTH", auth), content=content) as lab:
            lab.token = ADA
            lab.access = access
            yield lab

    return made


def node(lab):
    return f"/api/node/{lab.content.root.uuid}"


BOX = {"start": [0, 0, 0], "stop": [4, 4, 4]}
PATHS = ["/gray/raw/0_1_2/20_20_20/0_0_0", "/keys/keys", "/labels/raw/0_1/20_20/0_0_0"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("more", ["", SHARED])
async def test_who_has_no_right_gets_neither_the_kept_bytes_nor_a_304(guarded, path, more):
    async with guarded(more) as lab:
        for said in ("fwd=miss", "hit"):
            status, fields, body = await lab.ask("GET", node(lab) + path)
            assert (status, f"labgate; {said}" in fields["Cache-Status"]) == (200, True)
        for asked in ({}, {"If-None-Match": fields["ETag"]}, {"If-None-Match": "*"}):
            lab.token = EVE
            status, told, refusal = await lab.ask("GET", node(lab) + path, **asked)
            assert (status, "ETag" in told, body[:20] in refusal) == (403, False, False)
            assert b"no view permission" in refusal
            lab.token = "f" * 32
            assert (await lab.ask("GET", node(lab) + path, **asked))[0] == 401
            lab.token = ADA
            assert (await lab.ask("GET", node(lab) + path, **asked))[0] in (200, 304)


async def test_each_caller_has_entries_of_their_own_and_the_service_sees_each_callers_token(guarded):
    async with guarded() as lab:
        for token in (ADA, BOB):
            lab.token = token
            for said in ("fwd=miss", "hit"):
                _, fields, _ = await lab.ask("GET", node(lab) + PATHS[0])
                assert f"labgate; {said}" in fields["Cache-Status"]
        asked = [one for one in lab.dvid.seen if one.kind == "raw"]
        assert [one.fields["Authorization"] for one in asked] == [f"Bearer {ADA}", f"Bearer {BOB}"]


async def test_callers_with_the_right_that_the_rule_names_share_and_others_do_not(guarded):
    async with guarded(SHARED) as lab:
        for path in (PATHS[0], "/keys/keys"):
            lab.token = ADA
            _, _, body = await lab.ask("GET", node(lab) + path)
            lab.token = BOB
            _, fields, shared = await lab.ask("GET", node(lab) + path)
            assert (shared, "labgate; hit" in fields["Cache-Status"]) == (body, True)
        assert (await lab.call("read", node="prod", instance="gray", **BOX))["$ndarray"]
        assert (lab.dvid.requests["raw"], lab.dvid.requests["keys"]) == (1, 1)
        lab.token = EVE
        error = await lab.error("read", node=lab.content.root.uuid, instance="gray", **BOX)
        assert "No version is called" in error["message"]


async def test_each_caller_is_shown_their_own_repositories(guarded):
    async with guarded() as lab:
        for token, names in ((ADA, ["small"]), (EVE, ["other"]), (BOB, ["small"]), (EVE, ["other"])):
            lab.token = token
            assert [one["alias"] for one in await lab.call("repos")] == names
            assert [one["alias"] for one in await lab.call("repos")] == names
        lab.token = EVE
        assert "No version is called" in (await lab.error("repo", repo="small"))["message"]
        lab.token = ADA
        direct = lab.dvid.ask("GET", "/api/repos/info", None, {"Authorization": f"Bearer {ADA}"})[2]
        assert (await lab.ask("GET", "/api/repos/info"))[2] == direct


@pytest.mark.parametrize("more", ["", SHARED])
async def test_a_right_that_is_lost_is_lost_for_what_was_kept_as_soon_as_the_service_is_asked(guarded, more):
    async with guarded(more) as lab:
        for path in PATHS:
            assert (await lab.ask("GET", node(lab) + path))[0] == 200
        lab.dvid.access.people = {ADA: Person("ada", {})}
        # Which versions somebody may see is asked for again after a few seconds; `no-cache` does not wait for it.
        for path in PATHS:
            status, _, body = await lab.ask("GET", node(lab) + path, **{"Cache-Control": "no-cache"})
            assert (status, b"no view permission" in body) == (403, True)
            assert (await lab.ask("GET", node(lab) + path))[0] == 403
        assert "error" in await lab.said("read", node="prod", instance="gray", **BOX)


async def test_what_anybody_may_read_needs_no_right(guarded, dvid_lab):
    access = Access("dsg", people())
    async with guarded(access=access) as lab:
        access.public = frozenset({lab.content.middle.uuid})
        lab.token = EVE
        for said in ("fwd=miss", "hit"):
            status, fields, _ = await lab.ask("GET", node(lab) + PATHS[0])
            assert (status, f"labgate; {said}" in fields["Cache-Status"]) == (200, True)
        assert (await lab.ask("GET", f"/api/node/{lab.content.branch.uuid}/gray/raw/0_1_2/4_4_4/0_0_0"))[
            0
        ] == 403


# --- a token of the service's own


async def test_a_token_of_the_services_own_passes_beside_the_gates_and_nothing_is_kept_under_it(behind_gate):
    access = Access("token", {"google-ada": Person("ada")})
    async with behind_gate(access) as lab:
        own = {"Labgate-Token": lab.token, "Authorization": "Bearer google-ada"}
        status, _, token = await lab.ask("GET", "/api/server/token", **own)
        assert (status, token.count(b".")) == (200, 2)
        own["Authorization"] = f"Bearer {token.decode()}"
        for path in PATHS:
            for _ in range(2):
                status, fields, body = await lab.ask("GET", node(lab) + path, **own)
                assert (status, "hit" in fields["Cache-Status"]) == (200, False)
            for asked in (
                {},
                {"Labgate-Token": lab.token, "Authorization": "Bearer a.b.c"},
                {"If-None-Match": fields.get("ETag", "*")},
            ):
                status, _, refusal = await lab.ask("GET", node(lab) + path, **asked)
                assert (status, b"JWT" in refusal, body[:20] in refusal) == (400, True, False)
        assert "JWT" in json.dumps(await lab.error("read", node="prod", instance="gray", **BOX))
        assert lab.dvid.requests["raw"] > 4


async def test_a_token_that_the_gate_has_for_the_service_serves_those_whom_the_gate_lets(
    behind_gate, token_for
):
    access = Access("token", {"google-gate": Person("gate")})
    token = access._signed({"user": "gate"})
    more = f"    bearer: gate\n    token: {token}\n"
    async with behind_gate(access, more) as lab:
        for said in ("fwd=miss", "hit"):
            status, fields, _ = await lab.ask("GET", node(lab) + PATHS[0])
            assert (status, f"labgate; {said}" in fields["Cache-Status"]) == (200, True)
        lab.token = token_for("nobody", "others")
        assert (await lab.ask("GET", node(lab) + PATHS[0]))[0] == 403
        lab.token = "no token"
        assert (await lab.ask("GET", node(lab) + PATHS[0]))[0] == 401
