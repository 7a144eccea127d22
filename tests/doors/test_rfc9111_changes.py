"""RFC 9111 section 4.4 and RFC 10008: what unsafe requests end, and QUERY, through the running gate."""

import asyncio

import pytest
from mounting import PATIENCE, Held, told, until
from rfc9111 import FRESH, LANES, SHARED, Row, ask, hit, miss, row, table

TAG = 'ETag: "a"'
UNSAFE = ("POST", "PUT", "PATCH", "DELETE", "MKCOL", "X-ODD")
GOOD = ("200 OK", "201 Created", "204 No Content", "301 Moved", "303 See Other", "307 Again")


def ends(section, name, *change, at="", **how) -> Row:
    """A stored reply that an unsafe request ends."""
    return row(section, name, miss(says=SHARED, at=at), hit(at=at), *change, miss(says=SHARED, at=at, **how))


def stays(section, name, *change, at="") -> Row:
    """A stored reply that another request leaves as it is."""
    return row(section, name, miss(says=SHARED, at=at), *change, hit(at=at))


def elsewhere(section, name, field, *, ends_it, at="/thing", by_at="") -> Row:
    """A stored reply at another address, and an unsafe request whose answer names it."""
    change = ask(verb="POST", at=by_at, status="201 Created", says=field, asked=True)
    last = miss(at=at, says=SHARED) if ends_it else hit(at=at)
    return row(section, name, miss(says=SHARED, at=at), change, last)


INVALIDATION = [
    *(ends("4.4", f"{verb} ends what is stored of its address", ask(verb=verb, body=b"x", asked=True)) for verb in UNSAFE),
    *(ends("4.4", f"with a {status}", ask(verb="PUT", body=b"x", status=status, asked=True)) for status in GOOD),
    *(stays("4.4", f"{verb} leaves it", ask(verb=verb, asked=True)) for verb in ("OPTIONS", "PROPFIND", "REPORT")),
    stays("4.4", "a HEAD leaves it", ask(verb="HEAD", hit=True, asked=False)),
    stays("4.4", "another address is left", ask(verb="PUT", at="/other", asked=True)),
    stays("4.4", "another query is left", ask(verb="PUT", at="?a=1", asked=True)),
    ends("4.4", "the query counts", ask(verb="PUT", at="?a=1", asked=True), at="?a=1"),
    ends("4.4", "the address may be written otherwise", ask(verb="PUT", at="/%74hing", asked=True), at="/thing"),
    ends("4.4", "by another principal", ask(verb="PUT", by="bob", asked=True)),
    ends("4.4", "a write that fails may have happened", ask(verb="PUT", status="500 Oh", asked=True)),
    ends("4.4", "and so may one without an answer", ask(verb="PUT", says="gone: 1", asked=True)),
    ends("4.4", "what is ended is not asked about", ask(verb="PUT", asked=True), sent={"If-None-Match": None}),
    row("4.4", "each variant is ended", miss("X-A: 1", says=f"{FRESH}\nVary: X-A"), miss("X-A: 2", says=f"{FRESH}\nVary: X-A"), ask(verb="DELETE", asked=True), miss("X-A: 1"), miss("X-A: 2")),
    row("4.4", "and that of each principal", miss(says=FRESH), miss(by="bob", says=FRESH), ask(verb="DELETE", asked=True), miss(), miss(by="bob")),
    row("4.4", "the answer to a write is not stored", ask(verb="POST", says=SHARED, asked=True), miss()),
    *(
        elsewhere("4.4", f"{name} within the service ends it: {value}", f"{name}: {value}", ends_it=True)
        for name in ("Location", "Content-Location")
        for value in ("<path>/thing", "<path>/x/../thing", "<path>/thing#part", "<origin><path>/thing", "<path>/%74hing")
    ),
    elsewhere("4.4", "Location that is relative", "Location: thing", ends_it=True, by_at="/sub"),
    *(
        elsewhere("4.4", f"{name} of another origin ends nothing: {value}", f"{name}: {value}", ends_it=False)
        for name in ("Location", "Content-Location")
        for value in ("http://elsewhere.example<path>/thing", "https://127.0.0.1:1<path>/thing", "//elsewhere.example<path>/thing", "<path>/other", "http://[", "")
    ),
    row("4.4", "what a failed write names is left", miss(says=SHARED, at="/thing"), ask(verb="POST", status="400 No", says="Location: <path>/thing", asked=True), hit(at="/thing")),
    row("4.4", "what a read names is left", miss(says=SHARED, at="/thing"), ask(says="Content-Location: <path>/thing", asked=True), hit(at="/thing")),
]  # fmt: skip

