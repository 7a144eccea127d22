"""Operators look into the cache and have it forget, and what they are told is so."""

import asyncio
import json
import logging

import pytest

from gateway.doors.cache_admin import PurgeDoor

JSON = {"Content-Type": "application/json"}


class Admin:
    """The operator's door, asked by whoever has the token."""

    def __init__(self, lab):
        self.lab = lab

    async def ask(self, verb, path, said=None, token=None, **fields):
        body = said if isinstance(said, bytes | None) else json.dumps(said).encode()
        headers = {"Authorization": f"Bearer {token or self.lab.token}"} | (JSON if body else {}) | fields
        async with self.lab.session.request(
            verb, self.lab.operator + path, data=body, headers=headers
        ) as got:
            return got.status, await got.json(content_type=None)

    async def told(self, path, verb="GET", said=None):
        status, answer = await self.ask(verb, path, said)
        assert status == 200, answer
        return answer

    async def purge(self, **said):
        return await self.told("/-/cache/purge", "POST", said)

    async def entries(self, query=""):
        return (await self.told(f"/-/cache/entries{query}"))["entries"]


@pytest.fixture
def admin(lab):
    return Admin(lab)


async def hit(lab, method="calc.get", params=None, **how):
    _, headers = await lab.call(method, params, **how)
    return "; hit" in headers["Cache-Status"]


# counts


async def test_each_method_is_told_how_the_cache_helped_it(lab, admin):
    assert (await admin.told("/-/cache"))["hit_ratio"] is None
    for _ in range(4):
        await lab.call("calc.get_difference", [123456, 0])
    await lab.call("calc.get_fail")
    await lab.call("calc.sub", [3, 1])
    said = await admin.told("/-/cache")
    mine = said["methods"]["calc.get_difference"]
    assert mine["calls"] == {"hit": 3, "stale": 0, "miss": 1, "pass": 0, "failed": 0}
    assert mine["bytes"] == {"cache": 18, "upstream": 6}
    assert mine["hit_ratio"] == 0.75
    assert said["methods"]["calc.sub"]["calls"]["pass"] == 1
    assert said["methods"]["calc.get_fail"]["calls"]["failed"] == 1
    assert said["calls"] == {"hit": 3, "stale": 0, "miss": 1, "pass": 1, "failed": 1}
    memory = said["tiers"]["memory"]
    assert (list(said["tiers"]), memory["entries"], memory["pinned"]) == (["memory"], 1, 0)
    assert 0 < memory["bytes"] < memory["limit"]
    status = await admin.told("/-/status")
    assert status["cache"]["by_method"]["calc.sub"]["calls"]["pass"] == 1


async def test_the_numbers_of_prometheus_are_the_same(lab, admin):
    for _ in range(3):
        await lab.call("calc.get_difference", [123456, 0])
    async with lab.session.get(
        lab.operator + "/-/metrics", headers={"Authorization": f"Bearer {lab.token}"}
    ) as got:
        text = await got.text()
    labels = '{method="calc.get_difference",outcome="%s",service="calc"}'
    assert f"labgate_call_bytes_total{labels % 'hit'} 12.0" in text
    assert f"labgate_call_bytes_total{labels % 'miss'} 6.0" in text
    assert f"labgate_calls_total{labels % 'hit'} 2.0" in text
    assert "labgate_cache_pinned_bytes 0.0" in text


# entries


async def test_entries_are_told_without_their_bodies(lab, admin):
    await lab.call("calc.get_difference", [987654321, 0])
    (entry,) = await admin.entries()
    assert (entry["method"], entry["state"], entry["tier"], entry["tags"]) == (
        "calc.get_difference",
        "fresh",
        "memory",
        ["numbers"],
    )
    assert entry["for"] == {"issuer": "labgate", "subject": "alice"}
    assert entry["params"] == "[987654321,0]"
    assert entry["bytes"] == 9
    assert entry["size"] > 9
    assert 3500 < entry["ttl"] <= 3600
    assert "987654321" not in json.dumps({k: v for k, v in entry.items() if k not in ("params", "key")})


async def test_those_used_last_come_first_and_a_glob_chooses_methods(lab, admin):
    await lab.call("calc.get")
    for number in range(3):
        await lab.call("calc.get_difference", [number, 0])
    await lab.call("calc.get")
    assert [one["method"] for one in await admin.entries("?limit=2")] == ["calc.get", "calc.get_difference"]
    found = await admin.entries("?method=calc.get_*")
    assert [one["params"] for one in found] == ["[2,0]", "[1,0]", "[0,0]"]
    assert len(await admin.entries("?method=calc.get_*&limit=1")) == 1
    assert await admin.entries("?method=calc.get_more") == []


