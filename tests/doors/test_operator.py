"""The operator's door: what it shows of a real gate, what it switches, and whom it serves."""

import asyncio
import json
import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

JSON = {"Content-Type": "application/json"}


class Door:
    """The operator's listener, asked by whoever has the token."""

    def __init__(self, lab, token):
        self.lab = lab
        self.mine = {"Authorization": f"Bearer {token}"}

    async def ask(self, verb, path, body=None, **fields):
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        headers = self.mine | (JSON if body is not None else {}) | fields
        async with self.lab.session.request(
            verb, self.lab.operator + path, data=data, headers=headers
        ) as got:
            return got.status, got.headers, await got.read()

    async def told(self, verb, path, body=None, **fields):
        status, _, text = await self.ask(verb, path, body, **fields)
        assert status == 200, text
        return json.loads(text)

    async def switch(self, **said):
        return await self.told("POST", "/-/switches", said)

    async def status(self):
        return await self.told("GET", "/-/status")


@pytest.fixture
def door(lab):
    return Door(lab, lab.token)


async def listed(lab):
    async with lab.session.get(
        f"{lab.address}/openrpc.json", headers={"Authorization": f"Bearer {lab.token}"}
    ) as got:
        document = await got.json()
        methods = {one["name"]: one.get("x-labgate", {}) for one in document["methods"]}
        return got.headers["Labgate-Catalog"], methods


# status


async def test_the_status_tells_of_each_service_how_it_is_and_what_it_does(lab, door):
    await lab.call("calc.get")
    await lab.call("calc.get")
    status = await door.status()
    calc = status["services"]["calc"]
    assert (calc["down"], calc["why"], calc["dialect"], calc["convention"]) == (
        False,
        None,
        "jsonrpc",
        "system.describe",
    )
    assert calc["methods"] == len(lab.calc.NAMES)
    assert (calc["in_flight"], calc["waiting"], calc["failures"]) == (0, 0, 0)
    assert calc["opened"] >= 1
    assert calc["reused"] >= 1
    assert calc["asked"] >= 0
    assert (calc["cordoned"], calc["mount"], calc["listen"]) == (None, None, None)


async def test_the_status_tells_of_the_gate_what_it_holds_and_what_came_in(lab, door):
    await lab.call("calc.get")
    await lab.call("calc.get")
    status = await door.status()
    assert status["version"]
    assert status["uptime_seconds"] >= 0
    assert status["draining"] is False
    assert status["switches"] == {"lanes": "on", "cache": "on", "cordon": {"calc": False}}
    assert status["catalog"]["version"] == lab.gate.relay.catalog.version
    assert (status["cache"]["entries"], status["cache"]["calls"]) == (1, {"hit": 1, "miss": 1})
    assert 0 < status["cache"]["bytes"] < status["cache"]["limit"]
    assert status["connections"] >= 1
    assert status["heads"]["requests"] >= 3
    assert status["heads"]["refused"] == {}


async def test_a_call_under_way_is_seen_while_it_is(lab, door):
    call = asyncio.ensure_future(lab.call("calc.meet", [2]))
    while not lab.calc.waiting:
        await asyncio.sleep(0.001)
    status = await door.status()
    assert (status["services"]["calc"]["in_flight"], status["flights"]) == (1, 1)
    await lab.call("calc.meet", [2])
    await call
    assert (await door.status())["services"]["calc"]["in_flight"] == 0


async def test_refused_heads_are_counted_by_reason(lab, door):
    host, port = lab.gate.address
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /rpc HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    await reader.read()
    writer.close()
    await writer.wait_closed()
    assert (await door.status())["heads"]["refused"] == {"host": 1}
    _, _, text = await door.ask("GET", "/-/metrics")
    assert b'labgate_refused_heads_total{reason="host"} 1.0' in text


async def test_the_status_names_mounts_and_ports_and_services_of_datastacks_and_no_secret(gate_of):
    async with gate_of("""\
        policies: [{to: [authenticated], allow: ["*"]}]
        services:
          files: {dialect: listed, url: "http://u:hunter2@127.0.0.1:1", mount: /files, headers: {X-Key: hunter3}}
        datastacks:
          minnie65: {services: {roots: {dialect: jsonrpc, url: "http://127.0.0.1:1"}}}
    """) as gate:
        status = gate.status()
        assert set(status["services"]) == {"files", "minnie65/roots"}
        assert status["services"]["files"]["mount"] == "/files"
        assert status["services"]["minnie65/roots"]["down"]
        assert "could not be reached" in status["services"]["minnie65/roots"]["why"]
        assert "hunter" not in json.dumps(status)


# switches


