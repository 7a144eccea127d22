"""Which targets and framings go through a mount, and how do they look on the other side?"""

import asyncio
import re
from pathlib import Path

import pytest
from fidelity.raw import PATIENCE
from fidelity.scripted import OK, answering

from gateway.settings import SettingsError, load

pytestmark = pytest.mark.interop

REFUSED = (
    b"/up/../a",
    b"/up/..",
    b"/up/a/../../b",
    b"/up/./a",
    b"/up/.",
    b"/up/%2e%2e/a",
    b"/up/.%2E/a",
    b"/up/%2e/a",
    b"/up/..;x/a",
    b"/up/a%2Fb",
    b"/up/a%2fb",
    b"/up/..%2fa",
    b"/up/%2e%2e%2fa",
    b"/up%2fa",
    b"/up/a%5Cb",
    b"/up/a\\b",
    b"/up/a%00b",
    b"/up/a%0d%0ab",
    b"/up/a%7fb",
    b"/up/%",
    b"/up/%2",
    b"/up/%zz",
    b"/up/%u0041",
    b"/up/a%",
    b"http://elsewhere.example/up/a",
    b"https:///up/a",
    b"up/a",
)


async def test_a_target_that_two_servers_could_read_differently_is_a_400_and_goes_nowhere(before) -> None:
    upstream, gate = await before(answering(OK))
    for target in REFUSED:
        seen = await gate.ask(b"GET", target)
        assert seen.status in ((400, 404) if target == b"/up%2fa" else (400, 421)), target
    assert upstream.heads == []


PASSED = (
    (b"/up/a", b"/a"),
    (b"/up/", b"/"),
    (b"/up", b"/"),
    (b"/up?x=1", b"/?x=1"),
    (b"/up//info", b"//info"),
    (b"//up/a", b"/a"),
    (b"//up//a//b//", b"//a//b//"),
    (b"/%75p/%61", b"/%61"),
    (b"/up/a%252Fb", b"/a%252Fb"),
    (b"/up/...", b"/..."),
    (b"/up/a?/../%2e%2e/%2f%", b"/a?/../%2e%2e/%2f%"),
    (b"http://HOST/up/a?b", b"/a?b"),
    (b"HTTP://HOST/up/a", b"/a"),
    (b"http://HOST/up", b"/"),
)


async def test_a_target_is_sent_on_as_it_was_written_without_the_mount(before) -> None:
    upstream, gate = await before(answering(OK))
    for target, _ in PASSED:
        assert (await gate.ask(b"GET", target.replace(b"HOST", gate.host))).status == 200, target
    assert upstream.targets == [seen for _, seen in PASSED]


async def test_an_encoded_slash_passes_as_written_where_the_service_says_so_but_no_dots_with_it(
    before,
) -> None:
    upstream, gate = await before(answering(OK), ", encoded_slash: true")
    for target in (b"/up/a%2Fb", b"/up/a%2fb%2F", b"/up/%2f"):
        assert (await gate.ask(b"GET", target)).status == 200
    assert upstream.targets == [b"/a%2Fb", b"/a%2fb%2F", b"/%2f"]
    for target in (b"/up/..%2fa", b"/up/a%2F..%2Fb", b"/up/%2e%2e%2fa", b"/up/a%5Cb"):
        assert (await gate.ask(b"GET", target)).status == 400, target
    assert len(upstream.heads) == 3


async def test_a_path_that_only_begins_like_a_mount_is_not_below_it(before) -> None:
    upstream, gate = await before(answering(OK))
    for target in (b"/upper", b"/up.a/b", b"/up;x/a", b"/Up/a", b"/", b"/a/up"):
        assert (await gate.ask(b"GET", target)).status == 404, target
    assert upstream.heads == []


AMBIGUOUS = (
    (b"Content-Length: 1", b"Content-Length: 2"),
    (b"Content-Length: 2", b"Content-Length: 2"),
    (b"Content-Length: 1, 2",),
    (b"Content-Length: +2",),
    (b"Content-Length: 0x2",),
    (b"Content-Length: -1",),
    (b"Content-Length: ",),
    (b"Content-Length: 2", b"Transfer-Encoding: chunked"),
    (b"Transfer-Encoding: chunked", b"Content-Length: 2"),
    (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    (b"Transfer-Encoding: gzip, chunked",),
    (b"Transfer-Encoding: xchunked",),
    (b"Transfer-Encoding: identity",),
    (b"Transfer-Encoding : chunked",),
    (b"Content-Length: 2", b" folded: 1"),
    (b"Host: elsewhere.example",),
)


async def test_a_request_whose_end_is_in_doubt_is_a_400_that_ends_the_connection_and_goes_nowhere(
    before,
) -> None:
    upstream, gate = await before(answering(OK))
    for lines in AMBIGUOUS:
        line = await gate.line()
        line.writer.write(gate.head(b"POST", b"/up/a", *lines) + b"0\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            seen = await line.reader.read()
        assert re.match(rb"HTTP/1\.1 (400|501) ", seen), (lines, seen)
        assert seen.count(b"HTTP/1.1 ") == 1
    assert upstream.heads == []


@pytest.mark.parametrize("mount", ["/up", "/up/"])
def test_two_services_on_one_mount_are_refused_by_the_settings(mount: str, tmp_path: Path) -> None:
    file = tmp_path / "labgate.yaml"
    service = "{{dialect: listed, url: 'http://127.0.0.1:{}', mount: {}}}"
    file.write_text(f"services:\n  a: {service.format(1, '/up')}\n  b: {service.format(2, mount)}\n")
    with pytest.raises(SettingsError, match="/up"):
        load(file, {})
