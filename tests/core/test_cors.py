"""Pages of other origins: they may what the service says, and the answers say so as the Fetch standard has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cors import Cors, preflight, reply_fields

VIEWER = b"https://viewer.test"
CORS = Cors(
    frozenset(("https://viewer.test", "http://localhost:3000")),
    methods=("GET", "PUT"),
    headers=("Content-Type", "X-Api-Key"),
    expose=("ETag", "X-Total"),
    max_age=60,
)
ANY = Cors(frozenset("*"), methods=("GET",), headers=("*",))


def asked(origin=VIEWER, method=b"PUT", *headers: bytes):
    """The fields of a preflight; a None is left out."""
    fields = [(b"Host", b"h"), (b"Origin", origin), (b"Access-Control-Request-Method", method)]
    fields += [(b"access-control-request-headers", header) for header in headers]
    return tuple(field for field in fields if field[1] is not None)


# --- preflights ----------------------------------------------------------------------------------------------


def test_a_preflight_of_an_allowed_origin_is_told_what_its_pages_may():
    assert preflight(CORS, "OPTIONS", asked(VIEWER, b"PUT", b"x-secret")) == (
        (b"Access-Control-Allow-Origin", VIEWER),
        (b"Vary", b"Origin"),
        (b"Access-Control-Allow-Methods", b"GET, PUT"),
        (b"Access-Control-Allow-Headers", b"Content-Type, X-Api-Key"),
        (b"Access-Control-Max-Age", b"60"),
    )


@pytest.mark.parametrize(
    ("verb", "fields"),
    [
        ("GET", asked()),
        ("POST", asked()),
        ("OPTIONS", asked(None)),
        ("OPTIONS", asked(VIEWER, None)),
        ("OPTIONS", asked(b"https://other.test")),
        ("OPTIONS", asked(b"https://viewer.test.evil.test")),
        ("OPTIONS", asked(b"http://viewer.test")),
        ("OPTIONS", asked(b"https://viewer.test:8443")),
        ("OPTIONS", asked(b"null")),
        ("OPTIONS", asked(b"")),
        ("OPTIONS", asked(b"https://viewer.test, https://viewer.test")),
        ("OPTIONS", (*asked(), (b"ORIGIN", VIEWER))),
        ("OPTIONS", (*asked(), (b"Access-Control-Request-Method", b"GET"))),
    ],
)
def test_whatever_is_no_preflight_of_an_allowed_origin_is_for_the_service(verb, fields):
    assert preflight(CORS, verb, fields) is None


def test_an_origin_is_compared_without_its_case_and_told_as_it_was_asked():
    told = dict(preflight(CORS, "OPTIONS", asked(b" HTTPS://Viewer.test\t")) or ())
    assert told[b"Access-Control-Allow-Origin"] == b"HTTPS://Viewer.test"


def test_where_any_header_is_allowed_those_that_are_asked_for_are_named():
    told = dict(preflight(ANY, "OPTIONS", asked(VIEWER, b"GET", b"authorization,x-a", b"x-b")) or ())
    assert told[b"Access-Control-Allow-Headers"] == b"authorization,x-a, x-b"
    assert b"Access-Control-Allow-Headers" not in dict(preflight(ANY, "OPTIONS", asked()) or ())


def test_a_star_means_any_origin_also_that_of_a_sandboxed_page():
    for origin in (VIEWER, b"null", b"moz-extension://x"):
        told = dict(preflight(ANY, "OPTIONS", asked(origin)) or ())
        assert told[b"Access-Control-Allow-Origin"] == origin
        assert b"Access-Control-Allow-Credentials" not in told


def test_credentials_are_allowed_only_where_the_service_says_so():
    with_them = Cors(CORS.origins, credentials=True)
    credentials = (b"Access-Control-Allow-Credentials", b"true")
    for cors, expected in ((CORS, False), (with_them, True)):
        assert (credentials in (preflight(cors, "OPTIONS", asked()) or ())) is expected
        assert (credentials in reply_fields(cors, asked())) is expected
    assert credentials not in reply_fields(with_them, asked(b"https://other.test"))


@given(
    st.lists(st.binary(max_size=12), max_size=3),
    st.sampled_from([b"x-a", b"a: b", b"x\r\nSet-Cookie: a=1", b"x\n", b"\0", b"\xe9"]),
)
def test_no_header_that_a_preflight_asks_for_brings_another_field_into_the_answer(asked_for, odd):
    told = preflight(ANY, "OPTIONS", asked(VIEWER, b"GET", *asked_for, odd)) or ()
    assert len(told) == len(dict(told))
    assert not any(set(name + value) & set(b"\r\n\0:") for name, value in told[2:])


# --- answers -------------------------------------------------------------------------------------------------


def test_an_answer_may_be_read_by_pages_of_allowed_origins_and_says_that_it_depends_on_them():
    assert reply_fields(CORS, asked()) == (
        (b"Access-Control-Allow-Origin", VIEWER),
        (b"Vary", b"Origin"),
        (b"Access-Control-Expose-Headers", b"ETag, X-Total"),
    )


@pytest.mark.parametrize(
    "fields", [asked(None), asked(b"https://other.test"), asked(b"null"), (*asked(), (b"Origin", VIEWER))]
)
def test_other_pages_are_told_nothing_but_that_the_answer_depends_on_the_origin(fields):
    assert reply_fields(CORS, fields) == ((b"Vary", b"Origin"),)


def test_a_service_that_says_nothing_of_pages_adds_nothing():
    assert reply_fields(None, asked()) == ()
