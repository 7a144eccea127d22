"""A request through a mount that is a described operation follows that method's rules: cached, shared and purged."""

import asyncio

import pytest
from mounted_labs import REST, document
from mounting import DATE, PATIENCE, Begun, Caller, Held, Upstream, as_json, past, told, until

from gateway.core import waiting


async def until_body(caller: Caller, target: str, body: bytes) -> None:
    """Ask until this is the answer."""
    async with asyncio.timeout(PATIENCE):
        while (await caller.get(target)).body != body:
            pass


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    upstream.on("/openapi.json", as_json(document()))
    await stand.gate(REST.format(url=upstream.url))
    upstream.asked.clear()
    return upstream


@pytest.fixture
def ada(stand, up):
    return stand.caller("lab")


@pytest.fixture
def bob(stand, up):
    return stand.caller("lab", name="bob")


async def test_the_second_equal_get_is_a_hit_and_says_so(up, ada):
    up.on("/thing/7", told(b"seven", "X-Own: 1", 'ETag: "x"', status="200 Fine"))
    first, second = await ada.get("/lab/thing/7"), await ada.get("/lab/thing/7")
    assert len(up.asked) == 1
    assert "fwd=miss" in first["Cache-Status"]
    assert first.values("Age") == []
    assert (
        "labgate; hit; ttl=3600" in second["Cache-Status"]
        or "labgate; hit; ttl=3599" in second["Cache-Status"]
    )
    assert second["Age"] in ("0", "1")
    for answer in (first, second):
        assert (answer.status, answer.reason, answer.body) == (200, b"Fine", b"seven")
        assert (answer["X-Own"], answer["ETag"], answer["Content-Length"]) == ("1", '"x"', "5")
    assert first["X-Request-Id"] != second["X-Request-Id"]


async def test_an_answer_that_cannot_be_stored_reaches_its_caller_and_whoever_waited_for_it_asks_anew(
    stand, up, ada, bob, monkeypatch, caplog
):
    def full(*_, **__):
        raise OSError("no room")

    held = Held(told(b"seven"))
    up.on("/thing/7", held)
    monkeypatch.setattr(stand.running.relay.book, "store", full)
    line = await ada.line()
    first = asyncio.ensure_future(ada.get("/lab/thing/7", on=line))
    await until(lambda: up.asked)
    second = asyncio.ensure_future(bob.get("/lab/thing/7"))
    held.free.set()
    assert [(await one).body for one in (first, second)] == [b"seven"] * 2
    assert (await ada.get("/lab/thing/7", on=line)).body == b"seven"
    assert "an answer was not stored" in caplog.text


async def test_what_no_rule_speaks_of_is_asked_every_time(up, ada):
    for target in ("/lab/other/7", "/lab/undescribed"):
        for _ in range(2):
            assert 'fwd=bypass; detail="no rule"' in (await ada.get(target))["Cache-Status"]
    assert len(up.asked) == 4


async def test_a_hit_carries_the_request_id_of_its_own_request(up, ada):
    async def echo(asked):
        return told(b"x", f"X-Request-Id: {asked.values('X-Request-Id')[0].decode()}")

    up.on("/thing/7", echo)
    assert (await ada.get("/lab/thing/7", "X-Request-Id: the-first-one"))["X-Request-Id"] == "the-first-one"
    second = await ada.get("/lab/thing/7", "X-Request-Id: the-second-one")
    assert second.hit
    assert second["X-Request-Id"] == "the-second-one"


async def test_a_hit_has_one_age_though_its_upstream_had_sent_one(up, ada):
    up.on("/thing/7", told(b"x", "Age: 100"))
    assert (await ada.get("/lab/thing/7"))["Age"] in ("100", "101")
    second = await ada.get("/lab/thing/7")
    assert second.hit
    assert int(second["Age"]) in range(100, 160)


async def test_entries_are_shared_as_the_rule_says(up, ada, bob):
    for target, shared in (("/lab/thing/7", True), ("/lab/mine/7", False)):
        first = await ada.get(target)
        other = await bob.get(target)
        assert other.hit is shared
        assert (other.body == first.body) is shared
        assert (await ada.get(target)).hit
        assert (await bob.get(target)).hit


async def test_a_hit_passes_the_policy_that_a_miss_does(stand, up, ada):
    await ada.get("/lab/thing/7")
    for caller, status in ((stand.caller("paths", name="eve"), 403), (stand.nobody(), 401)):
        assert (await caller.get("/lab/thing/7")).status == status
    assert len(up.asked) == 1


