"""Does the comparison notice every change, and let pass what is documented and nothing more?"""

from dataclasses import replace

import pytest
from fidelity.exceptions import Mount, Seen, differences, seen_differences
from fidelity.raw import Answer, Fields, Request

MOUNT = Mount(b"127.0.0.1:8000", b"127.0.0.1:8700", b"/up")
REQUEST = Request(b"GET", b"/a/b?c=d")
NOTHING: frozenset[bytes] = frozenset()
FIELDS: Fields = (
    (b"Server", b"its-own"),
    (b"X-Twice", b"1"),
    (b"x-twice", b"2"),
    (b"Content-Type", b"text/plain"),
    (b"Content-Length", b"2"),
)
ANSWER = Answer(200, b"Fine", FIELDS, b"ok", "length")
SAW = Seen(
    b"POST",
    b"/a?b=%2b",
    (
        (b"Host", b"127.0.0.1:8000"),
        (b"X-B", b"1"),
        (b"x-a", b"\xff"),
        (b"X-B", b"2"),
        (b"Content-Length", b"2"),
    ),
    2,
    "digest of two bytes",
)

ALTERED_ANSWERS = {
    "status": replace(ANSWER, status=201),
    "reason": replace(ANSWER, reason=b"OK"),
    "no reason": replace(ANSWER, reason=b""),
    "body": replace(ANSWER, body=b"oK"),
    "a field less": replace(ANSWER, fields=FIELDS[1:]),
    "a field more": replace(ANSWER, fields=((b"X-More", b"1"), *FIELDS)),
    "order": replace(ANSWER, fields=(FIELDS[1], FIELDS[0], *FIELDS[2:])),
    "order of duplicates": replace(ANSWER, fields=(FIELDS[0], FIELDS[2], FIELDS[1], *FIELDS[3:])),
    "case": replace(ANSWER, fields=((b"server", b"its-own"), *FIELDS[1:])),
    "duplicates joined": replace(ANSWER, fields=(FIELDS[0], (b"X-Twice", b"1, 2"), *FIELDS[3:])),
    "value": replace(ANSWER, fields=((b"Server", b"its own"), *FIELDS[1:])),
    "charset": replace(
        ANSWER, fields=(*FIELDS[:3], (b"Content-Type", b"text/plain; charset=utf-8"), FIELDS[4])
    ),
    "length not announced": replace(ANSWER, fields=FIELDS[:4], framing="chunked"),
    "another length": replace(ANSWER, fields=(*FIELDS[:4], (b"Content-Length", b"3"))),
    "trailers": replace(ANSWER, trailers=((b"X-End", b"1"),)),
    "interim": replace(ANSWER, interim=(103,)),
    "ended": replace(ANSWER, ended=True),
}
PERMITTED_ANSWERS = {
    "added": (
        ANSWER,
        (
            *FIELDS,
            (b"Date", b"now"),
            (b"Via", b"1.1 gate"),
            (b"X-Request-Id", b"7"),
            (b"Labgate-Catalog", b"c"),
            (b"Cache-Status", b"labgate; fwd=miss"),
            (b"Age", b"0"),
        ),
    ),
    "framing moved": (ANSWER, (FIELDS[4], *FIELDS[:4])),
    "hop by hop": (
        replace(ANSWER, fields=(*FIELDS, (b"Connection", b"X-Hop"), (b"X-Hop", b"1"), (b"Upgrade", b"h2c"))),
        (*FIELDS, (b"Connection", b"keep-alive")),
    ),
    "of the origin": (
        replace(ANSWER, fields=(*FIELDS, (b"Alt-Svc", b"clear"), (b"access-control-max-age", b"1"))),
        FIELDS,
    ),
}
LED = [
    (b"/top", b"/up/top"),
    (b"/top", b"http://127.0.0.1:8700/up/top"),
    (b"http://127.0.0.1:8000/top?a=%2B", b"/up/top?a=%2B"),
    (b"http://127.0.0.1:8000/top", b"http://127.0.0.1:8700/up/top"),
    (b"next", b"next"),
    (b"?page=2", b"?page=2"),
    (b"https://other.example/x", b"https://other.example/x"),
    (b"//other.example/x", b"//other.example/x"),
]
LED_ASTRAY = [
    (b"/top", b"/top"),
    (b"/top", b"/up//top"),
    (b"/top?a=%2B", b"/up/top?a=+"),
    (b"http://127.0.0.1:8000/top", b"http://127.0.0.1:8000/top"),
    (b"http://127.0.0.1:8000/top", b"http://127.0.0.1:8000/up/top"),
    (b"next", b"/up/a/next"),
    (b"https://other.example/x", b"/up/x"),
]
COOKIES = [
    (b"a=b", b"a=b"),
    (b"a=b", b"a=b; Path=/up"),
    (b"a=b; Path=/", b"a=b; Path=/up/"),
    (b"a=b; Path=/; HttpOnly", b"a=b; HttpOnly; Path=/up"),
    (b"a=b; Domain=x.example; Path=/y", b"a=b; Path=/up/y"),
]
SPOILED_COOKIES = [
    (b"a=b", b"a=b; Path=/"),
    (b"a=b; Path=/", b"a=b; Path=/"),
    (b"a=b; Path=/", b"a=b"),
    (b"a=b; Path=/; Domain=x.example", b"a=b; Path=/up; Domain=x.example"),
    (b"a=b; Path=/; HttpOnly", b"a=b; Path=/up"),
    (b"a=b; Path=/", b"a=c; Path=/up"),
    (b"a=b; Path=/y", b"a=b; Path=/up"),
    (b"a=b; Path=/y", b"a=b; Path=/upper/y"),
]