QUERIES = [
    row("10008", "a QUERY is stored by its body", miss(verb="QUERY", body=b"a", says=FRESH), hit(verb="QUERY", body=b"a"), miss(verb="QUERY", body=b"b", says=FRESH), hit(verb="QUERY", body=b"b", of=2), hit(verb="QUERY", body=b"a")),
    row("10008", "and by its type", miss("Content-Type: a/a", verb="QUERY", body=b"a", says=FRESH), miss("Content-Type: a/b", verb="QUERY", body=b"a", says=FRESH)),
    row("10008", "and not for GET", miss(verb="QUERY", body=b"a", says=FRESH), miss(says=FRESH), hit(of=1)),
    row("10008", "nor is GET for it", miss(says=FRESH), miss(verb="QUERY", body=b"a", says=FRESH)),
    row("10008", "it changes nothing", miss(says=FRESH), miss(verb="QUERY", body=b"a"), hit()),
    row("10008", "a write at its address ends it", miss(verb="QUERY", body=b"a", says=FRESH), ask(verb="PUT", asked=True), miss(verb="QUERY", body=b"a")),
    row("10008", "a part or condition of it is the service's", miss(verb="QUERY", body=b"a", says=f"{FRESH}\n{TAG}"), miss('If-None-Match: "a"', verb="QUERY", body=b"a", sent={"If-None-Match": '"a"'})),
    row("9110 9.3.1", "a GET with a body is told from one without", miss(body=b"a", says=FRESH), miss(says=FRESH), miss(body=b"b", says=FRESH), hit(body=b"a"), hit(of=1)),
    row("4", "targets are told apart as they are written", miss(at="/a", says=FRESH), miss(at="/%61", says=FRESH), miss(at="/a?", says=FRESH), miss(at="/a?x", says=FRESH), miss(at="//a", says=FRESH), hit(at="/a")),
]  # fmt: skip


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("rows", [INVALIDATION, QUERIES], ids=["invalidation", "queries"])
async def test_what_an_unsafe_request_changed_serves_nobody(stand, rows, lanes):
    await (await table(stand, lanes)).run(rows)


# --- what a table cannot say: things that happen at once


async def test_what_left_before_a_write_ended_is_not_stored_after_it(stand):
    found = await table(stand)
    up, ada, bob = found.up, found.callers["ada"], found.callers["bob"]
    # Once as nobody knows the path, once by the lane of known requests.
    for turn in range(2):
        held = Held(told(b"old", SHARED))
        up.on("/thing", held)
        reading = asyncio.create_task(ada.get("/up/thing", on=await ada.line()))
        await until(lambda turn=turn: len(up.to("/thing", "GET")) == 1 + 2 * turn)
        up.on("/thing", told(b"written"))
        await bob.ask("PUT", "/up/thing", body=b"x")
        held.free.set()
        assert (await reading).body == b"old"
        up.on("/thing", told(b"new", "Cache-Control: no-store"))
        assert (await ada.get("/up/thing")).body == b"new"


async def test_equal_requests_for_what_must_be_confirmed_share_one_trip(stand):
    found = await table(stand)
    up, ada = found.up, found.callers["ada"]
    up.on("/x", told(b"whole", "Cache-Control: no-cache, public", TAG))
    await ada.get("/up/x")
    held = Held(
        b"HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=3600, public\r\n" + TAG.encode() + b"\r\n\r\n"
    )
    up.on("/x", held)
    asking = [asyncio.create_task(ada.get("/up/x")) for _ in range(20)]
    await until(lambda: len(up.to("/x")) == 2)
    held.free.set()
    answers = await asyncio.gather(*asking)
    assert {answer.body for answer in answers} == {b"whole"}
    assert len(up.to("/x")) == 2
    assert sum("collapsed" in answer["Cache-Status"] for answer in answers) > 0


async def test_whoever_waits_for_a_trip_that_is_deserted_makes_it_anew(stand):
    found = await table(stand)
    up, ada = found.up, found.callers["ada"]
    up.on("/x", told(b"whole", "Cache-Control: no-cache, public", TAG))
    await ada.get("/up/x")
    held = Held()
    up.on("/x", held)
    leader = await ada.line()
    leader.writer.write(ada.request("GET", "/up/x"))
    await until(lambda: len(up.to("/x")) == 2)
    others = [asyncio.create_task(ada.get("/up/x")) for _ in range(5)]
    await asyncio.sleep(0)
    up.on("/x", told(b"newer", "Cache-Control: max-age=3600, public"))
    await leader.close()
    async with asyncio.timeout(PATIENCE):
        assert {answer.body for answer in await asyncio.gather(*others)} == {b"newer"}
    await until(held.gone.is_set)


async def test_a_private_answer_is_not_shared_with_those_who_wait(stand):
    found = await table(stand)
    up, ada, bob = found.up, found.callers["ada"], found.callers["bob"]
    up.on("/x", told(b"whole", "Cache-Control: no-cache, public", TAG))
    await ada.get("/up/x")
    held = Held(told(b"hers", "Cache-Control: private"))
    up.on("/x", held)
    mine = asyncio.create_task(ada.get("/up/x"))
    await until(lambda: len(up.to("/x")) == 2)
    up.on("/x", told(b"his", "Cache-Control: private"))
    his = asyncio.create_task(bob.get("/up/x"))
    held.free.set()
    assert (await mine).body == b"hers"
    assert (await his).body == b"his"


