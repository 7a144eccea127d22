"""What may not go on as it came: a length of nothing, and an OPTIONS that has gone far enough."""

import pytest
from mounting import Asked, Caller, Upstream, told

SETTINGS = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
  - {{to: ["group:few"], allow: ["*", "GET /up/**", "OPTIONS /up/**"]}}
services:
  up: {{dialect: listed, url: "{url}", mount: /up}}
"""


@pytest.fixture
async def up(stand) -> Upstream:
    upstream = await stand.upstream()
    await stand.gate(SETTINGS.format(url=upstream.url))
    upstream.asked.clear()
    return upstream


@pytest.fixture
def ada(stand, up) -> Caller:
    return stand.caller("lab")


def limits(asked: Asked) -> list[bytes]:
    return asked.values("Max-Forwards")


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
@pytest.mark.parametrize("length", ["0", "6"])
async def test_a_204_says_no_length_whatever_the_service_said(up, ada, verb, length):
    up.on("/gone", f"HTTP/1.1 204 No Content\r\nX-Of: up\r\nContent-Length: {length}\r\n\r\n".encode())
    line = await ada.line()
    for _ in range(3):  # a way that is known is a shorter one
        answer = await ada.ask(verb, "/up/gone", on=line)
        assert (answer.status, answer["X-Of"]) == (204, "up")
        assert answer.values("Content-Length") == []


async def test_an_options_that_may_go_no_further_ends_at_the_gate(stand, up, ada):
    few = stand.caller("few", name="sam")
    for caller, allowed in (
        (ada, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
        (few, "GET, HEAD, OPTIONS"),
    ):
        line = await caller.line()
        for _ in range(3):
            answer = await caller.ask("OPTIONS", "/up/x", "Max-Forwards: 0", on=line)
            assert (answer.status, answer["Allow"], answer.body) == (204, allowed, b"")
            assert answer.values("Content-Length") == []
    assert up.asked == []
    assert (await stand.nobody().ask("OPTIONS", "/up/x", "Max-Forwards: 0")).status == 401


@pytest.mark.parametrize(
    ("said", "passed"),
    [("1", b"0"), ("10", b"9"), ("x", b"x"), ("-1", b"-1"), ("9" * 30, b"9" * 30)],
)
async def test_an_options_that_goes_on_may_go_one_step_less(up, ada, said, passed):
    up.on("/x", told())
    line = await ada.line()
    for _ in range(3):
        assert (await ada.ask("OPTIONS", "/up/x", f"Max-Forwards: {said}", on=line)).status == 200
    assert [limits(asked) for asked in up.asked] == [[passed]] * 3


async def test_max_forwards_says_nothing_to_other_verbs(up, ada):
    up.on("/x", told())
    line = await ada.line()
    for verb in ("GET", "GET", "OPTIONS", "GET", "DELETE"):
        assert (await ada.ask(verb, "/up/x", "Max-Forwards: 3", on=line)).status == 200
    assert [limits(asked) for asked in up.asked] == [[b"3"], [b"3"], [b"2"], [b"3"], [b"3"]]
