"""Real callers before a mount: do they get, and does the upstream see, what they would without the gate?

Each caller is a program of callers/ that prints what it got; the same program is run directly and through the gate.
"""

import asyncio
import json
import os
import re
import subprocess
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
HTTP_CALLERS = (
    "with_requests.py",
    "with_httpx.py",
    "with_urllib.py",
    "with_http_client.py",
    "with_curl.py",
    "with_fetch.js",
)
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:guests"], allow: ["*", "/up/echo/**"]}}
services:
  up: {{dialect: listed, url: "{url}", mount: /up}}
  neighbour: {{dialect: listed, url: "{url}", mount: /neighbour}}
"""

OF_ONE_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "expect", "date"}
ADDED_TO_ANSWERS = {"age", "cache-status", "labgate-catalog", "server-timing", "via", "x-request-id"}
ADDED_TO_REQUESTS = {
    "forwarded", "labgate-timeout", "traceparent", "via", "x-forwarded-for", "x-forwarded-host",
    "x-forwarded-prefix", "x-forwarded-proto", "x-request-id",
}  # fmt: skip
# Host names the upstream, the credential is the gate's.
DIFFERENT = OF_ONE_HOP | ADDED_TO_ANSWERS | ADDED_TO_REQUESTS | {"host", "authorization"}


@pytest.fixture(scope="module")
def url(python_of):
    """Where the upstream is."""
    command = [python_of("callers-app"), HERE / "upstreams" / "callers_app.py"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield server.stdout.readline().split()[1]
        server.kill()


@pytest.fixture
def run(python_of, url):
    """`run(program, base, token)`: what the program got below the base; without a token it sends none."""

    async def ran(program, base, *token):
        start = ["node"] if program.endswith(".js") else [python_of("callers")]
        command = [*start, HERE / "callers" / program, base, url, *token]
        environ = {"PATH": os.environ["PATH"], "NO_PROXY": "*"}
        done = await asyncio.to_thread(
            subprocess.run, command, stdout=subprocess.PIPE, env=environ, timeout=120, check=True
        )
        return json.loads(done.stdout)

    return ran


@pytest.fixture
async def gate(url, gate_of):
    """The public address of a gate that has the upstream at /up, and once more at /neighbour."""
    async with gate_of(CONFIG.format(url=url)) as made:
        yield "http://{}:{}".format(*made.address)


def compared(outcome, base):
    """An outcome without what differs from hop to hop, and with URLs and cookies as below the base."""
    match outcome:
        case {"fields": fields, **rest}:
            # A body that says what the upstream saw is as long as that was.
            described = {"content-length"} if "fields" in rest.get("json", {}) else set()
            kept = [pair for pair in fields if pair[0].lower() not in DIFFERENT | described]
            return compared(rest, base) | {"kept": [[name, _unmoved(value, base)] for name, value in kept]}
        case dict():
            return {name: compared(value, base) for name, value in outcome.items()}
        case list():
            return [compared(value, base) for value in outcome]
        case str():
            return _unmoved(outcome, base)
    return outcome


def _unmoved(value, base):
    """A URL or a Set-Cookie without the mount; a bare base is its root."""
    if value.startswith(base):
        return "BASE/" + value.removeprefix(base).removeprefix("/")
    return re.sub("(?<=; Path=)[^;]*", lambda path: _below(path[0]), value)


def _below(path):
    return "/" + path.removeprefix("/up").removeprefix("/")


def differing(one, other):
    """What the two runs disagree on."""
    return {
        name: (one.get(name), other.get(name)) for name in one | other if one.get(name) != other.get(name)
    }


def seen_credentials(outcomes):
    """Every Authorization that the upstream says it saw."""
    heads = [
        one["json"].get("fields", []) for one in outcomes.values() if isinstance(one, dict) and "json" in one
    ]
    return [value for fields in heads for name, value in fields if name == "authorization"]


def set_cookies(outcomes):
    """Every Set-Cookie of the login."""
    return [value for name, value in outcomes["login"]["fields"] if name.lower() == "set-cookie"]


@pytest.mark.parametrize("program", HTTP_CALLERS)
async def test_a_caller_gets_large_bodies_redirects_and_cookies_from_the_upstream_itself(program, run, url):
    had = await run(program, url, "none")
    assert had["intact"]
    assert had.get("followed") is not False
    assert had["many"]["targets"] == [f"/echo?n={number}" for number in range(200)]
    assert had.get("cookie paths") in (None, ["/", "/echo/part"])
    again = await run(program, url, "none")
    assert differing(compared(had, url), compared(again, url)) == {}


@pytest.mark.parametrize("program", HTTP_CALLERS)
async def test_a_caller_gets_through_the_gate_exactly_what_it_gets_directly(
    program, run, url, gate, token_for
):
    token = token_for("ada", "lab")
    direct, through = await run(program, url, token), await run(program, f"{gate}/up", token)
    assert seen_credentials(direct)
    assert not seen_credentials(through)
    assert all("; Path=/up" in value for value in set_cookies(through))
    paths = through.pop("cookie paths", None)
    if (kept := direct.pop("cookie paths", None)) is not None:
        assert all(path.startswith("/up") for path in paths)
        assert [_below(path) for path in paths] == kept
    assert differing(compared(direct, url), compared(through, f"{gate}/up")) == {}


@pytest.mark.parametrize("program", ["events.py", "events.js"])
async def test_events_reach_an_event_source_one_by_one_and_the_upstream_sees_it_leave(
    program, run, url, gate, token_for
):
    token = token_for("ada", "lab")
    direct, through = await run(program, url, token), await run(program, f"{gate}/up", token)
    assert [data for _, data, *_ in direct["all"]] == ["one", "two\nlines, Zürich", '{"three": 3}']
    assert direct["after the second"] == direct["all"][2:]
    assert direct["left"] == direct["all"][:1]
    assert through == direct


async def test_the_upstream_sees_that_a_caller_left_before_it_was_answered(run, url, gate, token_for):
    token = token_for("ada", "lab")
    assert await run("leaving.py", f"{gate}/up", token) == await run("leaving.py", url, token)


async def test_a_web_socket_carries_messages_pings_and_closings_both_ways(run, url, gate, token_for):
    token = token_for("ada", "lab")
    direct, through = await run("web_socket.py", url, token), await run("web_socket.py", f"{gate}/up", token)
    assert all(equal for _, equal, _ in direct["echoes"])
    assert direct["ponged"]
    assert direct["head"]["subprotocol"] == "second"
    assert direct["head"]["extensions"] == ["permessage-deflate"]
    assert direct["closed by the server"]["caller"] == [4001, "bye, Zürich"]
    assert direct["closed by the caller"]["server"] == [4002, "enough, Zürich"]
    assert differing(compared(direct, url), compared(through, f"{gate}/up")) == {}


async def test_a_web_socket_without_a_token_is_401_and_on_a_forbidden_path_403(run, gate, token_for):
    assert await run("web_socket.py", f"{gate}/up") == {"refused": 401}
    assert await run("web_socket.py", f"{gate}/up", "labgate-no-token") == {"refused": 401}
    assert await run("web_socket.py", f"{gate}/up", token_for("eve", "guests")) == {"refused": 403}


@pytest.mark.parametrize(("group", "status"), [("lab", "201"), ("guests", "403"), (None, "401")])
async def test_a_caller_that_expects_100_continue_is_told_to_go_on_only_where_it_may(
    group, status, gate, token_for, tmp_path
):
    large = tmp_path / "large"
    large.write_bytes(bytes(8 * 1024 * 1024))
    fields = ["-H", f"Authorization: Bearer {token_for('ada', group)}"] if group else []
    words = ["curl", "--noproxy", "*", "-sS", *fields, "-T", str(large), f"{gate}/up/store/expected"]
    # No body is sent while curl waits, and it must not have to: here it would wait for a minute.
    words += ["--expect100-timeout", "60", "-D", "-", "-o", str(tmp_path / "body"), "-w", "%{size_upload}"]
    done = await asyncio.to_thread(subprocess.run, words, stdout=subprocess.PIPE, timeout=50, check=True)
    *heads, sent = done.stdout.decode().split("\r\n\r\n")
    statuses = [head.split(" ")[1] for head in heads]
    assert statuses == (["100", status] if status == "201" else [status])
    assert int(sent) == (large.stat().st_size if status == "201" else 0)


async def test_a_cookie_of_one_mount_does_not_reach_its_neighbour(gate, token_for):
    fields = {"Authorization": f"Bearer {token_for('ada', 'lab')}"}
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
    )

    def cookies_at(path):
        with opener.open(urllib.request.Request(gate + path, headers=fields), timeout=60) as response:
            seen = dict(json.loads(response.read()).get("fields", []))
        return seen.get("cookie")

    def ask():
        cookies_at("/up/login")
        return cookies_at("/up/echo"), cookies_at("/neighbour/echo"), cookies_at("/neighbour/echo/part")

    assert await asyncio.to_thread(ask) == ("session=s3cret", None, None)
