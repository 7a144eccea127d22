"""Does the gate tell its callers, and the SDK its users, whom it takes them for?"""

import asyncio
import time

import aiohttp
import pytest

import labgate
from labgate._whoami import Whoami
from labgate.errors import Unauthenticated

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