APART = {
    "path": ("/lab/thing/8", ()),
    "path as it is written": ("/lab/thing/%37", ()),
    "query": ("/lab/thing/7?a=1", ()),
    "query's order": ("/lab/thing/7?b=1&a=1", ()),
    "an empty query": ("/lab/thing/7?", ()),
    "Accept": ("/lab/thing/7", ("Accept: text/html",)),
    "an empty Accept": ("/lab/thing/7", ("Accept:",)),
    "two Accepts": ("/lab/thing/7", ("Accept: text/html", "Accept: text/plain")),
    "Accept-Encoding": ("/lab/thing/7", ("Accept-Encoding: gzip",)),
    "Accept-Language": ("/lab/thing/7", ("Accept-Language: de",)),
    "Origin": ("/lab/thing/7", ("Origin: https://a.example",)),
}


async def test_what_an_upstream_could_tell_apart_has_an_entry_of_its_own(up, ada):
    bodies = {(await ada.get("/lab/thing/7")).body}
    for target, lines in APART.values():
        bodies.add((await ada.get(target, *lines)).body)
    assert len(bodies) == len(APART) + 1
    for body in (b"", b"a", b"b", b"aa"):
        await ada.get("/lab/thing/7", body=body)
    assert len(up.asked) == len(APART) + 1 + 3, "no body and an empty one are alike"
    for target, lines in APART.values():
        assert (await ada.get(target, *lines)).hit
    for body in (b"a", b"b", b"aa"):
        assert (await ada.get("/lab/thing/7", body=body)).hit
    assert up.asked[-1].body == b"aa"


async def test_the_same_request_at_a_port_of_the_services_own_is_the_same_entry(stand, up, ada):
    first = await ada.get("/lab/thing/7?a")
    second = await stand.at(ada, "lab").get("/thing/7?a")
    assert (second.hit, second.body) == (True, first.body)


UNKEPT = {
    "no-store": ("200 OK", "Cache-Control: no-store"),
    "no-store among others": ("200 OK", "Cache-Control: max-age=5, NO-STORE"),
    "private": ("200 OK", "Cache-Control: private"),
    "a cookie": ("200 OK", "Set-Cookie: a=1"),
    "Vary: *": ("200 OK", "Vary: *"),
    "Vary, by what the gate adds": ("200 OK", "Vary: Accept, Forwarded"),
    "partial": ("206 Partial Content", "Content-Range: bytes 0-1/9"),
    "an error": ("500 Oh", "X-Own: 1"),
    "not found": ("404 Not Found", "X-Own: 1"),
    "a redirect": ("302 Found", "Location: /x"),
    "created": ("201 Created", "X-Own: 1"),
}


@pytest.mark.parametrize(("status", "line"), UNKEPT.values(), ids=list(UNKEPT))
async def test_an_answer_that_is_not_for_others_is_not_stored(up, ada, status, line):
    up.on("/thing/7", told(b"it", line, status=status))
    for _ in range(2):
        answer = await ada.get("/lab/thing/7")
        assert (answer.hit, answer.body) == (False, b"it")
    assert len(up.asked) == 2


async def test_what_is_private_is_stored_where_nobody_shares_it(up, ada):
    up.on("/mine/7", told(b"it", "Cache-Control: private"))
    await ada.get("/lab/mine/7")
    assert (await ada.get("/lab/mine/7")).hit


@pytest.mark.parametrize(
    "line", ["Vary: Accept, accept-encoding", "Vary: Origin", "Cache-Control: no-cache=x"]
)
async def test_what_varies_by_the_key_alone_is_stored(up, ada, line):
    up.on("/thing/7", told(b"it", line))
    await ada.get("/lab/thing/7")
    assert (await ada.get("/lab/thing/7")).hit


async def test_what_varies_by_more_is_stored_for_each_value(up, ada):
    up.on("/thing/7", told(b"it", "Vary: Accept, X-Custom"))
    for lines in ((), ("X-Custom: a",), ("X-Custom: b",)):
        assert not (await ada.get("/lab/thing/7", *lines)).hit
        assert (await ada.get("/lab/thing/7", *lines)).hit
    assert len(up.asked) == 3


async def test_parts_and_conditions_are_answered_from_a_stored_whole(up, ada):
    up.on("/thing/8", told(b"eight", 'ETag: "x"'))
    await ada.get("/lab/thing/8")
    part = await ada.get("/lab/thing/8", "Range: bytes=1-2")
    assert (part.status, part.body, part["Content-Range"], part.hit) == (206, b"ig", "bytes 1-2/5", True)
    for line in ('If-None-Match: "x"', "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"):
        same = await ada.get("/lab/thing/8", line)
        assert (same.status, same.body, same.hit, same["ETag"]) == (304, b"", True, '"x"')
    assert len(up.asked) == 1


