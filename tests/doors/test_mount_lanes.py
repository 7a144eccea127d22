"""The lanes in front of the parser change nothing but the speed, and hold no more than they may."""

import asyncio
import random
from email.utils import formatdate

import pytest
from mounting import DATE, Answer, Caller, CutShort, Line, Stand, Upstream, alone, past, same, told, until

from gateway.wire.head import Head
from gateway.wire.lane import LONGEST, MOST, Lane, Seen

CONFIG = """\
hosts: [gate.test, 127.0.0.1]
identity: {{anonymous: {anonymous}}}
limits: {{body: 1KiB}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:some"], allow: ["up.get", "up.http", "GET /up/**", "/rpc_up/**", "calc.add", "plain.http", "GET /plain/open/**"]}}
  - {{to: [anonymous], allow: ["up.http", "GET /up/open/*"]}}
services:
  up:
    dialect: listed
    url: "{url}"
    mount: /up
    cors: {{origins: ["https://viewer.example"]}}
    methods:
      get: {{http: "GET /thing/{{id}}", cache: {{fresh: 1h, share: everyone, tags: [things]}}}}
      put: {{http: "PUT /thing/{{id}}", invalidates: [things]}}
  calc:
    dialect: listed
    url: "{url}"
    rpc_path: /api
    mount: /rpc_up
    methods: {{add: {{safe: true, cache: {{fresh: 1h}}}}, set: {{}}}}
  plain: {{dialect: listed, url: "{url}/p", mount: /plain}}
  two: {{dialect: listed, url: "{url}/two", mount: /two}}
  deep: {{dialect: listed, url: "{url}/deep", mount: /two/deep}}
  slash: {{dialect: listed, url: "{url}/s", mount: /slash, encoded_slash: true, underscores: true}}
"""


async def echo(asked):
    """What was asked, as the answer."""
    said = same(asked.head) + asked.body
    if "cookie" in asked.target:
        return told(said, "Set-Cookie: own=1; Path=/", f"Location: {asked.target}")
    if "undated" in asked.target:
        return told(said).replace(f"{DATE}\r\n".encode(), b"")
    return cacheable(asked) or told(said)


KEPT = {
    "fresh": "Cache-Control: max-age=3600",
    "shared": "Cache-Control: public, max-age=3600",
    "asked": 'Cache-Control: no-cache\r\nETag: "v1"',
    "old": 'Cache-Control: max-age=5\r\nAge: 60\r\nETag: "v1"',
    "changed": "Cache-Control: public, max-age=3600\r\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT",
    "varies": "Cache-Control: max-age=3600\r\nVary: X-Odd, Accept",
    "never": "Cache-Control: no-store",
    "mine": "Cache-Control: private, max-age=60",
    "odd": "Cache-Control: no-store, must-understand, max-age=60",
    "both": "Cache-Control: private, no-store\r\nVary: *",
    "expires": "Expires: Thu, 01 Jan 2099 00:00:00 GMT",
    "moved": "Cache-Control: public, max-age=3600\r\nLocation: /p/x",
    "brief": "Cache-Control: public, max-age=2",
}
"""What a service says of its answers, by the last step of their path."""


def cacheable(asked) -> bytes | None:
    """An answer that may be stored, and is the same for both gates; None for other paths."""
    lines = KEPT.get(asked.path.rpartition("/")[2])
    if lines is None:
        return None
    now = f"Date: {formatdate(usegmt=True)}"
    if any(b'"v1"' in value for value in asked.values("If-None-Match")):
        return f"HTTP/1.1 304 Not Modified\r\n{now}\r\n{lines}\r\n\r\n".encode()
    body = b"" if asked.verb == "HEAD" else b"0123456789"
    return f"HTTP/1.1 200 OK\r\n{now}\r\n{lines}\r\nContent-Length: 10\r\n\r\n".encode() + body


FRESH = (
    *("/plain", "/plain/", "/plain/a", "/plain/b?x", "/plain/open/a", "/plain/open/b", "/plain/open/c/d/"),
    *(
        "/plain/open/../a",
        "/plain/%6fpen/e",
        "/plain/open//f",
        "/plain//open/g",
        "/plain/open/h%2Fi",
        "/plain/.x",
    ),
    *("/two/a", "/two/b", "/two/deep", "/two/deep/a", "/two/deep/b", "/two/deeper", "/two/./a", "//two/c"),
)
"""Paths that nobody decided about before, below steps that are known: whose they are is known by that."""

CACHEABLE = tuple(f"/{at}/{name}" for at in ("plain", "two", "up") for name in KEPT if name != "brief")
"""Paths whose answers are stored, validated or not, as they say themselves."""

