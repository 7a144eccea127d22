"""Does the gate tell its callers, and the SDK its users, whom it takes them for?"""

import asyncio
import json
import time

import aiohttp
import pytest

import labgate
from labgate._whoami import Whoami
from labgate.errors import NotFound, Unauthenticated

CONFIG = """\
identity: {anonymous: ANONYMOUS}
policies: []
"""


async def told(gate, token=None, verb="GET"):
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    address = "http://{}:{}/-/whoami".format(*gate.address)
    async with aiohttp.ClientSession() as session, session.request(verb, address, headers=fields) as response:
        return response.status, response.headers, await response.text()


async def test_a_caller_is_told_subject_groups_scopes_and_expiry_and_never_the_token(
    gate_of, token_for, tmp_path
):
    async with gate_of(CONFIG.replace("ANONYMOUS", "false")) as gate:
        token = token_for("ada", "lab", "em", scopes=("view:fly1",))
        status, headers, text = await told(gate, token)
        address = "http://{}:{}".format(*gate.address)
        me = await asyncio.to_thread(
            lambda: labgate.whoami(labgate.connect(address, token=token, cache_dir=tmp_path))
        )
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert token not in text
    assert (me.subject, set(me.groups), me.scopes) == ("ada", {"lab", "em"}, ("view:fly1",))
    assert not me.anonymous
    assert 0 < me.expires - time.time() <= 3600
    assert "ada by" in repr(me)
    assert token not in repr(me)


async def test_nobody_is_told_anything_without_a_credential_unless_the_gate_lets_such_callers_in(
    gate_of, tmp_path
):
    async with gate_of(CONFIG.replace("ANONYMOUS", "false")) as gate:
        assert (await told(gate))[0] == 401
        assert (await told(gate, "labgate-nothing"))[0] == 401
    async with gate_of(CONFIG.replace("ANONYMOUS", "true")) as gate:
        address = "http://{}:{}".format(*gate.address)
        me = await asyncio.to_thread(lambda: labgate.whoami(labgate.connect(address, cache_dir=tmp_path)))
        assert (me.anonymous, me.expires, me.groups) == (True, None, ())
        assert repr(me) == "<nobody that this gate knows: anonymous>"
        assert (await told(gate, verb="POST"))[0] == 405
        with pytest.raises(Unauthenticated):
            await asyncio.to_thread(
                lambda: labgate.connect(address, token="labgate-nothing", cache_dir=tmp_path)
            )


def test_an_answer_that_is_odd_still_gives_somebody_and_steers_no_terminal():
    me = Whoami({"subject": "a\x1b[31m", "groups": ["g", 5], "scopes": 7, "expires": 10**40, "issuer": None})
    assert (me.groups, me.scopes, me.issuer) == (("g",), (), "")
    assert "\x1b" not in repr(me)
    assert "and 80 more" in repr(Whoami({"groups": [f"g{at}" for at in range(100)]}))


RIGHTS = """\
policies:
  - {to: ["subject:ada", "group:lab"], allow: ["jobs.get_*", "GET /jobs/**"], rate: 5/min}
  - {to: ["group:others"], allow: ["*"]}
  - {to: [authenticated], allow: ["jobs.list"], operate: true}
services:
  jobs: {dialect: listed, url: "http://127.0.0.1:1", methods: {get_job: {http: "GET /a"}, list: {http: "GET /b"}, drop: {http: "POST /c"}}}
"""


async def test_callers_are_told_their_own_policies_what_is_left_and_why_they_may_not_call(
    gate_of, token_for, tmp_path
):
    async with gate_of(RIGHTS) as gate:
        token = token_for("ada", "lab")
        address = "http://{}:{}".format(*gate.address)

        def asked(method=None):
            return labgate.whoami(labgate.connect(address, token=token, cache_dir=tmp_path), method)

        me = await asyncio.to_thread(asked)
        assert me.policies == (
            {"number": 1, "to": ["subject:ada", "group:lab"], "allow": ["jobs.get_*", "GET /jobs/**"]},
            {"number": 3, "to": ["authenticated"], "allow": ["jobs.list"], "operate": True},
        )
        assert me.permission is None
        ((name, limit),) = me.limits.items()
        assert limit == {"rate": "5/min"}
        assert me.left == {name: {"left": 5, "full_in": 0}}
        assert "others" not in repr(me)
        assert f"limit {name}: rate 5/min; 5 left" in repr(me)
        for method, allowed, why in (
            ("jobs.get_job", True, "policy 1 allows jobs.get_* to subject:ada"),
            ("jobs.list", True, "policy 3 allows jobs.list to authenticated"),
            ("jobs.drop", False, "'ada' may not call 'jobs.drop': no policy allows it."),
        ):
            permission = (await asyncio.to_thread(asked, method)).permission
            assert (permission.method, permission.allowed, bool(permission)) == (method, allowed, allowed)
            assert permission.why.startswith(why)
            assert method in repr(permission)
        assert permission.fault == "Forbidden"
        with pytest.raises(NotFound):
            await asyncio.to_thread(asked, "jobs.none")


async def test_what_was_used_of_a_limit_is_gone_from_what_is_left(gate_of, token_for):
    async with gate_of(RIGHTS) as gate:
        token = token_for("ada", "lab")
        body = {"jsonrpc": "2.0", "id": 1, "method": "jobs.get_job"}
        fields = {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession() as session:
            address = "http://{}:{}/rpc".format(*gate.address)
            async with session.post(address, json=body, headers=fields) as response:
                assert response.status == 200
        _, _, text = await told(gate, token)
        ((one,),) = ([*json.loads(text)["left"].values()],)
        assert one["left"] == 4
        assert 0 < one["full_in"] <= 60


async def test_a_service_that_takes_no_calls_is_the_reason_that_is_told(gate_of, token_for):
    async with gate_of(RIGHTS) as gate:
        token = token_for("ada", "lab")
        fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        async with aiohttp.ClientSession() as session:
            address = "http://{}:{}/-/switches".format(*gate.operator_address)
            change = {"cordon": {"jobs": True}}
            async with session.post(address, json=change, headers=fields) as response:
                assert response.status == 200, await response.text()
            address = "http://{}:{}/-/whoami?method=jobs.get_job".format(*gate.address)
            async with session.get(address, headers=fields) as response:
                said = (await response.json())["permission"]
    assert (said["allowed"], said["fault"]) == (False, "Unavailable")
    assert "takes no calls" in said["why"]
