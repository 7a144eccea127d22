"""A service that names its own address in what it says (`links: true`): nothing that it says leads past the gate."""

import gzip
import json
from email.utils import formatdate

import msgpack
import pytest
from mounting import DATE, Upstream, as_json, told

CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  scans: {{dialect: listed, url: "{url}", mount: /scans, listen: "127.0.0.1:0", links: true{more}}}
"""
RULE = ', methods: {"http": {cache: {fresh: 1h, share: everyone}}}'
OWN = ", http_cache: {drop_cookies: [csrf], secret_query: [api_key]}"
PACKED = "Content-Type: application/x-msgpack"


def fresh(how: str, *lines: str) -> bytes:
    """An answer that may be kept for a minute from now on."""
    now = f"Date: {formatdate(usegmt=True)}".encode()
    return as_json(1, f"Cache-Control: {how}, max-age=60", *lines).replace(DATE.encode(), now)


class Scans:
    """A server that names its own address, and a gate before it."""

    def __init__(self, stand, up: Upstream) -> None:
        self.stand, self.up = stand, up

    async def gate(self, more: str = "", base: str = "") -> None:
        await self.stand.gate(CONFIG.format(url=self.up.url + base, more=more))
        self.ada = self.stand.caller("lab")
        self.here = f"http://127.0.0.1:{self.ada.port}/scans"

    def links(self, root: str | None = None) -> dict[str, object]:
        own = self.up.url if root is None else root
        block = f"{own}/block?i={{0}}&u=http://elsewhere.test/"
        return {
            "self": f"{own}/a",
            "block": block,
            "root": own,
            "other": "http://elsewhere.test/a",
            "n": 2**70,
        }


@pytest.fixture
async def scans(stand) -> Scans:
    return Scans(stand, await stand.upstream())


async def test_addresses_of_the_service_in_json_lead_to_the_gate_where_the_caller_sees_it(scans):
    scans.up.on("/a", as_json(scans.links()))
    await scans.gate()
    for caller, root in (
        (scans.ada, scans.here),
        (scans.stand.at(scans.ada, "scans"), None),
    ):
        answer = await caller.get("/scans/a" if root else "/a")
        wanted = scans.links(root or f"http://127.0.0.1:{caller.port}")
        assert json.loads(answer.body) == wanted | {"root": root or f"http://127.0.0.1:{caller.port}/"}
    there = await scans.ada.get("/scans/a", host="gate.lab")
    assert json.loads(there.body)["self"] == "http://gate.lab/scans/a"


async def test_addresses_in_msgpack_do_too_and_binary_data_stay(scans):
    data = scans.up.url.encode() + b"/raw"
    value = {"links": {"self": f"{scans.up.url}/a"}, "data": data}
    scans.up.on("/a", told(msgpack.packb(value), PACKED))
    await scans.gate()
    answer = await scans.ada.get("/scans/a")
    assert msgpack.unpackb(answer.body) == {"links": {"self": f"{scans.here}/a"}, "data": data}
    assert answer["Content-Type"] == "application/x-msgpack"


async def test_the_base_of_the_services_address_is_no_part_of_what_callers_see(scans):
    scans.up.on("/api/v1/a", as_json({"u": f"{scans.up.url}/api/v1/b", "beside": f"{scans.up.url}/c"}))
    await scans.gate(base="/api/v1")
    answer = await scans.ada.get("/scans/a")
    assert json.loads(answer.body) == {"u": f"{scans.here}/b", "beside": f"{scans.here}/c"}


async def test_the_service_is_told_of_no_address_but_its_own(scans):
    await scans.gate()
    await scans.ada.get("/scans/a")
    asked = scans.up.asked[-1]
    for name in ("X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix"):
        assert asked.values(name) == []
    assert asked.values("Forwarded") == [b"for=127.0.0.1"]
    assert asked.values("X-Forwarded-For") == [b"127.0.0.1"]


async def test_a_service_that_is_sent_the_callers_host_names_that_and_leads_to_the_gate_all_the_same(scans):
    async def named(asked):
        return as_json({"u": f"http://{asked.values('Host')[0].decode()}/scans/b"})

    scans.up.on("/a", named)
    await scans.gate(", keep_host: true")
    assert json.loads((await scans.ada.get("/scans/a")).body) == {"u": f"{scans.here}/scans/b"}


async def test_an_answer_is_stored_as_it_came_and_led_here_for_each_caller(scans):
    scans.up.on("/a", as_json(scans.links(), 'ETag: "a"'))
    await scans.gate(RULE)
    first = await scans.ada.get("/scans/a")
    here = await scans.ada.get("/scans/a", "Range: bytes=0-3")
    there = await scans.stand.caller("lab", name="bob").get("/scans/a", host="gate.lab")
    assert (first.hit, here.hit, there.hit, len(scans.up.asked)) == (False, True, True, 1)
    assert (here.status, here.body) == (200, first.body)
    assert json.loads(there.body)["self"] == "http://gate.lab/scans/a"
    unchanged = await scans.ada.get("/scans/a", 'If-None-Match: "a"')
    assert (unchanged.status, unchanged.body) == (304, b"")


async def test_head_says_no_length_before_the_answer_is_known_and_its_length_after(scans):
    scans.up.on("/a", as_json(scans.links()))
    await scans.gate(RULE)
    unknown = await scans.ada.ask("HEAD", "/scans/a")
    assert (unknown.status, unknown.values("Content-Length")) == (200, [])
    whole = await scans.ada.get("/scans/a")
    known = await scans.ada.ask("HEAD", "/scans/a")
    assert (known.hit, known["Content-Length"]) == (True, str(len(whole.body)))


async def test_entity_tags_without_quotes_pass_and_are_compared_as_they_stand(scans):
    async def tagged(asked):
        if asked.values("If-None-Match") == [b"d41d8"]:
            return b"HTTP/1.1 304 Not Modified\r\nETag: d41d8\r\n\r\n"
        return as_json(1, "ETag: d41d8")

    scans.up.on("/a", tagged)
    scans.up.on("/kept/a", fresh("public", "ETag: d41d8"))
    await scans.gate()
    assert (await scans.ada.get("/scans/a"))["ETag"] == "d41d8"
    assert (await scans.ada.get("/scans/a", "If-None-Match: d41d8")).status == 304
    assert (await scans.ada.get("/scans/a", 'If-None-Match: "d41d8"')).status == 200
    assert (await scans.ada.get("/scans/kept/a")).status == 200
    again = await scans.ada.get("/scans/kept/a", "If-None-Match: d41d8")
    assert (again.status, again.hit, again["ETag"]) == (304, True, "d41d8")


async def test_other_contents_stream_as_they_come_in_the_coding_that_the_caller_takes(scans):
    body = b"\x28\xb5\x2f\xfd" + scans.up.url.encode()
    scans.up.on("/a", told(body, "Content-Type: application/octet-stream", "Content-Encoding: zstd"))
    part = "Content-Range: bytes 0-3/9"
    scans.up.on("/part", told(b"abcd", "Content-Type: text/csv", part, status="206 Partial Content"))
    await scans.gate()
    answer = await scans.ada.get(
        "/scans/a", "Accept: application/octet-stream", "Accept-Encoding: blosc2, zstd"
    )
    assert (answer.body, answer["Content-Encoding"]) == (body, "zstd")
    assert scans.up.asked[-1].values("Accept-Encoding") == [b"blosc2, zstd"]
    answer = await scans.ada.get("/scans/part", "Range: bytes=0-3")
    assert (answer.status, answer.body) == (206, b"abcd")


async def test_what_will_be_read_is_asked_for_in_plain_and_asked_for_again_where_nobody_knew(scans):
    text = json.dumps(scans.links()).encode()

    async def coded(asked):
        if b"zstd" in b"".join(asked.values("Accept-Encoding")):
            return told(b"\x28\xb5\x2f\xfd", "Content-Type: application/json", "Content-Encoding: zstd")
        return told(text, "Content-Type: application/json")

    scans.up.on("/a", coded)
    await scans.gate(RULE)
    known = await scans.ada.get("/scans/a", "Accept: application/json", "Accept-Encoding: zstd")
    assert json.loads(known.body)["self"] == f"{scans.here}/a"
    assert [one.values("Accept-Encoding") for one in scans.up.asked] == [[b"identity"]]
    for _ in range(2):
        unknown = await scans.ada.get("/scans/a", "Accept: */*", "Accept-Encoding: zstd")
        assert unknown.body == known.body
        assert unknown["Content-Encoding"] == ""
    assert [one.values("Accept-Encoding") for one in scans.up.asked[1:]] == [[b"zstd"], [b"identity"]]
    assert unknown.hit


async def test_a_part_of_what_must_be_read_is_given_whole(scans):
    text = json.dumps(scans.links()).encode()

    async def ranged(asked):
        if asked.values("Range"):
            lines = ("Content-Type: application/json", f"Content-Range: bytes 0-3/{len(text)}", 'ETag: "a"')
            return told(text[:4], *lines, status="206 Partial Content")
        return told(text, "Content-Type: application/json", 'ETag: "a"')

    scans.up.on("/a", ranged)
    await scans.gate(RULE)
    answer = await scans.ada.get("/scans/a", "Range: bytes=0-3")
    assert (answer.status, json.loads(answer.body)["self"]) == (200, f"{scans.here}/a")


async def test_answers_to_writes_and_errors_are_led_too(scans):
    async def made(asked):
        return told(
            json.dumps(scans.links()).encode(), "Content-Type: application/problem+json", status="201 Made"
        )

    scans.up.on("/a", made)
    await scans.gate()
    answer = await scans.ada.ask("POST", "/scans/a", "Accept-Encoding: zstd", "Range: bytes=0-3", body=b"{}")
    assert (answer.status, json.loads(answer.body)["self"]) == (201, f"{scans.here}/a")
    assert scans.up.asked[-1].values("Accept-Encoding") == [b"identity"]
    assert scans.up.asked[-1].values("Range") == []


async def test_a_compressed_body_is_read_and_one_that_cannot_be_is_refused_and_not_kept(scans):
    text = json.dumps(scans.links()).encode()
    kind = "Content-Type: application/json"
    scans.up.on("/a", told(gzip.compress(text), kind, "Content-Encoding: gzip"))
    await scans.gate(RULE)
    answer = await scans.ada.get("/scans/a", "Accept-Encoding: gzip")
    assert json.loads(answer.body)["self"] == f"{scans.here}/a"
    packed = msgpack.packb(scans.links() | {"n": 1})
    for said in (
        told(gzip.compress(text)[:-9], kind, "Content-Encoding: gzip"),
        told(text, kind, "Content-Encoding: br"),
        told(text[: text.index(b"/a")], kind),
        told(text.decode().encode("utf-16"), kind),
        told(packed[:-12], PACKED),
        told(text[:4], kind, status="206 Partial Content"),
    ):
        scans.up.on("/b", said)
        for _ in range(2):
            answer = await scans.ada.get("/scans/b")
            assert (answer.status, answer.fault) == (502, "UpstreamBroken")
            assert scans.up.url.encode() not in answer.body
    scans.up.on("/b", as_json("whole"))
    assert (await scans.ada.get("/scans/b")).body == b'"whole"'


async def test_a_long_answer_is_led_while_others_go_on_and_one_beyond_all_measure_is_refused(scans):
    many = [f"{scans.up.url}/{at}" for at in range(40_000)]
    scans.up.on("/a", as_json(many))
    scans.up.on("/b", as_json("x" * (17 << 20)))
    await scans.gate(RULE)
    for _ in range(2):
        answer = await scans.ada.get("/scans/a")
        assert json.loads(answer.body) == [f"{scans.here}/{at}" for at in range(40_000)]
    assert answer.hit
    assert (await scans.ada.get("/scans/b")).fault == "TooLarge"


async def test_a_cookie_that_says_nothing_is_not_stored_and_keeps_nothing_from_being_stored(scans):
    scans.up.on("/a", as_json(1, "Set-Cookie: csrf=abc; Path=/"))
    scans.up.on("/b", as_json(1, "Set-Cookie: csrf=abc", "Set-Cookie: session=1"))
    await scans.gate(OWN + RULE)
    assert (await scans.ada.get("/scans/a"))["Set-Cookie"] == "csrf=abc; Path=/scans"
    again = await scans.ada.get("/scans/a", "Cookie: csrf=abc")
    assert (again.hit, again["Set-Cookie"]) == (True, "")
    assert not (await scans.ada.get("/scans/a", "Cookie: csrf=abc; session=1")).hit
    assert scans.up.asked[-1].values("Cookie") == [b"csrf=abc; session=1"]
    for _ in range(2):
        assert not (await scans.ada.get("/scans/b")).hit


async def test_each_accept_and_each_credential_for_the_service_has_an_answer_of_its_own(scans):
    scans.up.on("/a", fresh("public"))
    await scans.gate()
    token = f"Labgate-Token: {scans.ada.token}"
    nobody = scans.stand.nobody()
    said = (
        (token, "Accept: application/json"),
        (token, "Accept: text/csv"),
        (token, "Accept: text/csv", "Authorization: Apikey one"),
        (token, "Accept: text/csv", "Authorization: Apikey two"),
    )
    for lines in said:
        assert not (await nobody.get("/scans/a", *lines)).hit, lines
        assert (await nobody.get("/scans/a", *lines)).hit, lines


async def test_a_credential_in_the_query_is_passed_on_in_no_key_and_for_nobody_else(scans, tmp_path):
    scans.up.on("/a", fresh("public"))
    scans.up.on("/b", fresh("no-transform"))
    disk = f"\ncache: {{disk: {{size: 64MiB, path: {tmp_path / 'kept'}}}}}\n"
    await scans.stand.gate(CONFIG.format(url=scans.up.url, more=OWN) + disk)
    ada = scans.stand.caller("lab")
    for target in ("/scans/a?x=1&api_key=hush1", "/scans/a?x=1&api%5Fkey=hush2", "/scans/a?x=1"):
        assert not (await ada.get(target)).hit, target
        assert (await ada.get(target)).hit, target
    assert [one.target for one in scans.up.asked] == [
        "/a?x=1&api_key=hush1",
        "/a?x=1&api%5Fkey=hush2",
        "/a?x=1",
    ]
    for _ in range(2):
        assert not (await ada.get("/scans/b?api_key=hush1")).hit
    entries = await scans.stand.at(ada).get("/-/cache/entries?limit=9")
    assert entries.status == 200
    assert b"x=1" in entries.body
    assert b"hush" not in entries.body
    await scans.stand.running.shelves.settle()
    kept = [file.read_bytes() for file in (tmp_path / "kept").rglob("*") if file.is_file()]
    assert any(b"/a?x=1" in one for one in kept)
    assert not any(b"hush" in one for one in kept)
