"""Laws of browsers at the operator's door: a token that is shown is the only authority, and no other page is answered."""

import pytest
from mounting import Caller, Line

from gateway.core.pages import GUARDS

SETTINGS = """\
policies:
  - {to: ["group:lab", "anonymous"], allow: ["*"], operate: true}
"""
GUARD_NAMES = [name.decode() for name, _ in GUARDS]
STATUS = "/-/status"


async def operator(stand, settings: str = SETTINGS) -> Caller:
    await stand.gate(settings)
    return stand.at(stand.caller("lab"))


async def test_every_answer_of_the_door_says_that_it_is_no_page(stand) -> None:
    ada = await operator(stand)
    for verb, target in (("GET", STATUS), ("GET", "/-/nothing"), ("POST", "/rpc"), ("GET", "/-/healthy")):
        answer = await ada.ask(verb, target)
        assert [name for name in GUARD_NAMES if answer[name]] == GUARD_NAMES, target


@pytest.mark.parametrize("target", [STATUS, "/openrpc.json", "/-/metrics"])
async def test_a_page_of_another_origin_reads_nothing_though_it_shows_a_token(stand, target: str) -> None:
    ada = await operator(stand)
    answer = await ada.get(target, "Origin: https://evil.example")
    assert (answer.status, answer.fault) == (403, "Forbidden")
    assert (await ada.get(target)).status == 200


async def test_a_page_of_another_origin_changes_nothing_and_calls_nothing(stand) -> None:
    ada = await operator(stand)
    line = await ada.line()
    for _ in range(2):
        call = {"jsonrpc": "2.0", "method": "system.listMethods", "id": 1}
        assert (await ada.rpc("/rpc", call, "Origin: null", on=line)).status == 403
        assert (await ada.rpc("/-/switches", {"cache": "off"}, "Origin: http://a.b", on=line)).status == 403
        assert (await ada.rpc("/rpc", call, on=line)).status == 200
    assert (await ada.get("/-/switches")).body.find(b'"cache": "on"') > 0


async def test_a_name_that_somebody_leads_to_this_machine_is_not_served(stand) -> None:
    ada = await operator(stand)
    answer = await ada.get(STATUS, host=f"evil.example:{ada.port}")
    assert answer.status == 421
    for host in (f"127.0.0.1:{ada.port}", f"localhost:{ada.port}", f"[::1]:{ada.port}", "localhost"):
        assert (await ada.get(STATUS, host=host)).status == 200


async def test_the_hosts_of_the_settings_are_served_beside_this_machines_own(stand) -> None:
    ada = await operator(stand, "hosts: [gate.lab.org]\n" + SETTINGS)
    for host, status in (("gate.lab.org", 200), ("localhost", 200), ("evil.example", 421)):
        assert (await ada.get(STATUS, host=host)).status == status


async def test_no_cookie_lets_anybody_in(stand) -> None:
    settings = """\
policies:
  - {to: ["group:lab"], allow: ["*"], operate: true}
identity:
  introspection: [{kind: middle_auth, url: "http://127.0.0.1:9"}]
"""
    ada = await operator(stand, settings)
    nobody = Caller(ada.port, None, stand.ends)
    cookie = f"Cookie: middle_auth_token={ada.token}"
    assert (await nobody.get(STATUS, cookie)).status == 401
    assert (await nobody.get(f"{STATUS}?middle_auth_token={ada.token}")).status == 401
    assert (await ada.get(STATUS)).status == 200


async def test_requests_whose_lines_came_before_are_looked_at_again(stand) -> None:
    ada = await operator(stand)
    line: Line = await ada.line()
    for _ in range(3):
        assert (await ada.get(STATUS, on=line)).status == 200
    assert len(stand.running.servers[1].lane) == 0
