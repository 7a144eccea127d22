"""Every token of the conformance table, and every odd way to show one, against a running gate: `/rpc`, a mount, a call."""

import asyncio
import json
import time

import pytest

SETTINGS = """\
policies:
  - {{to: [authenticated], allow: ["*", "/**"]}}
identity:
  issuers:
    - {{issuer: "{issuer}", audience: "{audience}", jwks: "{jwks}", leeway: 60s}}
services:
  files: {{dialect: listed, url: "{up}", mount: /files, methods: {{get_x: {{http: "GET /x"}}}}}}
"""
CALL = json.dumps({"jsonrpc": "2.0", "method": "files.get_x", "id": 1}).encode()
LONGEST_LINE = 8190 - len("Authorization: Bearer ")
"""Bytes of a token that a head of HTTP has room for."""
DOORS = {
    "rpc": b"POST /rpc HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % len(CALL),
    "mount": b"GET /files/x HTTP/1.1\r\n",
    "a write to a mount": b"PUT /files/x HTTP/1.1\r\nContent-Length: 0\r\n",
}


class Gate:
    """The gate under test, one upstream behind it, and an issuer (see vectors.py) whose tokens hold now."""

    def __init__(self, stand, world, upstream) -> None:
        self.port = stand.running.address[1]
        self.world = world
        self.upstream = upstream

    async def ask(self, door: str, *lines: bytes, query: bytes = b"") -> tuple[int, bytes]:
        """The status and the head of the answer to a request with these lines, whatever bytes they hold."""
        head = DOORS[door].replace(b" HTTP/", query + b" HTTP/", 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(head + b"Host: gate\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n")
            if door == "rpc":
                writer.write(CALL)
            async with asyncio.timeout(20):
                answer = await reader.readuntil(b"\r\n\r\n")
            return int(answer[9:12]), answer
        finally:
            writer.transport.abort()


@pytest.fixture
async def gate(stand, vector_table, tmp_path) -> Gate:
    world = vector_table.World(time.time())
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps(world.jwks()))
    upstream = await stand.upstream()
    said = {"issuer": vector_table.ISSUER, "audience": vector_table.AUDIENCE, "jwks": keys}
    await stand.gate(SETTINGS.format(up=upstream.url, **said))
    upstream.asked.clear()
    return Gate(stand, world, upstream)


def wrong_with(status: int, head: bytes) -> str | None:
    """What a refusal lacks."""
    fields = head.lower()
    if status != 401:
        return f"status {status}"
    if fields.count(b"www-authenticate: bearer ") != 1 or b'error="invalid_token"' not in fields:
        return "no challenge that says why"
    return None if b"cache-control: no-store" in fields else "it may be stored"


@pytest.mark.parametrize("door", DOORS)
async def test_every_vector_is_refused_with_a_challenge_and_no_upstream_hears_of_it(gate, vector_table, door):
    wrong = {}
    for vector in vector_table.VECTORS:
        token = vector.build(gate.world).encode("utf-8", "surrogatepass")
        status, head = await gate.ask(door, b"Authorization: Bearer " + token)
        if len(token) > LONGEST_LINE:  # nothing looks at its credential
            found = None if status == 431 else f"status {status}"
        else:
            found = wrong_with(status, head)
        if found or gate.upstream.asked:
            wrong[vector.name] = found or "the upstream was asked"
            gate.upstream.asked.clear()
    assert wrong == {}


@pytest.mark.parametrize("door", DOORS)
async def test_every_good_token_of_the_table_comes_in(gate, vector_table, door):
    wrong = {}
    for number, (name, build) in enumerate(vector_table.GOOD, 1):
        status, _ = await gate.ask(door, b"Authorization: Bearer " + build(gate.world).encode())
        if status != 200 or len(gate.upstream.asked) != number:
            wrong[name] = status
    assert wrong == {}
    assert not any(one.values("Authorization") for one in gate.upstream.asked), "the gate's token ends here"


TOKEN, OTHER = b"TOKEN", b"OTHER"
"""Stand for two tokens that hold."""