async def test_looking_changes_nothing_of_the_order_of_use(lab, admin):
    await lab.call("calc.get_difference", [1, 0])
    await lab.call("calc.get_difference", [2, 0])
    first = await admin.entries()
    assert await admin.entries(f"?key={first[1]['key']}") != []
    assert [one["key"] for one in await admin.entries()] == [one["key"] for one in first]


async def test_one_entry_is_found_by_its_key_and_one_that_is_not_there_is_not(lab, admin):
    await lab.call("calc.get")
    (entry,) = await admin.entries()
    (same,) = await admin.entries(f"?key={entry['key']}")
    assert same["key"] == entry["key"]
    await admin.purge(key=entry["key"])
    assert await admin.entries(f"?key={entry['key']}") == []


async def test_what_a_write_has_ended_is_shown_as_void(lab, admin):
    await lab.call("calc.get")
    await lab.call("calc.set")
    assert [one["state"] for one in await admin.entries()] == ["void"]


async def test_entries_can_be_looked_at_while_others_are_stored_and_forgotten(lab, admin):
    tier = lab.gate.tier
    await lab.call("calc.get_difference", [0, 0])
    (entry,) = tier.recent()
    from msgspec.structs import replace

    def copy(number):
        key = entry.key[:-5] + b"%05d" % number
        tier.put(key, replace(entry, key=key))

    for number in range(3000):
        copy(number)
    looking = asyncio.ensure_future(admin.entries("?method=calc.get_more"))
    number = 3000
    while not looking.done():
        copy(number)
        tier.drop(entry.key[:-5] + b"%05d" % (number - 3000))
        number += 1
        await asyncio.sleep(0)
    assert await looking == []
    assert number > 3000


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?limit=0", "limit=0 is no number from 1 to 500"),
        ("?limit=501", "from 1 to 500"),
        ("?limit=99999999999999999999", "from 1 to 500"),
        ("?limit=x", "limit=x is no number"),
        ("?limit=-1", "from 1 to 500"),
        ("?limit=%C2%B2", "from 1 to 500"),
        ("?key=xyz", "xyz is no key"),
        ("?method=calc.gett", "did you mean calc.get"),
        ("?methods=calc.get", "methods is nothing to ask entries by"),
    ],
)
async def test_what_is_asked_wrongly_is_refused_with_what_is_wrong(admin, query, words):
    status, said = await admin.ask("GET", f"/-/cache/entries{query}")
    assert status == 400
    assert words in said["error"]["message"]


# purge


@pytest.mark.parametrize(
    ("said", "others"),
    [
        ({"method": "calc.get"}, True),
        ({"method": "calc.*"}, False),
        ({"service": "calc"}, False),
        ({"tag": "numbers"}, False),
        ({"all": True}, False),
    ],
)
async def test_what_is_purged_is_no_hit_any_more_and_the_rest_is(lab, admin, said, others):
    for method in ("calc.get", "calc.get_more"):
        await lab.call(method, [3, 1])
        assert await hit(lab, method, [3, 1])
    await admin.purge(**said)
    assert not await hit(lab, "calc.get", [3, 1])
    assert await hit(lab, "calc.get_more", [3, 1]) is others


async def test_a_key_is_forgotten_alone(lab, admin):
    for params in ([1, 0], [2, 0]):
        await lab.call("calc.get_difference", params)
    one = next(one for one in await admin.entries() if one["params"] == "[1,0]")
    assert await admin.purge(key=one["key"]) == {
        "purged": {"key": one["key"]},
        "ended": [],
        "count": 0,
        "dropped": True,
    }
    assert not await hit(lab, "calc.get_difference", [1, 0])
    assert await hit(lab, "calc.get_difference", [2, 0])
    assert (await admin.purge(key=one["key"][:-2] + "39"))["dropped"] is False


async def test_a_reply_that_is_on_its_way_when_its_key_is_purged_does_not_serve_after_it(lab, admin):
    held = asyncio.Event()

    async def wait(request, called, params):
        await held.wait()
        return lab.calc._result(called, 7)

    lab.calc._get_more = wait
    call = asyncio.ensure_future(lab.call("calc.get_more"))
    while not lab.calc.calls["get_more"]:
        await asyncio.sleep(0.001)
    explained, _ = await lab.call("rpc.explain", ["calc.get_more"])
    said = await admin.purge(key=explained["result"]["key"]["hex"])
    assert (said["ended"], said["dropped"]) == (["method:calc.get_more"], False)
    held.set()
    await call
    assert not await hit(lab, "calc.get_more")