async def test_with_the_cache_off_nothing_is_answered_from_memory_and_nothing_is_stored(lab, door):
    await lab.call("calc.get")
    assert (await door.switch(cache="off"))["cache"] == "off"
    before = lab.calc.calls["get"]
    for _ in range(2):
        _, headers = await lab.call("calc.get")
        assert headers["Cache-Status"] == 'labgate; fwd=bypass; detail="switched off"'
    await lab.call("calc.get_more", [3, 1])
    assert lab.calc.calls["get"] == before + 2
    assert (await door.status())["cache"]["entries"] == 1

    await door.switch(cache="on")
    _, headers = await lab.call("calc.get")
    assert "; hit" in headers["Cache-Status"], "what was stored before still holds"
    _, headers = await lab.call("calc.get_more", [3, 1])
    assert "fwd=miss" in headers["Cache-Status"]


async def test_a_write_ends_what_is_stored_while_the_cache_is_off_too(lab, door):
    await lab.call("calc.get")
    await door.switch(cache="off")
    await lab.call("calc.set")
    await door.switch(cache="on")
    answer, headers = await lab.call("calc.get")
    assert answer["result"] == 1
    assert "; hit" not in headers["Cache-Status"]


async def test_a_trip_that_began_before_the_cache_was_switched_off_is_not_stored(lab, door):
    held = asyncio.Event()

    async def wait(request, called, params):
        await held.wait()
        return lab.calc._result(called, 7)

    lab.calc._get_more = wait
    call = asyncio.ensure_future(lab.call("calc.get_more"))
    while not lab.calc.calls["get_more"]:
        await asyncio.sleep(0.001)
    await door.switch(cache="off")
    held.set()
    answer, headers = await call
    assert answer["result"] == 7
    assert "; stored" not in headers["Cache-Status"]
    assert (await door.status())["cache"]["entries"] == 0


async def test_a_cordoned_service_takes_no_new_calls_not_even_such_as_memory_could_answer(lab, door):
    await lab.call("calc.get")
    await door.switch(cordon={"calc": True})
    before = sum(lab.calc.calls.values())
    for method in ("calc.get", "calc.set"):
        answer, _ = await lab.call(method)
        error = answer["error"]
        assert (error["code"], error["data"]["fault"]) == (-32008, "Unavailable")
        assert "'calc'" in error["message"]
        assert "an operator took it out of service at 2" in error["message"]
        assert error["data"]["retry_after"] == 30
    assert sum(lab.calc.calls.values()) == before

    await door.switch(cordon={"calc": False})
    answer, headers = await lab.call("calc.get")
    assert answer["result"] == 0
    assert "; hit" in headers["Cache-Status"]


async def test_a_plain_url_of_a_cordoned_service_is_503_with_retry_after(lab, door):
    await door.switch(cordon={"calc": True})
    mine = {"Authorization": f"Bearer {lab.token}"}
    async with lab.session.get(f"{lab.address}/rpc/calc.get", headers=mine) as got:
        assert (got.status, got.headers["Retry-After"]) == (503, "30")
        assert "took it out of service" in (await got.json())["message"]


async def test_who_may_not_call_a_cordoned_service_is_told_that_and_no_more(lab, door):
    await door.switch(cordon={"calc": True})
    answer, _ = await lab.call("calc.set", token=lab.guest)
    assert answer["error"]["data"]["fault"] == "Forbidden"


async def test_calls_under_way_end_as_if_nothing_had_happened(lab, door):
    call = asyncio.ensure_future(lab.call("calc.meet", [1]))
    held = lab.calc.gathered
    lab.calc.gathered = asyncio.Event()
    while not lab.calc.waiting:
        await asyncio.sleep(0.001)
    await door.switch(cordon={"calc": True})
    lab.calc.gathered.set()
    held.set()
    assert (await call)[0]["result"] == 1


async def test_the_methods_of_a_cordoned_service_stay_in_the_list_marked_down(lab, door):
    version, before = await listed(lab)
    await door.switch(cordon={"calc": True})
    changed, during = await listed(lab)
    assert during.keys() == before.keys()
    assert all(one["down"] for one in during.values())
    assert changed != version
    await door.switch(cordon={"calc": False})
    assert await listed(lab) == (version, before)


async def test_a_cordoned_service_is_asked_on_and_stays_marked_whatever_it_answers(lab, door):
    await door.switch(cordon={"calc": True})
    lab.calc.NAMES = (*lab.calc.NAMES, "brand_new")
    assert (await door.told("POST", "/-/refresh?service=calc"))["calc"]["added"] == ["calc.brand_new"]
    _, during = await listed(lab)
    assert during["calc.brand_new"]["down"]
    calc = (await door.status())["services"]["calc"]
    assert (calc["down"], calc["cordoned"]["by"]) == (False, "alice")
    assert calc["cordoned"]["since"] >= 0
    await door.switch(cordon={"calc": False})
    _, after = await listed(lab)
    assert "down" not in after["calc.brand_new"]


async def test_lanes_are_switched_where_the_wire_reads_them(lab, door):
    assert (await door.switch(lanes="off"))["lanes"] == "off"
    assert lab.gate.switches.lanes is False
    assert (await door.switch(lanes="on"))["lanes"] == "on"
    assert lab.gate.switches.lanes is True