OF_ONE_REQUEST = (
    'If-Match: "x"',
    "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
    "Cookie: session=1",
)


@pytest.mark.parametrize("line", OF_ONE_REQUEST)
async def test_a_request_that_says_more_of_itself_is_neither_answered_from_memory_nor_stored(up, ada, line):
    await ada.get("/lab/thing/8", line)
    assert not (await ada.get("/lab/thing/8")).hit
    assert not (await ada.get("/lab/thing/8", line)).hit
    assert len(up.asked) == 3
    assert up.asked[-1].values(line.partition(":")[0])


@pytest.mark.parametrize("own", ["Basic YTpi", "Bearer of-the-upstreams-own"])
async def test_what_a_credential_for_the_upstream_brings_is_for_its_owner_alone(stand, up, ada, own):
    lines = (f"Labgate-Token: {ada.token}", f"Authorization: {own}")
    for _ in range(2):
        assert not (await stand.nobody().get("/lab/thing/7", *lines)).hit
    assert not (await ada.get("/lab/thing/7")).hit
    assert len(up.asked) == 3


async def test_a_head_leaves_nothing_in_memory_and_is_answered_from_a_stored_get(up, ada):
    for _ in range(2):
        assert not (await ada.ask("HEAD", "/lab/thing/7")).hit
    got = await ada.get("/lab/thing/7")
    assert not got.hit
    head = await ada.ask("HEAD", "/lab/thing/7")
    assert (head.hit, head["Content-Length"]) == (True, got["Content-Length"])


@pytest.mark.parametrize(("size", "hit"), [(8, True), (9, False)])
async def test_what_is_larger_than_its_rule_allows_passes_and_is_not_stored(up, ada, size, hit):
    up.on("/small/7", told(b"x" * size))
    assert (await ada.get("/lab/small/7")).body == b"x" * size
    second = await ada.get("/lab/small/7")
    assert (second.body, second.hit) == (b"x" * size, hit)


async def test_an_answer_in_chunks_is_stored_whole_and_one_that_breaks_off_is_not(up, ada):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n"
    up.on("/thing/7", chunked + b"0\r\n\r\n")
    assert (await ada.get("/lab/thing/7")).body == b"abcde"
    second = await ada.get("/lab/thing/7")
    assert (second.hit, second.body, second["Content-Length"]) == (True, b"abcde", "5")

    async def broken(asked):
        asked.writer.write(chunked)
        await asked.writer.drain()

    up.on("/thing/8", broken)
    line = await ada.line()
    line.writer.write(ada.request("GET", "/lab/thing/8"))
    await line.ended()
    up.on("/thing/8", told(b"whole"))
    assert (await ada.get("/lab/thing/8")).body == b"whole"


# --- freshness, switches


async def test_what_is_stale_serves_marked_while_one_refresh_brings_the_next(up, ada):
    held = Held(told(b"newer"))
    first = await ada.get("/lab/brief/7")
    await past(0.001)
    up.on("/brief/7", held)
    for _ in range(3):
        stale = await ada.get("/lab/brief/7")
        assert (stale.status, stale.body) == (200, first.body)
        assert 'detail="expired, refreshing"' in stale["Cache-Status"]
        assert stale["Age"]
    await until(lambda: len(up.to("/brief/7")) == 2)
    held.free.set()
    await until_body(ada, "/lab/brief/7", b"newer")


async def test_what_is_stale_serves_while_the_upstream_fails_and_not_after_a_write(up, ada):
    first = await ada.get("/lab/brief/7")

    async def gone(asked):
        return None

    for answer in (gone, told(b"no", status="500 Oh"), told(b"no", status="503 Not now")):
        await past(0.001)
        up.on("/brief/7", answer)
        stale = await ada.get("/lab/brief/7")
        assert (stale.status, stale.body) == (200, first.body)
    up.on("/brief/7", gone)
    await ada.ask("PUT", "/lab/thing/9", body=b"x")
    assert (await ada.get("/lab/brief/7")).status == 502, "a write ends what is stale too"


async def test_what_is_stale_is_forgotten_when_its_refresh_says_that_it_is_gone(up, ada):
    await ada.get("/lab/brief/7")
    await past(0.001)
    up.on("/brief/7", told(b"no", status="404 Not Found"))
    await until_body(ada, "/lab/brief/7", b"no")


