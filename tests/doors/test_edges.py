"""Laws of the parser's edges, at every door, by raw bytes: what two readers could read differently goes nowhere."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from mounting import CutShort, Line, Upstream, told

SETTINGS = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  up: {{dialect: listed, url: "{url}", mount: /up}}
"""
CANARY = b'{"jsonrpc":"2.0","id":"canary","method":"system.listMethods"}'

lanes = pytest.mark.parametrize("lanes", [True, False], ids=["lanes on", "lanes off"])


@dataclass
class Door:
    """One way in: its target, a request that it answers, and what that answer says."""

    name: str
    target: bytes
    canary: bytes
    said: bytes


MOUNT = Door("mount", b"/up/edge", b"GET /up/canary HTTP/1.1\r\nHost: h\r\n\r\n", b"canary")
RPC = Door(
    "rpc",
    b"/rpc",
    b"POST /rpc HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%b" % (len(CANARY), CANARY),
    b'"id":"canary"',
)


async def exchanged(line: Line, data: bytes, door: Door, case: Any) -> str | None:
    """What is wrong with the answers to a case with a canary behind it in the same write; None if nothing is."""
    line.writer.write(data)
    try:
        answer = await line.answer()
        if answer.status != (200 if case.passes else case.verdict):
            return f"{answer.status} {answer.body[:120]!r}"
        if not case.passes and not case.stays:
            if answer["Connection"] != "close":
                return "the answer does not say that the connection ends"
            more = await line.ended()
            return f"more came after the refusal: {more[:80]!r}" if more else None
        canary = await line.answer()
    except CutShort as error:
        return f"no answer: {error!r}"
    return None if canary.status == 200 and door.said in canary.body else f"no canary: {canary.raw[:300]!r}"


async def tried(port: int, token: str, door: Door, case: Any, *, warm: bool) -> str | None:
    """What is wrong with the answers to a case, on a connection of its own."""
    line = Line(*await asyncio.open_connection("127.0.0.1", port))
    lines = b"\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n\r\n" % token.encode()
    canary = door.canary.replace(b"\r\n\r\n", lines, 1)
    try:
        for _ in range(2 if warm else 0):
            line.writer.write(canary)
            assert (await line.answer()).status == 200
        return await exchanged(line, case.shown_by(token) + canary, door, case)
    finally:
        await line.close()


def unseen(up: Upstream, case: Any, before: int) -> str | None:
    """What is wrong with what the service got of a case and its canary."""
    got = [(one.verb.encode(), one.path.rpartition("/")[2]) for one in up.asked[before:]]
    got = [one for one in got if one != (b"GET", "canary")]
    smuggled = any("smuggled" in one.target for one in up.asked[before:])
    if smuggled or [verb for verb, _ in got] != ([case.verb] if case.passes else []):
        return f"the service got {got}"
    return None


@lanes
async def test_through_a_mount_a_service_gets_what_passes_once_and_nothing_of_what_is_refused(
    stand, edges, lanes: bool
) -> None:
    up = await stand.upstream()
    up.on("/canary", told(b"canary"))
    await stand.gate(SETTINGS.format(url=up.url))
    ada = stand.caller("lab")
    await stand.switch(ada, lanes="on" if lanes else "off")
    wrong: list[str] = []
    for case in edges.cases(MOUNT.name, MOUNT.target):
        for warm in (False, True):
            before = len(up.asked)
            found = await tried(ada.port, ada.token, MOUNT, case, warm=warm)
            found = found or unseen(up, case, before)
            if found:
                wrong.append(f"{case.name}{', warm' if warm else ''}: {found}")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong)


@lanes
async def test_at_the_rpc_door_what_passes_is_one_call_and_what_is_refused_is_none(
    stand, edges, lanes: bool
) -> None:
    await stand.gate("policies:\n  - {to: ['group:lab'], allow: ['*'], operate: true}\n")
    ada = stand.caller("lab")
    await stand.switch(ada, lanes="on" if lanes else "off")
    wrong: list[str] = []
    for case in edges.cases(RPC.name, RPC.target):
        for warm in (False, True):
            found = await tried(ada.port, ada.token, RPC, case, warm=warm)
            if found:
                wrong.append(f"{case.name}{', warm' if warm else ''}: {found}")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong)


VERBS = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY"}
OWN_PORT = SETTINGS.replace("mount: /up", 'mount: /up, listen: "127.0.0.1:0"')


@pytest.mark.parametrize("where", ["callers", "a service's port", "operators"])
async def test_what_is_asked_of_the_server_as_a_whole_is_answered_without_a_token(stand, where: str) -> None:
    up = await stand.upstream()
    await stand.gate(OWN_PORT.format(url=up.url))
    nobody = stand.nobody()
    if where != "callers":
        nobody = stand.at(nobody, None if where == "operators" else "up")
    line = await nobody.line()
    for _ in range(2):
        line.writer.write(nobody.request("OPTIONS", "*"))
        answer = await line.answer("OPTIONS")
        assert (answer.status, answer.body) == (204, b"")
        verbs = answer["Allow"].split(", ")
        assert {"GET", "HEAD", "POST", "OPTIONS"} <= set(verbs) <= VERBS
        assert ("PATCH" in verbs) == (where != "operators")
    line.writer.write(nobody.request("GET", "*"))
    assert (await line.answer()).status == 400
    assert not [one for one in up.asked if one.verb == "OPTIONS"], "no service hears of it"


def test_the_edges_are_told_apart_by_their_names(edges) -> None:
    names = [case.name for case in edges.cases(MOUNT.name, MOUNT.target)]
    assert len(names) == len(set(names)) > 200
    assert json.loads(edges.BODY)["method"]
