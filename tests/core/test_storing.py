"""Storing what comes through mounts: each reason why a reply is no other's, and none but these."""

from itertools import combinations

import pytest

from gateway.core.method import CacheRule, HttpBinding, Method
from gateway.core.storing import choosing, why_not_kept, why_not_shared

RULE = CacheRule(fresh=30)
FOR_ALL = CacheRule(fresh=30, share="everyone")


def method(*, safe=True, cache=RULE):
    return Method(name="s.get", service="s", binding=HttpBinding("GET", "/a"), safe=safe, cache=cache)


# --- requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, None),
        ({b"accept": b"*/*", b"user-agent": b"x", b"expect": b"100-continue"}, None),
        ({b"authorization": b"Bearer x"}, None),
        ({b"authorization": b"bearer x"}, None),
        ({b"labgate-token": b"x"}, None),
        ({b"range": b"bytes=0-1"}, "range"),
        ({b"if-match": b"*"}, "conditional"),
        ({b"if-none-match": b'"x"'}, "conditional"),
        ({b"if-modified-since": b""}, "conditional"),
        ({b"if-unmodified-since": b"x"}, "conditional"),
        ({b"if-range": b"x"}, "conditional"),
        ({b"cookie": b"a=1"}, "a cookie of the caller's"),
        ({b"cookie": b""}, "a cookie of the caller's"),
        ({b"authorization": b"Basic x"}, "a credential for the upstream"),
        ({b"authorization": b"x"}, "a credential for the upstream"),
        ({b"authorization": b"Bearer\tx"}, "a credential for the upstream"),
        ({b"authorization": b"Bearer x", b"labgate-token": b"y"}, "a credential for the upstream"),
    ],
)
def test_a_request_that_says_something_of_its_own_is_not_shared(fields, why):
    assert why_not_shared("GET", fields, method()) == why


def test_a_head_request_is_not_shared_and_neither_is_what_is_unsafe_or_without_a_rule():
    assert why_not_shared("HEAD", {}, method()) == "HEAD"
    assert why_not_shared("GET", {}, method(safe=False)) == "unsafe"
    assert why_not_shared("GET", {}, method(cache=None)) == "no rule"
    assert why_not_shared("QUERY", {}, method()) is None


def test_requests_by_which_an_upstream_may_choose_differ_also_in_what_is_absent_empty_or_said_twice():
    names = (
        b"accept",
        b"Accept-Encoding",
        b"accept-language",
        b"ORIGIN",
        b"content-type",
        b"content-encoding",
    )
    asked = [()]
    for name in names:
        asked += [((name, value),) for value in (b"", b"-", b"=", b"x", b"x,x", b"1:x")]
        asked += [((name, b"x"), (name, b"x")), ((name, b"x"), (name, b"")), ((name, b""), (name, b"x"))]
    asked += [((one, b"x"), (other, b"x")) for one, other in combinations(names, 2)]
    assert len({choosing(fields) for fields in asked}) == len(asked)


def test_requests_that_differ_in_other_fields_do_not():
    one = ((b"accept", b"x"), (b"user-agent", b"a"))
    assert choosing(one) == choosing(((b"te", b"b"), (b"Accept", b"x")))


# --- replies -------------------------------------------------------------------------------------------------


def kept(*fields, status=200, cache=RULE):
    return why_not_kept(status, fields, method(cache=cache))


@pytest.mark.parametrize("status", [201, 203, 204, 206, 301, 304, 404, 500])
def test_only_a_200_is_kept(status):
    assert kept(status=status) == f"status {status}"


@pytest.mark.parametrize(
    ("field", "why"),
    [
        ((b"Set-Cookie", b"a=1"), "it sets a cookie"),
        ((b"SET-COOKIE", b""), "it sets a cookie"),
        ((b"Cache-Control", b"no-store"), "no-store"),
        ((b"cache-control", b"max-age=60 ,No-Store"), "no-store"),
        ((b"Vary", b"*"), "it varies by more than the key holds"),
        ((b"Vary", b"Accept, User-Agent"), "it varies by more than the key holds"),
        ((b"vary", b"Cookie"), "it varies by more than the key holds"),
        ((b"Vary", b"ACCEPT, accept-encoding,Origin , Accept-Language"), None),
        ((b"Vary", b""), None),
        ((b"Cache-Control", b"no-cache, max-age=0, must-revalidate"), None),
        ((b"Cache-Control", b"x-no-store=1"), None),
        ((b"X-Cache-Control", b"no-store"), None),
        ((b"Pragma", b"no-cache"), None),
    ],
)
def test_a_reply_that_is_for_one_caller_or_by_more_than_the_key_is_not_kept(field, why):
    assert kept(field) == why
    assert kept((b"A", b"b"), (b"Cache-Control", b"max-age=1"), (b"Vary", b"Accept"), field) == why


@pytest.mark.parametrize("value", [b"private", b"max-age=3, PRIVATE", b'private="x-secret"'])
def test_a_private_reply_is_kept_only_for_whoever_got_it(value):
    assert kept((b"Cache-Control", value), cache=FOR_ALL) == "private"
    assert kept((b"Cache-Control", value), cache=None) == "private"
    assert kept((b"Cache-Control", value), cache=RULE) is None