TARGETS = (
    *("/up/thing/1", "/up/thing/2", "/up/thing/1?a=1", "/up/thing/1?", "/up/open/x", "/up/a", "/up", "/up/"),
    *(
        "/up/cookie",
        "//up//thing/1",
        "/up/%74hing/1",
        "/up/x?q=%2F%2e",
        "/up/x?q=/../",
        "/up/x?a b",
        "/up/x?\x7f",
    ),
    *(
        "/up/../a",
        "/up/%2e%2e/a",
        "/up/a%2Fb",
        "/up/a%zz",
        "/up/a\\b",
        "/up/a#b",
        "/up/x?#",
        "/up/\xe9",
        "/up/x?\xe9",
    ),
    *(
        "/slash/a%2Fb",
        "/slash/a",
        "/slash/..%2f",
        "/rpc_up/api",
        "/rpc_up/api?x",
        "/rpc_up/files",
        "/rpc_up/api/",
    ),
    *(
        "/nowhere",
        "/rpc",
        "/-/healthy",
        "/-/healthy?x",
        "*",
        "http://gate.test/up/a",
        "http://evil.test/up/a",
        "up/a",
    ),
    *(
        "/up/" + "x" * 8165,
        "/up/" + "x" * 8166,
        "/up/x?" + "y" * 8163,
        "/up/x?" + "y" * 8164,
        "/up/ a",
        " /up/a",
    ),
)
VERBS = ("GET",) * 25 + (
    "HEAD",
    "HEAD",
    "POST",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "QUERY",
    "PROPFIND",
    "get",
    "CONNECT",
    "",
)
LINES = (
    *(
        "Accept: */*",
        "accept:  text/html ",
        "Accept: a\r\nAccept: b",
        "Accept:",
        "X-Odd: \xe9\xff",
        "x_under: 1",
    ),
    *(
        "Cookie: own=1; other=2",
        "Cookie: own=1",
        "X-Request-Id: given-by-caller",
        "Labgate-Timeout: 5",
        "Labgate-Timeout: x",
    ),
    *(
        "Cache-Control: no-cache",
        "Connection: keep-alive",
        "Connection: x-odd, keep-alive\r\nX-Odd: 1",
        "Connection: close",
    ),
    *(
        "Range: bytes=0-1",
        "Range: bytes=2-5,7-8",
        "Range: bytes=99-",
        'If-None-Match: "v1"',
        'If-None-Match: "v2"',
        "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT",
        'If-Match: "v1"',
        'Range: bytes=0-1\r\nIf-Range: "v1"',
        "Cache-Control: max-age=0",
        "Cache-Control: only-if-cached",
        "Cache-Control: max-stale=1000",
        "Cache-Control: no-store",
        "Pragma: no-cache",
        "Origin: https://viewer.example",
        "Access-Control-Request-Method: PUT",
        "TE: trailers",
    ),
    *(
        "X-Forwarded-For: 9.9.9.9",
        "Via: 1.1 other",
        "Expect: 100-continue",
        "Expect: x",
        "X-Long: " + "z" * 5000,
    ),
    *(
        "Authorization: Basic YTpi",
        "Upgrade: h2c\r\nConnection: upgrade",
        " folded: 1",
        "No colon",
        "X-Bad: \x01",
        "Host: other.test",
    ),
)
BODIES = (
    *(None,) * 4,
    *(
        b"",
        b"x" * 10,
        b"x" * 2000,
        b'{"jsonrpc":"2.0","method":"add","id":1}',
        b'{"jsonrpc":"2.0","method":"add","id":2}',
    ),
    *(b'{"jsonrpc":"2.0","method":"set","id":1}', b'[{"jsonrpc":"2.0","method":"add","id":1}]'),
)


class Traffic:
    """One caller's requests, the same to both gates; each has a few sets of lines that come again and again."""

    def __init__(self, seed: int, tokens: list[str]) -> None:
        self.random = random.Random(seed)
        choices = [*(f"Authorization: Bearer {token}" for token in tokens), "Authorization: Bearer junk", ""]
        self.choices = choices
        self.usual = [["Host: gate.test", token] for token in choices[:-1]]
        self.usual += [self.lines(choices) for _ in range(3)]

    def lines(self, choices: list[str]) -> list[str]:
        """Some header lines."""
        pick = self.random
        host = pick.choice(["gate.test"] * 6 + ["GATE.test:80", "evil.test"])
        more = pick.sample(LINES, pick.choice([0, 0, 0, 1, 1, 2]))
        return [line for line in (f"Host: {host}", pick.choice(choices), *more) if line]

    def next(self) -> tuple[str, bytes]:
        """A verb and a whole request."""
        pick = self.random
        lines = pick.choice(self.usual) if pick.random() < 0.75 else self.lines(self.choices)
        verb, target = pick.choice(VERBS), pick.choice(TARGETS[:5] * 20 + FRESH * 4 + CACHEABLE * 6 + TARGETS)
        body = pick.choice(BODIES) if verb != "GET" or pick.random() < 0.1 else None
        version = pick.choice(["HTTP/1.1"] * 60 + ["HTTP/1.0", "HTTP/1.2", "HTTP/1.1 HTTP/1.1"])
        framed = []
        if body is not None and pick.random() < 0.2:
            framed, body = (
                ["Transfer-Encoding: chunked"],
                b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n",
            )
        elif body is not None:
            framed = [f"Content-Length: {len(body)}"]
        head = "\r\n".join([f"{verb} {target} {version}", *lines, *framed]).encode("latin-1")
        return verb, head + b"\r\n\r\n" + (body or b"")


