"""Does a mount change a byte? Raw requests go direct and through the gate; answers and what was seen are compared.

What may differ stands in fidelity/exceptions.py, in full; the cases are gathered in fidelity/cases.py.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fidelity import cases, servers
from fidelity.asking import SCRIPTED, Case, Server
from fidelity.exceptions import Mount, differences, seen_differences
from fidelity.raw import Answer, Fields, Line, Request

if TYPE_CHECKING:
    from gateway.app import Gate

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

MOUNT = b"/up"
CONFIG = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  up: {{dialect: listed, url: "http://127.0.0.1:{port}", mount: /up, breaker: off{more}}}
"""

groups = pytest.mark.parametrize(
    ("server", "theme"), cases.GROUPS, ids=[f"{server}-{theme}" for server, theme in cases.GROUPS]
)


@dataclass(frozen=True, slots=True)
class Way:
    """How an upstream is reached: the port that is called, what is put before targets, and with which token."""

    port: int
    path: bytes = b""
    token: bytes = b""

    def request(self, request: Request) -> Request:
        """The request as it is sent this way; the credential is another field."""
        if not self.token:
            return request
        taken = any(name.lower() == b"authorization" for name, _ in request.fields)
        own = (b"Labgate-Token", self.token) if taken else (b"Authorization", b"Bearer " + self.token)
        return replace(request, target=self.path + request.target, fields=(*request.fields, own))


@pytest.fixture(scope="module")
def port_of(
    python_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], int]]:
    """`port_of(name)`: where the upstream listens; it is started when first asked for."""
    ports: dict[str, int] = {}
    with ExitStack() as ends:

        def started(name: str) -> int:
            if name not in ports:
                ports[name] = servers.start(name, python_of, tmp_path_factory.mktemp(name), ends)
            return ports[name]

        yield started


async def taken(case: Case, way: Way) -> list[Answer | str]:
    """The answers to the requests of a case, sent on one connection for as long as it lasts."""
    answers: list[Answer | str] = []
    line: Line | None = None
    for request in case.requests:
        line = line or await Line.open(way.port)
        try:
            answer = await line.exchange(way.request(request), b"127.0.0.1:%d" % way.port)
        except (OSError, EOFError, AssertionError, ValueError, asyncio.LimitOverrunError) as error:
            answers.append(f"no answer: {error!r}")
            await line.close()
            return answers
        answers.append(answer)
        if answer.ended:
            await line.close()
            line = None
    if line is not None:
        await line.close()
    return answers


async def compared(case: Case, server: str, upstream: int, way: Way, mount: Mount | None) -> list[str]:
    """What differs between a case sent direct and sent some way, a line each."""
    direct = await taken(case, Way(upstream))
    found = await taken(case, way)
    told: list[str] = []
    for request, ours, theirs in zip(case.requests, direct, found, strict=False):
        assert isinstance(ours, Answer), f"{case.name}, direct: {ours}"
        if isinstance(theirs, Answer):
            told += differences(request, ours, theirs, mount, case.changing)
        else:
            told.append(theirs)
    if server in SCRIPTED:
        sent = len(case.requests)
        seen = await servers.seen(upstream)
        if len(seen) != 2 * sent:
            told.append(f"the upstream saw {len(seen) - sent} requests instead of {sent}")
        for was, became in zip(seen[:sent], seen[sent:], strict=False):
            told += seen_differences(was, became, mount)
    return [f"{case.name}: {line}" for line in told]


@groups
async def test_a_mount_changes_nothing_but_what_is_documented(
    server, theme, port_of, gate_of, token_for
) -> None:
    upstream = await asyncio.to_thread(port_of, server)
    async with gate_of(CONFIG.format(port=upstream, more="")) as gate:
        way = Way(gate.address[1], MOUNT, token_for("ada", "lab").encode())
        mount = Mount(b"127.0.0.1:%d" % upstream, b"127.0.0.1:%d" % way.port, MOUNT)
        told: list[str] = []
        for case in cases.of(Server(server, mount.upstream), theme):
            told += await compared(case, server, upstream, way, mount)
    assert not told, f"{len(told)} differences\n" + "\n".join(told)


async def passed_on(
    upstream: int, gate: "Gate", token: str, fields: Fields, host: bytes = b""
) -> tuple[bytes, Fields]:
    """The host and the other fields that an upstream sees of a GET with these fields."""
    way = Way(gate.address[1], MOUNT, token.encode())
    line = await Line.open(way.port)
    answer = await line.exchange(way.request(Request(fields=fields)), host or b"127.0.0.1:%d" % way.port)
    await line.close()
    assert answer.status == 200
    (seen,) = await servers.seen(upstream)
    return seen.value(b"host") or b"", tuple(field for field in seen.fields if field[0].lower() != b"host")


async def test_a_service_may_ask_for_the_callers_host_and_for_names_with_underscores(
    port_of, gate_of, token_for
) -> None:
    upstream = await asyncio.to_thread(port_of, "node")
    more = ", keep_host: true, underscores: true"
    async with gate_of(CONFIG.format(port=upstream, more=more)) as gate:
        own = ((b"X_User", b"ada"), (b"x-user", b"eve"))
        host, fields = await passed_on(upstream, gate, token_for("ada", "lab"), own, b"Lab.example:8700")
    assert host == b"Lab.example:8700"
    assert fields[:2] == own


async def test_what_a_caller_says_of_its_way_is_not_passed_on_as_the_gates_word(
    port_of, gate_of, token_for
) -> None:
    upstream = await asyncio.to_thread(port_of, "node")
    claimed = (
        (b"X-Forwarded-For", b"6.6.6.6"),
        (b"x-forwarded-host", b"evil.example"),
        (b"X-Forwarded-Proto", b"gopher"),
        (b"X-Forwarded-Prefix", b"/evil"),
        (b"Forwarded", b"for=6.6.6.6"),
    )
    async with gate_of(CONFIG.format(port=upstream, more="")) as gate:
        _, fields = await passed_on(upstream, gate, token_for("ada", "lab"), claimed)
    told = {name.lower(): value for name, value in fields}
    assert len(told) == len(fields)
    assert told[b"x-forwarded-for"] == b"127.0.0.1"
    assert told[b"x-forwarded-host"] == b"127.0.0.1:%d" % gate.address[1]
    assert told[b"x-forwarded-proto"] == b"http"
    assert told[b"x-forwarded-prefix"] == MOUNT
    assert b"6.6.6.6" not in told[b"forwarded"]


@groups
async def test_an_upstream_answers_the_same_request_twice_in_the_same_way(server, theme, port_of) -> None:
    upstream = await asyncio.to_thread(port_of, server)
    told: list[str] = []
    for case in cases.of(Server(server, b"127.0.0.1:%d" % upstream), theme):
        told += await compared(case, server, upstream, Way(upstream), None)
    assert not told, f"{len(told)} differences\n" + "\n".join(told)


def test_there_are_several_hundred_cases_and_some_of_every_theme_and_no_name_stands_for_two() -> None:
    made = {group: cases.of(Server(group[0], b"here"), group[1]) for group in cases.GROUPS}
    assert min(map(len, made.values())) >= 5
    assert sum(map(len, made.values())) >= 600
    for group, found in made.items():
        assert max(Counter(case.name for case in found).values()) == 1, group