async def test_a_caller_may_ask_for_newer_than_is_stored(up, ada):
    await ada.get("/lab/thing/7")
    await past(0.001)
    for asked in ("no-cache", "max-age=0", "no-store"):
        answer = await ada.get("/lab/thing/7", f"Cache-Control: {asked}")
        assert not answer.hit, asked
        assert "fwd=request" in answer["Cache-Status"]
    assert (await ada.get("/lab/thing/7", "Cache-Control: max-age=3600")).hit
    assert len(up.asked) == 4


async def test_what_came_for_a_caller_who_wanted_it_new_serves_the_others(up, ada, bob):
    await ada.get("/lab/thing/7")
    await past(0.001)
    newer = await ada.get("/lab/thing/7", "Cache-Control: no-cache")
    assert (await bob.get("/lab/thing/7")).body == newer.body


async def test_with_the_cache_off_nothing_is_answered_from_memory_or_stored(stand, up, ada):
    first = await ada.get("/lab/thing/7")
    await stand.switch(ada, cache="off")
    for _ in range(2):
        answer = await ada.get("/lab/thing/7")
        assert answer["Cache-Status"] == 'labgate; fwd=bypass; detail="switched off"'
    await ada.get("/lab/thing/8")
    await stand.switch(ada, cache="on")
    assert (await ada.get("/lab/thing/7")).body == first.body
    assert not (await ada.get("/lab/thing/8")).hit


async def test_a_write_by_a_call_ends_what_replies_let_be_stored_and_leaves_what_rules_store(up, ada):
    shared = told(b"it", "Cache-Control: public, max-age=3600").replace(f"{DATE}\r\n".encode(), b"")
    up.on("/other/7", shared)
    for target in ("/lab/other/7", "/lab/small/7"):
        await ada.get(target)
        assert (await ada.get(target)).hit
    await ada.call("lab.get_mine", {"id": "7"})
    assert (await ada.get("/lab/other/7")).hit
    await ada.call("lab.put_thing", {"id": "9"})
    assert not (await ada.get("/lab/other/7")).hit
    assert (await ada.get("/lab/small/7")).hit


async def test_a_cordoned_service_is_503_with_retry_after_and_memory_does_not_answer_for_it(stand, up, ada):
    await ada.get("/lab/thing/7")
    await ada.get("/lab/other/7")
    seen = len(up.asked)
    await stand.switch(ada, cordon={"lab": True})
    for verb, target in (
        ("GET", "/lab/thing/7"),
        ("GET", "/lab/other/7"),
        ("PUT", "/lab/thing/7"),
        ("GET", "/lab/x"),
    ):
        answer = await ada.ask(verb, target, body=b"x" if verb == "PUT" else None)
        assert (answer.status, answer["Retry-After"], answer.fault) == (503, "30", "Unavailable"), target
    assert (await stand.caller("paths", name="eve").get("/lab/thing/7")).status == 403
    assert len(up.asked) == seen
    await stand.switch(ada, cordon={"lab": False})
    assert (await ada.get("/lab/thing/7")).hit


async def test_an_upstream_that_is_gone_is_not_missed_where_memory_answers(up, ada):
    first = await ada.get("/lab/thing/7")
    await up.stop()
    assert (await ada.get("/lab/thing/8")).status == 502
    assert (await ada.get("/lab/thing/7")).body == first.body


# --- equal requests at once


async def test_equal_misses_of_what_a_rule_stores_share_one_trip(up, ada, bob):
    held = Held(told(b"seven"))
    up.on("/thing/7", held)
    asking = [asyncio.create_task(who.get("/lab/thing/7")) for who in (ada, bob) * 10]
    await until(lambda: up.to("/thing/7"))
    held.free.set()
    answers = await asyncio.gather(*asking)
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"seven")}
    assert len(up.to("/thing/7")) == 1
    assert sum("collapsed" in answer["Cache-Status"] for answer in answers) > 0


async def test_an_answer_that_will_be_whole_soon_is_waited_for(up, ada, bob, monkeypatch):
    monkeypatch.setattr(waiting, "UNSEEN", 0.4)
    large = Begun(bytes(100_000))
    up.on("/thing/7", large)
    first = asyncio.create_task(ada.get("/lab/thing/7"))
    await large.begun.wait()
    others = [asyncio.create_task(bob.get("/lab/thing/7")) for _ in range(5)]
    await asyncio.sleep(1.0)  # longer than anybody waits for what has not begun
    large.free.set()
    answers = [await one for one in (first, *others)]
    assert {(answer.status, answer.body) for answer in answers} == {(200, large.body)}
    assert len(up.to("/thing/7")) == 1
    assert all("collapsed" in answer["Cache-Status"] for answer in answers[1:])