class Side:
    """One gate, as its callers and its upstream see it."""

    def __init__(self, caller: Caller, upstream: Upstream) -> None:
        self.caller = caller
        self.upstream = upstream
        self.line: Line | None = None

    async def take(self, verb: str, request: bytes) -> tuple[bytes, list[bytes]]:
        """The answer to a request on the kept connection, and what the upstream saw of it."""
        self.line = self.line or await self.caller.line()
        before = len(self.upstream.asked)
        self.line.writer.write(request)
        answer: Answer | None = None
        try:
            answer = await self.line.answer(verb)
        except CutShort:
            pass
        if answer is None or answer["Connection"] == "close":
            await self.line.close()
            self.line = None
        seen = [same(one.head) + one.body for one in self.upstream.asked[before:]]
        return same(answer.raw) if answer is not None else b"cut", seen


async def two_gates(stand: Stand, anonymous: str = "false", more: str = ""):
    """Gates that differ in their lanes alone."""
    up = await stand.upstream()
    up.on("*", echo)
    gates = []
    for lanes in ("on", "off"):
        await stand.gate(more + CONFIG.format(url=up.url, anonymous=anonymous))
        gates.append(alone(stand.running))
        operator = stand.caller("lab", name="operator")
        await stand.switch(operator, lanes=lanes)
    await until(lambda: not any(server.lane.on for server in gates[1].servers))
    return up, gates


@pytest.mark.parametrize("seed", range(10))
async def test_the_same_traffic_gives_the_same_bytes_with_lanes_on_and_off(stand, seed):
    up, gates = await two_gates(stand, "true" if seed % 2 else "false")
    ada, sam, rev = (stand.caller(group, name=group) for group in ("lab", "some", "lab"))
    traffic = Traffic(seed, [str(one.token) for one in (ada, sam, rev)])
    on, off = (Side(Caller(gate.address[1], None, stand.ends), up) for gate in gates)
    for turn in range(250):
        if turn == 120:
            stand.revoke(rev)
            await until(lambda: all(gate.generations.epoch for gate in gates))
        verb, request = traffic.next()
        assert await on.take(verb, request) == await off.take(verb, request), request
    # Else nothing was compared.
    assert gates[0].servers[0].lane
    assert len(gates[1].servers[0].lane) == 0


def noted(gate):
    """What is written down of each request, as it is written down."""
    visits = []
    gate.metrics._log = lambda visit, _: visits.append(
        {
            name: getattr(visit, name)
            for name in visit.__struct_fields__
            if name not in ("id", "seconds", "wait", "trace")
        }
    )
    return visits


def counted(gate):
    """What the counters say of what came through mounts."""
    metrics = gate.metrics
    metrics.gather()
    mounts = {key: count for key, count in metrics._requests.items() if key[0] == "mount"}
    return mounts, +metrics._statuses, +metrics._calls, +metrics._sizes, +metrics._verdicts, +metrics._moved


@pytest.mark.parametrize("seed", range(2))
async def test_the_log_and_the_counters_say_the_same_with_lanes_on_and_off(stand, seed):
    up, gates = await two_gates(stand, more="trusted_proxies: [127.0.0.1/32]\n")
    visits = [noted(gate) for gate in gates]
    traffic = Traffic(seed, [str(stand.caller(group, name=group).token) for group in ("lab", "some", "lab")])
    on, off = (Side(Caller(gate.address[1], None, stand.ends), up) for gate in gates)
    requests = [traffic.next() for _ in range(60)]
    from_afar = b"\r\nX-Forwarded-For: 198.51.100.9\r\n"
    requests += [(verb, one.replace(b"\r\n", from_afar, 1)) for verb, one in requests[:30]]
    for verb, request in [one for one in requests for _ in range(3)]:
        assert await on.take(verb, request) == await off.take(verb, request), request
    assert visits[0] == visits[1]
    assert {visit["peer"] for visit in visits[0]} == {"127.0.0.1", "198.51.100.9"}
    assert {"hit", "miss"} <= {visit["cache"] for visit in visits[0]}
    assert counted(gates[0]) == counted(gates[1])
    # Whoever has nobody write it down counts the same.
    before = [counted(gate) for gate in gates]
    for gate in gates:
        gate.metrics._log = None
    for verb, request in requests:
        assert await on.take(verb, request) == await off.take(verb, request), request
    assert before[0] != counted(gates[0]) == counted(gates[1])


