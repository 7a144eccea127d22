"""Laws of what the settings' limits let through a running gate."""

import asyncio

import pytest
from mounting import STREAM, CutShort, told, until

SETTINGS = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  up: {{dialect: listed, url: "{url}", mount: /up}}
limits: {{{limits}}}
"""


async def standing(stand, limits: str):
    up = await stand.upstream()
    await stand.gate(SETTINGS.format(url=up.url, limits=limits))
    return up, stand.caller("lab")


@pytest.mark.parametrize("lines", [(), ("Cache-Control: no-store",)], ids=["storable", "not storable"])
async def test_an_answer_that_is_announced_larger_than_may_pass_is_a_502_and_none_of_it_passes(
    stand, lines
) -> None:
    up, ada = await standing(stand, "mount_reply: 1000B")
    up.on("/at", told(bytes(1000), *lines))
    up.on("/beyond", told(bytes(1001), *lines))
    line = await ada.line()
    for _ in range(3):
        assert len((await ada.get("/up/at", on=line)).body) == 1000
        answer = await ada.get("/up/beyond", on=line)
        assert (answer.status, answer.fault) == (502, "UpstreamBroken")
        assert b"limits.mount_reply" in answer.body


async def test_the_answer_to_head_may_announce_what_it_likes(stand) -> None:
    up, ada = await standing(stand, "mount_reply: 1000B")
    up.on("/beyond", b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n")
    assert (await ada.ask("HEAD", "/up/beyond")).status == 200


async def test_an_answer_that_turns_out_larger_than_may_pass_is_cut(stand) -> None:
    up, ada = await standing(stand, "mount_reply: 1000B")

    async def endless(asked):
        asked.writer.write(STREAM)
        while not asked.writer.is_closing():
            asked.writer.write(b"64\r\n" + bytes(100) + b"\r\n")
            await asked.writer.drain()
            await asyncio.sleep(0)

    up.on("/endless", endless)
    line = await ada.line()
    line.writer.write(ada.request("GET", "/up/endless"))
    with pytest.raises(CutShort):
        await line.answer()


async def test_an_address_with_too_many_connections_is_told_so_while_operators_come_in(stand) -> None:
    _, ada = await standing(stand, "connections_per_address: 2")
    lines = [await ada.line() for _ in range(2)]
    for line in lines:
        assert (await ada.get("/up/x", on=line)).status == 200
    answer = await ada.get("/up/x")
    assert (answer.status, answer["Retry-After"]) == (503, "1")
    numbers = await stand.numbers(ada)
    assert numbers['labgate_refused_heads_total{reason="crowded"}'] == 1
    await lines[0].close()
    await until(lambda: stand.running.parts.connections == 1)
    assert (await ada.get("/up/x")).status == 200


async def test_all_listeners_for_callers_have_one_number_of_connections_and_operators_their_own(
    stand,
) -> None:
    up = await stand.upstream()
    settings = SETTINGS.replace("mount: /up", "mount: /up, listen: 127.0.0.1:0")
    await stand.gate(settings.format(url=up.url, limits="connections: 2"))
    ada = stand.caller("lab")
    own = stand.at(ada, "up")
    lines = [await ada.line(), await own.line()]
    assert (await ada.get("/up/x", on=lines[0])).status == 200
    assert (await own.get("/x", on=lines[1])).status == 200
    assert (await own.get("/x")).status == 503
    assert (await stand.at(ada).get("/-/status")).status == 200


async def test_behind_a_proxy_that_is_not_named_nobody_is_counted_by_address(stand) -> None:
    up = await stand.upstream()
    settings = "behind_proxy: true\n" + SETTINGS.format(url=up.url, limits="")
    await stand.gate(settings)
    assert stand.running._callers_limits.connections_per_address == 0


async def test_a_proxy_that_is_named_may_have_more_connections_than_others(stand) -> None:
    up = await stand.upstream()
    settings = "trusted_proxies: [127.0.0.1]\n"
    await stand.gate(settings + SETTINGS.format(url=up.url, limits="connections_per_address: 1"))
    ada = stand.caller("lab")
    for line in [await ada.line() for _ in range(4)]:
        assert (await ada.get("/up/x", on=line)).status == 200


async def test_how_late_the_event_loop_is_is_among_the_metrics(stand) -> None:
    _, ada = await standing(stand, "")
    assert 'labgate_event_loop_lag_seconds_bucket{le="0.1"}' in await stand.numbers(ada)