def told(direct: Answer, found: Answer, request: Request = REQUEST) -> list[str]:
    """What the comparison says of an answer through the mount."""
    return list(differences(request, direct, found, MOUNT, NOTHING))


def with_field(name: bytes, value: bytes) -> Answer:
    """The answer with one more field."""
    return replace(ANSWER, fields=(*FIELDS, (name, value)))


def test_what_is_equal_makes_no_difference() -> None:
    assert told(ANSWER, ANSWER) == []
    assert list(seen_differences(SAW, SAW, MOUNT)) == []


@pytest.mark.parametrize("altered", ALTERED_ANSWERS.values(), ids=list(ALTERED_ANSWERS))
def test_every_alteration_of_an_answer_is_noticed(altered: Answer) -> None:
    assert told(ANSWER, altered)


@pytest.mark.parametrize(("direct", "fields"), PERMITTED_ANSWERS.values(), ids=list(PERMITTED_ANSWERS))
def test_what_is_documented_of_answers_makes_no_difference(direct: Answer, fields: Fields) -> None:
    found = replace(ANSWER, fields=fields)
    assert told(direct, found) == []
    assert list(differences(REQUEST, direct, found, None, NOTHING))


@pytest.mark.parametrize(("was", "became"), LED)
def test_an_address_that_leads_back_under_the_mount_is_right(was: bytes, became: bytes) -> None:
    assert told(with_field(b"Location", was), with_field(b"Location", became)) == []


@pytest.mark.parametrize(("was", "became"), LED_ASTRAY)
def test_an_address_that_leads_elsewhere_is_noticed(was: bytes, became: bytes) -> None:
    assert told(with_field(b"Location", was), with_field(b"Location", became))


@pytest.mark.parametrize(("was", "became"), COOKIES)
def test_a_cookie_under_the_mount_is_right(was: bytes, became: bytes) -> None:
    assert told(with_field(b"Set-Cookie", was), with_field(b"Set-Cookie", became)) == []


@pytest.mark.parametrize(("was", "became"), SPOILED_COOKIES)
def test_a_cookie_that_was_spoiled_is_noticed(was: bytes, became: bytes) -> None:
    assert told(with_field(b"Set-Cookie", was), with_field(b"Set-Cookie", became))


@pytest.mark.parametrize("status", [502, 503, 504])
def test_only_a_write_has_a_500_in_place_of_what_invites_to_send_again(status: int) -> None:
    direct = replace(ANSWER, status=status, reason=b"Bad")
    instead = replace(ANSWER, status=500, reason=b"Internal Server Error")
    write = replace(REQUEST, verb=b"POST")
    assert told(direct, instead, write) == []
    assert told(direct, direct, write)
    assert told(direct, instead)
    assert told(direct, direct) == []


def test_an_answer_of_a_length_that_nobody_announced_may_get_one_but_not_where_no_body_is() -> None:
    chunks = replace(ANSWER, fields=FIELDS[:4], framing="chunked")
    assert told(chunks, ANSWER) == []
    head = replace(chunks, framing="none", body=b"")
    assert told(head, replace(head, fields=(*FIELDS[:4], (b"Content-Length", b"0"))))


def test_every_alteration_of_what_an_upstream_sees_is_noticed() -> None:
    fields = SAW.fields
    altered = {
        "verb": replace(SAW, verb=b"PUT"),
        "target decoded": replace(SAW, target=b"/a?b=+"),
        "escape in capitals": replace(SAW, target=b"/a?b=%2B"),
        "body": replace(SAW, sha256="another"),
        "size": replace(SAW, length=3),
        "field lost": replace(SAW, fields=(fields[0], *fields[2:])),
        "field invented": replace(SAW, fields=(*fields, (b"User-Agent", b"a gate"))),
        "credential": replace(SAW, fields=(*fields, (b"Authorization", b"Bearer hush"))),
        "case": replace(SAW, fields=(fields[0], (b"x-b", b"1"), *fields[2:])),
        "byte": replace(SAW, fields=(*fields[:2], (b"x-a", "ÿ".encode()), *fields[3:])),
        "order": replace(SAW, fields=(fields[0], fields[2], fields[1], *fields[3:])),
        "host": replace(SAW, fields=((b"Host", b"127.0.0.1:8700"), *fields[1:])),
        "length": replace(SAW, fields=(*fields[:4], (b"Transfer-Encoding", b"chunked"))),
    }
    for name, found in altered.items():
        assert list(seen_differences(SAW, found, MOUNT)), name


def test_what_is_documented_of_requests_makes_no_difference() -> None:
    came = (
        *SAW.fields,
        (b"Connection", b"X-Hop"),
        (b"X-Hop", b"1"),
        (b"X_User", b"root"),
        (b"Proxy-Authorization", b"Basic eA=="),
        (b"TE", b"trailers"),
    )
    added = (
        *SAW.fields,
        (b"X-Forwarded-For", b"127.0.0.1"),
        (b"Forwarded", b"for=127.0.0.1"),
        (b"Via", b"1.1 gate"),
        (b"X-Request-Id", b"7"),
        (b"Labgate-Timeout", b"300"),
    )
    assert list(seen_differences(replace(SAW, fields=came), replace(SAW, fields=added), MOUNT)) == []


def test_a_body_in_chunks_may_reach_the_upstream_with_its_length_but_not_the_other_way() -> None:
    chunks = replace(SAW, fields=(*SAW.fields[:4], (b"Transfer-Encoding", b"chunked")))
    assert list(seen_differences(chunks, SAW, MOUNT)) == []
    assert list(seen_differences(SAW, chunks, MOUNT))