async def test_what_a_rule_stores_is_waited_for_however_long_it_takes_to_begin(up, ada, bob, monkeypatch):
    monkeypatch.setattr(waiting, "UNSEEN", 0.05)
    held = Held(told(b"seven"))
    up.on("/thing/7", held)
    asking = [asyncio.create_task(who.get("/lab/thing/7")) for who in (ada, bob)]
    await until(lambda: up.to("/thing/7"))
    await asyncio.sleep(0.5)
    held.free.set()
    assert {(await one).body for one in asking} == {b"seven"}
    assert len(up.to("/thing/7")) == 1


async def test_who_has_waited_in_vain_has_only_the_rest_of_their_time(up, ada, bob):
    held = Held(told(b"other"))
    up.on("/other/7", held)
    asking = [asyncio.create_task(who.get("/lab/other/7")) for who in (ada, bob)]
    await until(lambda: len(up.to("/other/7")) == 2)
    held.free.set()
    await asyncio.gather(*asking)  # now there are two connections at hand
    held = Held(told(b"seven"))
    up.on("/thing/7", held)
    first = asyncio.create_task(ada.get("/lab/thing/7"))
    await until(lambda: up.to("/thing/7"))
    late = await bob.get("/lab/thing/7", "Labgate-Timeout: 1")
    assert late.status == 504
    assert all(float(one.values("Labgate-Timeout")[0]) < 0.5 for one in up.to("/thing/7")[1:])
    held.free.set()
    assert (await first).body == b"seven"


async def test_nobody_waits_for_the_answers_to_what_has_just_turned_out_not_to_be_stored(stand, up, ada, bob):
    kept, not_kept = told(b"kept"), told(b"not kept", "Cache-Control: no-store")
    for answer, trips in ((not_kept, 1), (not_kept, 3), (kept, 3)):
        held = Held(answer)
        up.on("/thing/7", held)
        up.asked.clear()
        asking = [asyncio.create_task(who.get("/lab/thing/7")) for who in (ada, ada, bob)]
        await until(lambda: len(up.to("/thing/7")) == trips)  # noqa: B023 - called at once
        await asyncio.sleep(0.1)
        assert len(up.to("/thing/7")) == trips
        held.free.set()
        await asyncio.gather(*asking)
    await bob.ask("PUT", "/lab/thing/7", body=b"x")  # what was stored is shared again
    held = Held(kept)
    up.on("/thing/7", held)
    up.asked.clear()
    asking = [asyncio.create_task(who.get("/lab/thing/7")) for who in (ada, ada, bob)]
    await until(lambda: up.to("/thing/7"))
    await asyncio.sleep(0.1)
    held.free.set()
    await asyncio.gather(*asking)
    assert len(up.to("/thing/7")) == 1


async def test_a_failure_is_nobody_elses(up, ada, bob):
    held = Held(told(b"no", status="500 Oh"))
    up.on("/thing/7", held)
    first = asyncio.create_task(ada.get("/lab/thing/7"))
    await until(lambda: up.to("/thing/7"))
    up.on("/thing/7", told(b"seven"))
    others = [asyncio.create_task(bob.get("/lab/thing/7")) for _ in range(5)]
    held.free.set()
    assert (await first).status == 500
    assert {answer.body for answer in await asyncio.gather(*others)} == {b"seven"}


async def test_no_request_joins_a_trip_that_left_before_a_write_ended(up, ada, bob):
    held = Held(told(b"old"))
    up.on("/thing/7", held)
    first = asyncio.create_task(ada.get("/lab/thing/7"))
    await until(lambda: up.to("/thing/7"))
    up.on("/thing/7", told(b"new"))
    await bob.ask("PUT", "/lab/thing/9", body=b"x")
    assert (await bob.get("/lab/thing/7")).body == b"new"
    held.free.set()
    assert (await first).body == b"old"
    assert (await ada.get("/lab/thing/7")).body == b"new"


async def test_no_more_of_a_body_is_gathered_than_memory_would_take(stand):
    up = await stand.upstream()
    up.on("/openapi.json", as_json(document()))
    await stand.gate(REST.format(url=up.url) + "cache: {memory: 400KiB}\n")
    ada = stand.caller("lab")
    for size, kept in ((50_000, True), (150_000, False), (2_000_000, False)):
        up.on("/thing/7", told(b"x" * size))
        await ada.ask("PUT", "/lab/thing/7", body=b"x")
        first, second = await ada.get("/lab/thing/7"), await ada.get("/lab/thing/7")
        assert (len(first.body), len(second.body), second.hit) == (size, size, kept)
        assert ("stored" in first["Cache-Status"].split("; ")) is kept