async def test_a_purge_of_everything_empties_memory_and_ends_the_epoch(lab, admin):
    await lab.call("calc.get")
    before = await admin.told("/-/cache")
    assert (await admin.purge(all=True))["purged"] == {"all": True}
    after = await admin.told("/-/cache")
    assert after["epoch"] > before["epoch"]
    assert after["tiers"]["memory"]["entries"] == after["tiers"]["memory"]["bytes"] == 0


async def test_a_purge_under_load_is_no_error_to_anybody(lab, admin):
    async def calls():
        for number in range(60):
            answer, _ = await lab.call("calc.get_difference", [number % 5, 0])
            assert answer["result"] == number % 5

    async def purges():
        for _ in range(20):
            await admin.purge(all=True)

    await asyncio.gather(calls(), calls(), purges())


@pytest.fixture
def deeds(lab, monkeypatch):
    """What is done with the generations, in order: names that are ended, the epoch, and when they are put on the disk."""
    done, generations = [], lab.gate.generations
    bump, advance, sync = generations.bump, generations.advance, generations.sync
    monkeypatch.setattr(generations, "bump", lambda names: (bump(names), done.append(names)))
    monkeypatch.setattr(generations, "advance", lambda: (advance(), done.append("epoch")))
    monkeypatch.setattr(generations, "sync", lambda: (sync(), done.append("put on the disk")))
    return done


@pytest.mark.parametrize(
    "said", [{"method": "calc.get"}, {"service": "calc"}, {"tag": "numbers"}, {"all": True}], ids=str
)
async def test_what_was_purged_is_on_the_disk_before_its_operator_is_told(admin, said, deeds):
    await admin.purge(**said)
    assert deeds[-1] == "put on the disk"
    assert len(deeds) > 1


async def test_a_purge_that_a_full_disk_does_not_take_holds_all_the_same_and_is_no_error(
    lab, admin, monkeypatch, caplog
):
    def full():
        raise OSError(28, "No space left on device")

    await lab.call("calc.get")
    monkeypatch.setattr(lab.gate.generations, "sync", full)
    await admin.purge(method="calc.get")
    assert not await hit(lab)
    assert "No space left on device" in caplog.text


async def test_it_is_written_down_who_purged_what(lab, admin, caplog):
    with caplog.at_level(logging.WARNING, "labgate.operator"):
        await admin.purge(tag="numbers")
    (record,) = [one for one in caplog.records if one.name == "labgate.operator"]
    assert record.getMessage() == "purged tag numbers, by 'alice' of 'labgate'"
    assert record.request_id
    assert lab.token not in caplog.text


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"nonsense", "The body is no JSON"),
        ({}, "say exactly one of"),
        ({"tag": "numbers", "all": True}, "not tag and all"),
        ({"key": "zz"}, "zz is no key"),
        ({"method": "calc.nope*"}, "No method's name is calc.nope*"),
        ({"service": "cal"}, "did you mean calc?"),
        ({"tag": "number"}, "did you mean numbers?"),
    ],
)
async def test_what_cannot_be_purged_is_refused_and_nothing_is_forgotten(lab, admin, caplog, said, words):
    await lab.call("calc.get")
    status, answer = await admin.ask("POST", "/-/cache/purge", said)
    assert status == 400
    assert words in answer["error"]["message"]
    assert await hit(lab)
    assert "purged" not in caplog.text


async def test_the_doors_are_for_operators_and_purges_for_json(lab, admin):
    for verb, path in (("GET", "/-/cache"), ("GET", "/-/cache/entries"), ("POST", "/-/cache/purge")):
        assert (await admin.ask(verb, path, {"all": True} if verb == "POST" else None, token=lab.guest))[
            0
        ] == 403
        async with lab.session.request(verb, lab.address + path) as got:
            assert got.status == 404
    plain = {"Content-Type": "text/plain"}
    assert (await admin.ask("POST", "/-/cache/purge", {"all": True}, **plain))[0] == 415


async def test_a_purged_key_ends_its_methods_entries_where_other_processes_may_have_it_in_memory(lab):
    await lab.call("calc.get_difference", [1, 0])
    (entry,) = lab.gate.tier.recent()
    gate = lab.gate
    door = PurgeDoor(gate.tier, gate.generations, lambda: gate.relay.catalog, gate.relay.flies, alone=False)
    before = gate.generations.read(("method:calc.get_difference",))
    assert door._also(entry.key) == ("method:calc.get_difference",)
    assert gate.generations.read(("method:calc.get_difference",)) == before, "it is only told, so far"