async def test_a_renewal_is_one_for_all_and_survives_its_caller(stand):
    found = await table(stand)
    up, ada = found.up, found.callers["ada"]
    up.on(
        "/x",
        told(b"old", "Cache-Control: max-age=1, stale-while-revalidate=1000, public", "Age: 5", TAG).replace(
            b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", b""
        ),
    )
    await ada.get("/up/x")
    held = Held(
        told(b"new", "Cache-Control: max-age=3600, public").replace(
            b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", b""
        )
    )
    up.on("/x", held)
    for _ in range(5):
        assert (await ada.get("/up/x")).body == b"old"
    await until(lambda: len(up.to("/x")) == 2)
    assert up.to("/x")[1].values("If-None-Match") == [b'"a"']
    held.free.set()
    async with asyncio.timeout(PATIENCE):
        while (await ada.get("/up/x")).body != b"new":
            pass
    assert len(up.to("/x")) == 2


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
async def test_a_body_of_any_size_is_stored_as_it_passed(stand, size):
    found = await table(stand)
    ada = found.callers["ada"]
    body = bytes(range(256)) * (size // 256 + 1)
    rows = [
        row(
            "3",
            f"{size} bytes",
            miss(says=FRESH, text=body[:size]),
            hit(),
            hit(
                "Range: bytes=5-9",
                of=None,
                gets=body[5:10] if size > 5 else b"",
                code=206 if size > 5 else 416,
            ),
        )
    ]
    await found.run(rows)
    assert ada is not None


@pytest.mark.parametrize("lines", ["Content-Length: 70", "Transfer-Encoding: chunked"])
async def test_a_body_that_is_shorter_than_it_says_is_not_stored(stand, lines):
    found = await table(stand)
    up, ada = found.up, found.callers["ada"]

    async def broken(asked):
        asked.writer.write(f"HTTP/1.1 200 OK\r\n{FRESH}\r\n{lines}\r\n\r\n".encode() + b"5\r\nhello")
        await asked.writer.drain()

    up.on("/x", broken)
    line = await ada.line()
    line.writer.write(ada.request("GET", "/up/x"))
    await line.ended()
    up.on("/x", told(b"whole"))
    second = await ada.get("/up/x")
    assert (second.body, second.hit) == (b"whole", False)


async def test_what_follows_the_announced_end_belongs_to_no_answer(stand):
    found = await table(stand)
    up, ada = found.up, found.callers["ada"]
    up.on(
        "/x",
        f"HTTP/1.1 200 OK\r\n{FRESH}\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\nevil".encode(),
    )
    assert (await ada.get("/up/x")).body == b"abc"
    up.on("/y", told(b"good"))
    assert (await ada.get("/up/y")).body == b"good"
    assert (await ada.get("/up/x")).body == b"abc"


async def test_a_head_with_very_many_fields_is_stored_as_it_is(stand):
    many = "\n".join(f"X-{number}: {'v' * 30}" for number in range(90))
    rows = [
        row(
            "3",
            "ninety fields",
            miss(says=f"{FRESH}\n{many}"),
            hit(has={"X-0": "^v{30}$", "X-89": "^v{30}$"}),
        )
    ]
    await (await table(stand)).run(rows)


async def test_what_is_asked_anew_is_asked_with_its_body(stand):
    found = await table(stand)
    up, ada = found.up, found.callers["ada"]
    up.on("/x", told(b"whole", "Cache-Control: no-cache, public", TAG))
    assert (await ada.get("/up/x", body=b"question")).body == b"whole"
    odd = [b'HTTP/1.1 304 Not Modified\r\nETag: "other"\r\n\r\n', told(b"anew")]

    async def answer(asked):
        return odd.pop(0)

    up.on("/x", answer)
    assert (await ada.get("/up/x", body=b"question")).body == b"anew"
    assert [one.body for one in up.to("/x")] == [b"question"] * 3
    assert [one.values("If-None-Match") for one in up.to("/x")] == [[], [b'"a"'], []]


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_renewal_of_a_query_has_its_body(stand, chunked):
    found = await table(stand)
    up, ada = found.up, found.callers["ada"]
    lines = "Cache-Control: max-age=1, stale-while-revalidate=1000, public", "Age: 5"
    up.on("/x", told(b"old", *lines).replace(b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", b""))
    body = b"8\r\nquestion\r\n0\r\n\r\n" if chunked else b"question"
    framed = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"

    async def asks() -> bytes:
        line = await ada.line()
        line.writer.write(ada.head("QUERY", "/up/x", framed) + body)
        answer = await line.answer()
        await line.close()
        return answer.body

    assert await asks() == b"old"
    up.on(
        "/x",
        told(b"new", "Cache-Control: max-age=3600, public").replace(
            b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", b""
        ),
    )
    async with asyncio.timeout(PATIENCE):
        while await asks() != b"new":
            pass
    assert {one.body for one in up.to("/x")} == {b"question"}
