"""Cookies and parameters of a query: which say who asks, and which only look as if they did."""

import pytest

from gateway.core.credentials_shown import without_cookies, without_secrets, without_sent_cookies

IDLE = frozenset((b"csrf",))
KEY = frozenset((b"api_key", b"a b"))


@pytest.mark.parametrize(
    ("query", "left", "secrets"),
    [
        (b"", b"", ()),
        (b"?x=1&y", b"?x=1&y", ()),
        (b"?api_key=s", b"", (b"api_key=s",)),
        (b"?x=1&api_key=s&&y=%20", b"?x=1&&y=%20", (b"api_key=s",)),
        (b"?%61pi%5Fkey=s&api_key=t", b"", (b"%61pi%5Fkey=s", b"api_key=t")),
        (b"?a+b=1&a%20b", b"", (b"a+b=1", b"a%20b")),
        (b"?API_KEY=s&x=api_key", b"?API_KEY=s&x=api_key", ()),
    ],
)
def test_a_parameter_that_is_a_credential_leaves_the_query_however_it_is_written(
    query, left, secrets
) -> None:
    assert without_secrets(query, KEY) == (left, secrets)
    assert without_secrets(query, frozenset()) == (query, ())


def test_only_replies_fields_that_set_a_named_cookie_are_left_out() -> None:
    fields = ((b"Set-Cookie", b"csrf=1; Path=/"), (b"SET-COOKIE", b"Csrf=2"), (b"X", b"csrf=1"))
    assert without_cookies(fields, IDLE) == fields[1:]
    assert without_cookies(fields, frozenset()) is fields


def test_other_cookies_of_a_request_stay_as_they_were_sent() -> None:
    fields = (
        (b"Cookie", b"csrf=1; a=2;b=3"),
        (b"cookie", b"csrf=4"),
        (b"Cookie", b"c=5;  d"),
        (b"X", b"csrf=1"),
    )
    left = ((b"Cookie", b"a=2; b=3"), (b"Cookie", b"c=5;  d"), (b"X", b"csrf=1"))
    assert without_sent_cookies(fields, IDLE) == left