async def test_entries_that_expire_in_between_serve_neither_by_the_lanes_nor_by_the_usual_way(stand):
    up, gates = await two_gates(stand)
    token = str(stand.caller("lab").token)
    on, off = (Side(Caller(gate.address[1], token, stand.ends), up) for gate in gates)
    request = on.caller.request("GET", "/plain/brief", host="gate.test")

    async def both() -> list[bytes]:
        (one, asked), (other, asked_too) = [await side.take("GET", request) for side in (on, off)]
        assert (one, asked) == (other, asked_too)
        return asked

    for _ in range(2):
        assert len(await both()) == 1
        assert not await both()
        assert not await both()
        await past(2.01)


async def test_the_same_pipelined_traffic_gives_the_same_bytes(stand):
    _, gates = await two_gates(stand)
    ada = stand.caller("lab")
    lines = [
        ada.request("GET", target, host="gate.test")
        for target in ("/up/a", "/up/thing/1", "/nowhere", "/up/%2e")
    ]
    lines.append(ada.request("POST", "/up/a", "X-Odd: 1", host="gate.test", body=b"hello"))
    pick = random.Random(1)
    requests = [pick.choice(lines) for _ in range(100)]
    answers = []
    for gate in gates:
        line = await Caller(gate.address[1], None, stand.ends).line()
        stream = b"".join(requests)
        while stream:
            size = pick.randrange(1, 700)
            line.writer.write(stream[:size])
            stream = stream[size:]
            await asyncio.sleep(0)
        answers.append([same((await line.answer()).raw) for _ in requests])
    assert answers[0] == answers[1]


async def test_lanes_that_are_switched_off_hold_nothing_and_take_nothing(stand):
    _, gates = await two_gates(stand)
    gate = gates[0]
    stand.running = gate
    ada = stand.caller("lab")
    for _ in range(3):
        await ada.get("/up/a")
    assert gate.servers[0].lane
    await stand.switch(ada, lanes="off")
    await until(lambda: not any(len(server.lane) for server in gate.servers))
    await ada.get("/up/a", "X-Other: 1")
    assert not gate.servers[0].lane
    await stand.switch(ada, lanes="on")
    await until(lambda: gate.servers[0].lane.on)
    await ada.get("/up/a")
    assert len(gate.servers[0].lane) == 1


async def test_a_revoked_token_is_refused_though_its_lines_are_known_on_the_same_connection(stand):
    up, gates = await two_gates(stand)
    stand.running = gates[0]
    ada, bob = stand.caller("lab"), stand.caller("lab", name="bob")
    line, other = await ada.line(), await bob.line()
    for _ in range(3):
        for target in ("/up/a", "/up/thing/1"):
            assert (await ada.get(target, on=line)).status == 200
            assert (await bob.get(target, on=other)).status == 200
    stand.revoke(ada)
    await until(lambda: gates[0].generations.epoch)
    seen = len(up.asked)
    for target in ("/up/a", "/up/thing/1"):
        assert (await ada.get(target, on=line)).status == 401
    assert len(up.asked) == seen
    assert (await bob.get("/up/a", on=other)).status == 200


@pytest.mark.parametrize("size", [LONGEST - 200, LONGEST + 1])
async def test_lines_beyond_four_kibibytes_are_not_remembered(stand, size):
    _, gates = await two_gates(stand)
    stand.running = gates[0]
    ada = stand.caller("lab")
    frame = len(ada.head("GET", "/up/a", "X-Long: ")) - len("GET /up/a")
    for _ in range(2):
        assert (await ada.get("/up/a", "X-Long: " + "x" * (size - frame))).status == 200
    assert len(gates[0].servers[0].lane) == (size <= LONGEST)


def test_a_lane_takes_no_more_than_its_sixteen_mebibytes_and_forgets_all_when_it_is_full():
    lane, seen = Lane(), Seen(Head(0, 1), Head(0, 1, bodiless=True), ())
    most = 0
    for number in range(20_000):
        lane.put(b"%d" % number + b"x" * (LONGEST - 5), seen)
        most = max(most, len(lane) * (LONGEST - 5))
    # What a guest may note about each counts too.
    assert MOST // 8 < most <= MOST
    lane.clear()
    assert len(lane) == 0
    lane.put(b"x" * (LONGEST + 1), seen)
    assert len(lane) == 0
    lane.put(b"x", seen)
    assert lane.get(b"x") is seen
    lane.on = False
    lane.put(b"y", seen)
    assert lane.get(b"y") is None