AMBIGUOUS: dict[str, tuple[bytes, ...]] = {
    "two Authorization fields": (b"Authorization: Bearer TOKEN", b"Authorization: Bearer OTHER"),
    "the same Authorization twice": (b"Authorization: Bearer TOKEN", b"Authorization: Bearer TOKEN"),
    "two Authorization fields, one Basic": (b"Authorization: Bearer TOKEN", b"Authorization: Basic YTpi"),
    "a list of tokens": (b"Authorization: Bearer TOKEN, Bearer OTHER",),
    "two tokens in one field": (b"Authorization: Bearer TOKEN OTHER",),
    "a token in quotes": (b'Authorization: Bearer "TOKEN"',),
    "a parameter": (b"Authorization: Bearer token=TOKEN,x=1",),
    "no token": (b"Authorization: Bearer",),
    "no token but spaces": (b"Authorization: Bearer   ",),
    "a tab before the token": (b"Authorization: Bearer\tTOKEN",),
    "an empty field": (b"Authorization:",),
    "two Labgate-Token fields": (b"Labgate-Token: TOKEN", b"Labgate-Token: OTHER"),
    "an empty Labgate-Token": (b"Labgate-Token:", b"Authorization: Bearer TOKEN"),
    "a Labgate-Token with its scheme": (b"Labgate-Token: Bearer TOKEN",),
    "a good token after a bad one": (b"Labgate-Token: junk", b"Authorization: Bearer TOKEN"),
    "a byte above ASCII": (b"Authorization: Bearer TOKEN\xe9",),
}
MISSING: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "another scheme": (b"Authorization: Basic YTpi",),
    "the scheme glued to the token": (b"Authorization: BearerTOKEN",),
    "a token in a cookie that is not the gate's": (b"Cookie: access_token=TOKEN",),
}
PLAIN: dict[str, tuple[bytes, ...]] = {
    "the scheme in small letters": (b"Authorization: bearer TOKEN",),
    "the scheme in capitals": (b"Authorization: BEARER TOKEN",),
    "several spaces": (b"Authorization: Bearer   TOKEN  ",),
    "the same Labgate-Token twice": (b"Labgate-Token: TOKEN", b"Labgate-Token: TOKEN"),
    "a Labgate-Token beside the service's own": (b"Labgate-Token: TOKEN", b"Authorization: Basic YTpi"),
}


def filled(gate: Gate, lines: tuple[bytes, ...]) -> list[bytes]:
    mine, other = gate.world.token().encode(), gate.world.token(sub="bob").encode()
    return [line.replace(TOKEN, mine).replace(OTHER, other) for line in lines]


@pytest.mark.parametrize("door", DOORS)
async def test_a_credential_that_is_not_plain_is_refused_even_if_it_holds_a_good_token(gate, door):
    wrong = {}
    for name, lines in AMBIGUOUS.items():
        status, head = await gate.ask(door, *filled(gate, lines))
        if found := wrong_with(status, head):
            wrong[name] = found
    assert wrong == {}
    assert not gate.upstream.asked


@pytest.mark.parametrize("door", DOORS)
async def test_no_credential_is_told_how_to_come_in_and_not_that_one_failed(gate, door):
    wrong = {}
    for name, lines in MISSING.items():
        status, head = await gate.ask(door, *filled(gate, lines))
        if status != 401 or b"www-authenticate: bearer " not in head.lower() or b"error" in head:
            wrong[name] = head
    token = gate.world.token().encode()
    status, head = await gate.ask(door, query=b"?access_token=" + token)
    assert status == 401
    assert b"error" not in head, "a token in an address is none (RFC 9700 section 4.3.2)"
    assert wrong == {}
    assert not gate.upstream.asked


@pytest.mark.parametrize("door", DOORS)
async def test_a_credential_that_is_plain_comes_in_however_it_is_spelled(gate, door):
    wrong = {}
    for name, lines in PLAIN.items():
        status, head = await gate.ask(door, *filled(gate, lines))
        if status != 200:
            wrong[name] = head
    assert wrong == {}
    assert len(gate.upstream.asked) == len(PLAIN)