async def test_every_change_is_logged_with_who_made_it_and_what_is_so_already_is_not(lab, door, caplog):
    with caplog.at_level(logging.INFO, "labgate.operator"):
        await door.switch(cache="off", cordon={"calc": True})
        await door.switch(cache="off", cordon={"calc": True})
        await door.told("GET", "/-/switches")
    assert [one.getMessage() for one in caplog.records if one.name == "labgate.operator"] == [
        "cache off, by 'alice' of 'labgate'",
        "cordon calc, by 'alice' of 'labgate'",
    ]


async def test_what_is_wrong_in_a_change_is_refused_whole_with_the_fix(lab, door):
    status, _, body = await door.ask("POST", "/-/switches", {"lanes": "off", "cordon": {"clac": True}})
    message = json.loads(body)["error"]["message"]
    assert status == 400
    assert "'clac' (perhaps calc)" in message
    assert await door.told("GET", "/-/switches") == {
        "lanes": "on",
        "cache": "on",
        "cordon": {"calc": False},
    }


@pytest.mark.parametrize("body", [b"", b"{", b"off", b"\xff"])
async def test_a_body_that_is_no_json_is_refused(door, body):
    status, _, text = await door.ask("POST", "/-/switches", body)
    assert status == 400
    assert b"BadRequest" in text


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_a_type_that_a_browser_sends_without_asking_changes_nothing(lab, door, kind):
    status, _, _ = await door.ask("POST", "/-/switches", {"cache": "off"}, **{"Content-Type": kind})
    assert status == 415
    assert lab.gate.switches.cache is True


async def test_a_charset_beside_the_type_is_no_matter(door):
    told = await door.told(
        "POST", "/-/switches", {"cache": "off"}, **{"Content-Type": "application/json; charset=utf-8"}
    )
    assert told["cache"] == "off"


async def test_switches_are_for_operators_on_their_own_listener(lab, door):
    guest = Door(lab, lab.guest)
    for verb, body in (("GET", None), ("POST", {"cache": "off"})):
        assert (await guest.ask(verb, "/-/switches", body))[0] == 403
        assert (await Door(lab, "nonsense").ask(verb, "/-/switches", body))[0] == 401
        async with lab.session.request(verb, f"{lab.address}/-/switches", headers=door.mine) as got:
            assert got.status == 404
    status, headers, _ = await door.ask("PUT", "/-/switches", {"cache": "off"})
    assert (status, headers["Allow"]) == (405, "GET, HEAD, POST")
    assert lab.gate.switches.cache is True


# metrics


async def metrics_of(door):
    _, headers, text = await door.ask("GET", "/-/metrics")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {one.name: one for one in text_string_to_metric_families(text.decode())}


def number(families, name, **labels):
    found = [one.value for one in families[name].samples if one.labels == labels]
    assert len(found) == 1, (name, labels, families[name].samples)
    return found[0]


async def test_metrics_tell_of_each_service_what_it_does(lab, door):
    await lab.call("calc.get")
    await lab.call("calc.cut")
    await door.told("POST", "/-/refresh")  # the gate asks by itself whether the service is down: let that end
    families = await metrics_of(door)
    gauges = {
        "upstream_in_flight": 0,
        "upstream_waiting": 0,
        "service_up": 1,
        "service_cordoned": 0,
        "catalog_methods": len(lab.calc.NAMES),
    }
    for name, expected in gauges.items():
        assert families[f"labgate_{name}"].type == "gauge"
        assert number(families, f"labgate_{name}", service="calc") == expected
    assert families["labgate_upstream_connections"].type == "gauge"
    for name in ("failures", "connections_opened", "connections_reused"):
        assert families[f"labgate_upstream_{name}"].type == "counter"
        assert number(families, f"labgate_upstream_{name}", service="calc") >= 1


async def test_metrics_tell_the_version_and_how_switches_stand(lab, door):
    await door.switch(cache="off", cordon={"calc": True})
    families = await metrics_of(door)
    version = (await door.status())["version"]
    assert number(families, "labgate_build_info", version=version) == 1
    assert number(families, "labgate_switch", switch="cache") == 0
    assert number(families, "labgate_switch", switch="lanes") == 1
    assert number(families, "labgate_service_cordoned", service="calc") == 1
    assert number(families, "labgate_service_up", service="calc") == 1


async def test_no_label_is_what_a_caller_sent(lab, door):
    await lab.call("calc.nothing_of_this_name")
    await lab.call("evil_namespace.get")
    await lab.post(b"{}", path="/rpc/evil_datastack")
    await door.ask("GET", "/-/evil_path")
    _, _, text = await door.ask("GET", "/-/metrics")
    assert b"evil" not in text
    assert b"nothing_of_this_name" not in text
    assert lab.token.encode() not in text
